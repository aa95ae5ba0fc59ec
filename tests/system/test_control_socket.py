"""The control socket of `fumehood run`: who may come in, and that nobody there disturbs the game inside."""

import array
import asyncio
import contextlib
import errno
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from fumehood.runner import aio, connect, control
from fumehood.runner.config import Config
from fumehood.runner.reception import MOST_SILENT
from fumehood.shared.errors import AlreadyAttached, ConfigError, SupervisorDied
from fumehood.shared.messages import pack

STRANGER = 65534
PATIENCE = 20.0
CONNECT = {"x86_64": 42, "aarch64": 203}[os.uname().machine]
"""The system call's number."""
HELLO = pack(control.Hello(control.PROTOCOL))

setpriv = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="root alone can be another user (setpriv)"
)


def address_in(folder):
    """The one socket below a folder."""
    (path,) = [path for path in folder.rglob("*") if path.is_socket()]
    return path


@pytest.fixture
def knock(temporary, until):
    """Connect to the one service, and say that: what a client of any kind does. Every socket is closed at the end."""
    opened = []

    def clear():
        while opened:
            opened.pop().close()

    def go(*packets, fds=()):
        opened.append(sock := socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        sock.settimeout(PATIENCE)
        path = str(address_in(temporary))
        until(lambda: sock.connect_ex(path) in (0, errno.EISCONN), "there is room in its queue")
        with contextlib.suppress(ConnectionError, BrokenPipeError):  # it was refused already
            for packet in packets:
                sock.sendmsg([packet], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])
        return sock

    go.clear = clear
    yield go
    clear()


def heard(sock):
    """The next packet; b"": it was closed. A reset is told first, once: what was said before it can still be read."""
    for _ in range(2):
        try:
            return sock.recv(control.PACKET_LIMIT)
        except ConnectionError:
            continue
    return b""


def let_go(sock):
    """Whether the other end closes, after whatever it still says. Fails when it neither speaks nor closes."""
    while heard(sock):
        pass
    return True


@pytest.fixture
def service(root, serve, until):
    """A supervisor with one mod, and its process; it has all that it keeps."""
    root.save("a.py", root.counter(1))
    running = serve(root.root)
    running.supervisor = psutil.Process(running.process.pid)
    until(lambda: pidfds(running.process.pid) == 4, "of the zygote, of the mod's worker and of two spares")
    return running


def pidfds(pid):
    """How many processes it watches."""
    found = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += str(entry.readlink()) == "anon_inode:[pidfd]"
    return found


@pytest.fixture
def playing(root, service):
    """A frame of a game that is attached. It is played once more at the end: nothing was lost, nothing came twice."""
    with connect(root.root) as mods:
        calls = iter(range(1, 100_000))

        def frame():
            assert mods["a"].call("count", timeout=PATIENCE) == [next(calls), 1]

        frame()
        yield frame
        frame()


# ── who may come in ───────────────────────────────────────────────────────────────────────────────────────────────────

VISIT = """
import socket, sys
sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
sock.settimeout(20)
sock.connect(sys.argv[1])
try:
    sock.send(bytes.fromhex(sys.argv[2]))
    print(len(sock.recv(1000)))
except OSError as error:
    print(0)
"""


def widen(path):
    """Somebody undid what keeps others out: every folder above, and the socket, is open to all."""
    for part in (path, *path.parents):
        if part == Path("/tmp"):
            break
        part.chmod(0o777)


@setpriv
def test_another_user_is_turned_away_although_the_door_is_open(root, service, temporary, until):
    widen(path := address_in(temporary))
    visit = ["setpriv", "--reuid", str(STRANGER), "--regid", str(STRANGER), "--clear-groups", sys.executable, "-I"]
    done = subprocess.run(
        [*visit, "-c", VISIT, str(path), HELLO.hex()], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.returncode) == ("0\n", 0), done.stderr
    until(lambda: any(f"uid {STRANGER} may not attach" in line for line in service.said), "it is said")
    with connect(root.root) as mods:
        assert mods["a"].call("count", timeout=PATIENCE) == [1, 1]


LISTEN = """
import socket, sys
sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
sock.bind(sys.argv[1])
sock.listen(8)
print("there", flush=True)
sys.stdin.read()
"""


