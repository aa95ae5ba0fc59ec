"""Lists of system calls: made in order, here or in a fork; the first that fails ends it and is named."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from fumehood.shared.exits import Exit
from fumehood.worker.confine import _calls, calls
from fumehood.worker.confine.calls import Call, call


def forking(code):
    """Run `code`, which forks, in a process of one thread; its output. It has `calls`, `call`, `os`, `NANOSECONDS`."""
    head = "import os, sys, time\nfrom fumehood.worker.confine import calls\n"
    head += "from fumehood.shared.messages import NANOSECONDS\nfrom fumehood.worker.confine.calls import call\n"
    done = subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(code)], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout


def test_calls_are_made_in_order(tmp_path):
    here = Path.cwd()
    try:
        calls.run([call("out", "chdir", b"/"), call("in", "chdir", os.fsencode(tmp_path))])
        assert Path.cwd().samefile(tmp_path)
    finally:
        os.chdir(here)


def test_the_first_that_fails_is_named_and_none_follows(tmp_path):
    here = Path.cwd()
    missing = call("the missing one", "chdir", os.fsencode(tmp_path / "missing"))
    with pytest.raises(FileNotFoundError, match="chdir: No such file"):
        calls.run([missing, call("in", "chdir", os.fsencode(tmp_path))])
    assert Path.cwd() == here


def test_a_result_that_must_be_zero_may_not_be_anything_else():
    reading, writing = os.pipe()
    try:
        where = bytearray(reading.to_bytes(4, sys.byteorder) + bytes([1, 0, 0, 0]))
        ask = call("quiet", "ppoll", where, 1, bytes(16), 0, 0, zero=True)
        calls.run([ask])
        os.write(writing, b"x")
        with pytest.raises(OSError, match="ppoll: not the result") as caught:
            calls.run([ask])
        assert caught.value.errno == 0
    finally:
        os.close(reading)
        os.close(writing)


def test_a_fork_makes_the_calls_and_tells_when():
    said = forking(
        """
        times = bytearray(3 + 3 * NANOSECONDS.size)
        before = time.monotonic_ns()
        pid, *_ = calls.fork(0, (call("a", "setpgid", 0, 0), call("b", "chdir", b"/"), call("c", "chdir", b"/")), times)
        if pid == 0:
            marks = [mark for (mark,) in NANOSECONDS.iter_unpack(times[3:])]
            all_times = [before, *marks, time.monotonic_ns()]
            assert all_times == sorted(all_times), all_times
            print(os.getpgid(0) == os.getpid(), os.getcwd(), bytes(times[:3]), flush=True)
            os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), bytes(times) == bytes(27))
        """
    )
    assert said.splitlines() == [f"True / {bytes(3)}", "7 True"]


def test_a_fork_is_told_of_with_its_pidfd_before_the_parent_goes_on():
    said = forking(
        """
        import select, socket
        from fumehood.shared import packets
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        reading, writing = os.pipe()
        heard = []
        os.register_at_fork(after_in_parent=lambda: heard.append(packets.receive(theirs, 100)))
        child = calls.fork(0, channel=ours.fileno(), word=b"one more")
        if child.pid == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(7)
        ((data, (pidfd,)),) = heard
        print(data.decode(), child.told, os.get_inheritable(pidfd), os.get_inheritable(child.pidfd))
        print(select.select([pidfd, child.pidfd], [], [], 0)[0])
        os.close(writing)
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)
        ended = os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED)
        print(ended.si_pid == child.pid, ended.si_status)
        """
    )
    assert said.splitlines() == ["one more True False False", "[]", "True 7"]


def test_a_fork_that_cannot_be_told_of_is_there_all_the_same():
    said = forking(
        """
        import socket
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        try:
            while True:
                ours.send(bytes(1000))
        except BlockingIOError:
            pass
        full = calls.fork(0, channel=ours.fileno(), word=b"one more")
        if full.pid == 0:
            os._exit(7)
        theirs.close()
        gone = calls.fork(0, channel=ours.fileno(), word=b"one more")
        if gone.pid == 0:
            os._exit(8)
        for child in (full, gone):
            print(child.told, os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1]))
        """
    )
    assert said.splitlines() == ["False 7", "False 8"]


def test_a_fork_whose_list_fails_never_runs_python():
    said = forking(
        """
        reading, writing = os.pipe()
        pid, *_ = calls.fork(0, (call("a", "chdir", b"/"), call("walls", "chdir", b"/missing")), errors=writing)
        if pid == 0:
            print("it ran", flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), os.read(reading, 1000).decode(), end="")
        """
    )
    assert said == f"{int(Exit.WORKER_CONFINE)} the confinement failed at walls, chdir: No such file or directory\n"


def test_a_failure_after_the_descriptors_have_moved_is_told_too():
    said = forking(
        """
        from fumehood.worker.confine import fds
        reading, writing = os.pipe()
        os.dup2(writing, fds.Held.ERRORS); os.dup2(writing, fds.Held.COMMANDS)
        pid, *_ = calls.fork(0, (*fds.arrange(), call("walls", "chdir", b"/missing")), errors=fds.Held.ERRORS)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), os.read(reading, 1000).decode(), end="")
        """
    )
    assert said == f"{int(Exit.WORKER_CONFINE)} the confinement failed at walls, chdir: No such file or directory\n"


def test_a_fork_that_is_refused_raises():
    # Not even root may make a pid namespace and stay with the threads of the old one.
    said = forking(
        """
        CLONE_NEWPID, CLONE_THREAD, CLONE_SIGHAND, CLONE_VM = 0x20000000, 0x10000, 0x800, 0x100
        try:
            calls.fork(CLONE_NEWPID | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)
        except OSError as error:
            print(error.strerror)
        """
    )
    assert said == "fork: Invalid argument\n"


def test_a_call_that_this_machine_does_not_know_is_named():
    with pytest.raises(OSError, match="no_such_call"):
        call("a", "no_such_call")


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ((Call("a", "b", 1, (0,) * 7),), ValueError),
        ((Call("a", "b", 1, ()),) * 65, ValueError),
        ((Call("a", "b", 1, (2**63,)),), OverflowError),
        ((Call("a", "b", 1, ("text",)),), TypeError),
        ((("a", "b", 1, ()),), TypeError),
        (("a",), TypeError),
        ([], TypeError),
    ],
    ids=["arguments", "calls", "too large", "a string", "too short", "no call", "a list"],
)
def test_what_is_no_list_of_calls_is_refused_before_any_is_made(given, error):
    with pytest.raises(error):
        _calls.run(given)


def test_times_need_room():
    with pytest.raises(ValueError, match="1 calls do not go into 7 bytes"):
        _calls.fork(0, (call("a", "chdir", b"/"),), bytearray(7), 2, 1, -1, b"")
