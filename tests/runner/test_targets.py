"""What attacks are let loose on: whatever is done to it is noticed once, whoever did it, and is put right."""

import ctypes
import os
import signal
import socket
from pathlib import Path

import pytest
from fumehood.runner.targets import Targets

TRACES = {
    "the secret was written": lambda host: Path(host["secret"]).write_text("x"),
    "a file was written": lambda host: Path(host["folder"], "kept").write_text("x"),
    "files were made or removed": lambda host: Path(host["folder"], "left", "deep").mkdir(parents=True),
    "the victim was killed": lambda host: end(host["victim"]),
    "System V objects were left": lambda host: ctypes.CDLL(None).semget(0, 1, 0o600),
    "something was left in a shared place": lambda host: Path("/dev/shm", host["token"], "deep").mkdir(parents=True),
}


def end(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


@pytest.fixture
def targets():
    with Targets() as made:
        yield made


def sysv():
    """The numbers of all sets of semaphores."""
    return {line.split()[1] for line in Path("/proc/sysvipc/sem").read_text().splitlines()[1:]}


@pytest.mark.parametrize("what", TRACES)
def test_a_trace_is_noticed_once_and_put_right(targets, what):
    before = sysv()
    host = targets.described()
    assert targets.noticed() == []
    TRACES[what](host)
    try:
        found = targets.noticed()
        assert what in found
        assert {*found} <= {what, "files were made or removed"}
        targets.described()  # as before each attack
        assert targets.noticed() == []
    finally:
        for number in sysv() - before:
            ctypes.CDLL(None).semctl(int(number), 0, 0)  # IPC_RMID


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
@pytest.mark.parametrize("which", ["secret", "kept"])
def test_what_stands_in_place_of_a_file_is_noticed_and_goes(targets, which, make):
    """And nobody waits for whoever might write into it."""
    host = targets.described()
    file = Path(host["secret"]) if which == "secret" else Path(host["folder"], "kept")
    file.unlink()
    make(file)
    assert targets.noticed() == ["the secret was written" if which == "secret" else "a file was written"]
    assert targets.noticed() == []
    assert file.read_text() == host["words"]


def test_a_file_that_is_removed_is_noticed_and_back(targets):
    host = targets.described()
    Path(host["folder"], "kept").unlink()
    assert targets.noticed() == ["a file was written", "files were made or removed"]
    assert targets.noticed() == []


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize(
    ("family", "kind", "where"),
    [
        (socket.AF_INET, socket.SOCK_STREAM, lambda host: ("127.0.0.1", host["tcp"])),
        (socket.AF_INET, socket.SOCK_DGRAM, lambda host: ("127.0.0.1", host["udp"])),
        (socket.AF_UNIX, socket.SOCK_STREAM, lambda host: host["unix"]),
        (socket.AF_UNIX, socket.SOCK_STREAM, lambda host: f"\0{host['abstract']}"),
    ],
)
def test_whoever_calls_is_noticed_by_this_look_and_not_by_the_next(targets, family, kind, where, times):
    host = targets.described()
    for _ in range(times):
        with socket.socket(family, kind) as caller:
            caller.connect(where(host))
            caller.send(b"hello")
    found = targets.noticed()
    assert len(found) == times
    assert all(each.startswith("somebody called at ") for each in found)
    assert targets.noticed() == []


def test_what_was_to_succeed_is_not_held_against_the_next(targets):
    """A victim on its way to its end is alive for a moment: it was found dead during the next attack."""
    for _ in range(20):
        victim = targets.described()["victim"]
        os.kill(victim, signal.SIGKILL)
        targets.renew()
        assert targets.described()["victim"] != victim
        assert targets.noticed() == []


def test_nothing_of_it_is_left():
    with Targets() as made:
        host = made.described()
        place = made.place
    assert not place.exists()
    assert host["token"] not in os.environ
    with pytest.raises(ProcessLookupError):
        os.kill(host["victim"], 0)