@setpriv
def test_a_game_believes_no_supervisor_of_another_user(tmp_path):
    """In a folder for temporary files whoever comes first can make the folder, and listen there."""
    place = tmp_path / "theirs"
    place.mkdir()
    widen(place)
    them = subprocess.Popen(
        ["setpriv", "--reuid", str(STRANGER), "--regid", str(STRANGER), "--clear-groups", sys.executable, "-I",
         "-c", LISTEN, str(place / "control")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert them.stdout.readline() == "there\n"
        with pytest.raises(ConfigError, match=f"user {STRANGER}, and not you"):
            connect(place / "control")
    finally:
        them.communicate("", timeout=PATIENCE)


# ── that nobody disturbs ──────────────────────────────────────────────────────────────────────────────────────────────

NONSENSE = {
    "nothing at all": b"",
    "one byte": b"\xc1",
    "garbage": b"\xff" * 100,
    "as long as may be": b"\x00" * control.PACKET_LIMIT,
    "one byte too long": b"\x00" * (control.PACKET_LIMIT + 1),
    "no hello": pack(control.StatusRequest(1)),
    "another set-up": pack(control.Setup("/", Config())),
    "another protocol": pack(control.Hello(control.PROTOCOL + 1)),
    "a contract that is none": pack(control.Hello(control.PROTOCOL, b"\xc1")),
    "nested without end": b"\x91" * 60_000,
}


@pytest.mark.parametrize("what", NONSENSE)
def test_who_says_nonsense_is_let_go_and_the_next_game_finds_its_place(root, service, knock, what):
    assert let_go(knock(NONSENSE[what]))
    with connect(root.root) as mods:
        assert mods["a"].call("count", timeout=PATIENCE) == [1, 1]


@pytest.mark.parametrize("what", NONSENSE)
def test_who_says_nonsense_beside_a_game_is_let_go(playing, knock, what):
    assert let_go(knock(NONSENSE[what]))
    playing()


def test_silent_clients_take_nobodys_place(root, service, knock):
    silent = [knock() for _ in range(3 * MOST_SILENT)]
    with connect(root.root) as mods:
        assert mods["a"].call("count", timeout=PATIENCE) == [1, 1]
        assert all(let_go(each) for each in silent), "in their time"
        assert mods["a"].call("count", timeout=PATIENCE) == [2, 1]


@pytest.fixture
def crowded(service, temporary):
    """The supervisor stands still, and as many wait at its socket as there is room for. Returns how to let it go on."""
    opened, error = [], 0
    service.supervisor.suspend()
    try:
        while error == 0:
            opened.append(sock := socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            sock.setblocking(False)
            error = sock.connect_ex(str(address_in(temporary)))
        assert error == errno.EAGAIN
        yield service.supervisor.resume
    finally:
        service.supervisor.resume()
        for sock in opened:
            sock.close()


def test_a_game_waits_until_there_is_room_at_the_socket_whatever_signals_come(root, crowded, until):
    outcome, handled = [], []

    def play():
        with connect(root.root, timeout=PATIENCE) as mods:
            outcome.append(mods["a"].call("count", timeout=PATIENCE))

    before = signal.signal(signal.SIGUSR1, lambda *_: handled.append(1))
    try:
        player = threading.Thread(target=play)
        player.start()
        for hits in range(1, 4):
            until(lambda: knocking(player), "it waits in connect()")
            signal.pthread_kill(player.ident, signal.SIGUSR1)
            until(lambda: len(handled) == hits, "the signal was handled")  # noqa: B023 - called at once
        crowded()
        player.join(PATIENCE)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert outcome == [[1, 1]]


def knocking(thread):
    """Whether it waits in connect(): the kernel's word."""
    called = Path(f"/proc/self/task/{thread.native_id}/syscall").read_text().split()
    return called[0] == str(CONNECT)


def test_a_game_that_finds_no_room_in_time_is_told_so(root, crowded):
    with pytest.raises(SupervisorDied, match="did not answer in time"):
        connect(root.root, timeout=0.05)

    async def play():
        async with aio.connect(root.root, timeout=0.05):
            pass

    with pytest.raises(SupervisorDied, match="did not answer in time"):
        asyncio.run(play())
    crowded()
    with connect(root.root) as mods:
        assert mods["a"].call("count", timeout=PATIENCE) == [1, 1]


def test_one_that_was_refused_and_stays_is_let_go(root, service, knock):
    """Another release's game, say: it is told, and would keep the place of the only game."""
    stays = knock(NONSENSE["another protocol"])
    assert b"protocol" in heard(stays)
    assert let_go(stays)
    with connect(root.root) as mods:
        assert mods["a"].call("count", timeout=PATIENCE) == [1, 1]


def test_a_second_game_is_told_and_the_first_goes_on(root, playing, knock):
    for _ in range(20):
        with pytest.raises(AlreadyAttached):
            connect(root.root)
        playing()
    second = knock(HELLO)
    assert b"AlreadyAttached" in heard(second)
    assert let_go(second)


def descriptors(process):
    """What it has open: counted by the kernel."""
    return process.num_fds()


def test_two_hundred_who_come_and_go_leave_nothing(service, playing, knock, until):
    before = descriptors(service.supervisor)

    def visit(count):
        for n in range(count):
            knock(*([HELLO] if n % 2 else []))
            knock.clear()
            if n % 10 == 0:
                playing()

    visit(200)
    until(lambda: descriptors(service.supervisor) == before, "as many descriptors as before")
    memory = service.supervisor.memory_info().rss
    visit(400)
    until(lambda: descriptors(service.supervisor) == before, "as many descriptors as before")
    assert service.supervisor.memory_info().rss - memory < 2 << 20, "and as much memory"


@pytest.mark.parametrize("count", [1, 16, 200])
def test_descriptors_where_none_belong_are_closed(root, service, knock, until, count):
    """With a hello, which has none, with a request that has one, and with more than are taken."""
    before = descriptors(service.supervisor)
    reading, writing = os.pipe()
    try:
        for packet in (HELLO, pack(control.Publish(1, "x", 0, 1, 4, 4096)), b"\xc1"):
            knock(packet, fds=[writing] * count)
            knock.clear()
        until(lambda: descriptors(service.supervisor) == before, "as many descriptors as before")
        os.close(writing)
        writing = -1
        assert os.read(reading, 1) == b"", "nobody holds the pipe"
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)
    with connect(root.root) as mods:
        assert mods["a"].call("count", timeout=PATIENCE) == [1, 1]


@pytest.mark.parametrize("what", ["a pipe", "a device without end", "a file"])
def test_what_is_no_sealed_memory_is_not_read(root, service, knock, tmp_path, what):
    """A pipe would stop the loop, /dev/zero fill the machine."""
    reading, writing = os.pipe()
    (tmp_path / "file").write_bytes(b"x" * 100)
    path = {"a device without end": "/dev/zero", "a file": str(tmp_path / "file")}.get(what)
    fd = reading if path is None else os.open(path, os.O_RDONLY)
    sock = knock(HELLO)
    assert b"Welcome" in heard(sock)
    request = pack(control.Load(1, True, 1.0, 1 << 40))
    sock.sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
    assert let_go(sock)
    for each in {reading, writing, fd}:
        os.close(each)
    with connect(root.root) as mods:
        assert mods["a"].call("count", timeout=PATIENCE) == [1, 1]


def full_of(sock, asked):
    """Ask without end; True once nothing more fits. `asked`: the numbers of the questions that did."""
    with contextlib.suppress(BlockingIOError):
        for _ in range(1000):
            sock.send(pack(control.Introductions(len(asked) + 1, 0)))
            asked.append(len(asked) + 1)
        return False
    return True


def test_one_that_asks_and_never_reads_is_not_heard_until_it_does(root, service, knock, until):
    """Its questions stay in its own socket, and no answer is made for it: memory and descriptors stay as they are."""
    sock = knock(HELLO)
    sock.setblocking(False)
    asked = []
    until(lambda: full_of(sock, asked), "its socket takes no more: nobody hears it")
    before, memory = descriptors(service.supervisor), service.supervisor.memory_info().rss
    for _ in range(20):
        until(lambda: full_of(sock, asked), "nor now")
    # Of one answer, at most; more are open for a moment when a spare is made or has gone.
    until(lambda: abs(descriptors(service.supervisor) - before) <= 8, "it holds no answers")
    assert service.supervisor.memory_info().rss - memory < 2 << 20
    root.save("a.py", "1 / 0")
    until(lambda: any("a@2 refused" in line for line in service.said), "meanwhile the mods are looked after")
    sock.setblocking(True)
    sock.settimeout(PATIENCE)
    done = 0
    while done < len(asked):  # now it reads: every question is answered after all
        data, ancillary, _, _ = sock.recvmsg(control.PACKET_LIMIT, 4096)
        assert data
        for _, _, given in ancillary:
            for fd in memoryview(given[: len(given) // 4 * 4]).cast("i"):
                os.close(fd)
        done = max(done, control.unpack_answer(data).id if b"Done" in data else 0)
    sock.close()
    with connect(root.root) as mods:
        assert mods["a"].call("count", timeout=PATIENCE) == [1, 1]


def test_one_that_stops_reading_and_dies_makes_room(root, service, knock, until):
    sock = knock(HELLO)
    sock.setblocking(False)
    until(lambda: full_of(sock, []), "it takes no more")
    sock.close()

    def attaches():
        try:
            connect(root.root).close()
        except AlreadyAttached:
            return False
        return True

    until(attaches, "the next game is let in")


def test_a_supervisor_without_a_descriptor_left_waits_and_burns_nothing(root, serve, knock, until):
    """Who knocks cannot be taken in, and goes on knocking: that turned the loop round and round."""
    service = serve(root.root)
    process = psutil.Process(service.process.pid)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (process.num_fds(), process.num_fds()))
    knock()
    until(lambda: any("nobody can attach just now" in line for line in service.said), "it is said")
    used = sum(process.cpu_times()[:2])
    pause = threading.Event()
    pause.wait(1.0)
    assert sum(process.cpu_times()[:2]) - used < 0.5, "it does not spin"
    assert process.is_running()
