"""What is sent to one worker: whether it is read; and what waits while its user has too many descriptors under way."""

import asyncio
import os
import resource
import signal
import socket
import traceback
from types import SimpleNamespace

import pytest
from fumehood.runner import control
from fumehood.runner.attachment import Attachment
from fumehood.runner.journal import Journal
from fumehood.runner.link import Link
from fumehood.runner.outbox import HELD_UP, MOST_UNREAD, Outbox
from fumehood.runner.worker_process import WorkerProcess
from fumehood.shared import packets
from fumehood.shared.errors import MachineError
from fumehood.shared.messages import Retire, pack

NOBODY = 65534


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    yield ours, theirs
    ours.close()
    theirs.close()


def take(sock):
    """Receive one packet: its data, and how many descriptors came with it."""
    data, fds = packets.receive(sock, 100)
    for fd in fds:
        os.close(fd)
    return data, len(fds)


def test_what_is_read_does_not_count(ends):
    ours, theirs = ends
    outbox = Outbox(ours)
    assert outbox.unread_for(1.0) == 0.0
    outbox.send(b"a", (0, 0), 2.0)
    outbox.send(b"b", (), 3.0)
    assert outbox.unread_for(5.0) == 3.0
    take(theirs)
    assert outbox.unread_for(6.0) == 4.0, "one of two"
    take(theirs)
    assert outbox.unread_for(7.0) == 0.0
    outbox.send(b"c", (), 8.0)
    assert outbox.unread_for(9.0) == 1.0


def test_so_many_descriptors_may_lie_there_and_no_more(ends):
    ours, theirs = ends
    outbox = Outbox(ours)
    for _ in range(3):  # who reads may be sent as many as one likes
        for _ in range(MOST_UNREAD // 8):
            outbox.send(b"a", (0,) * 8, 1.0)
        with pytest.raises(BlockingIOError):
            outbox.send(b"a", (0,), 1.0)
        outbox.send(b"without", (), 1.0)
        for _ in range(MOST_UNREAD // 8 + 1):
            take(theirs)


def test_who_is_gone_is_told(ends):
    ours, theirs = ends
    outbox = Outbox(ours)
    theirs.close()
    with pytest.raises(BrokenPipeError):
        outbox.send(b"a", (), 1.0)


def crowd(most):
    """Of this user, more descriptors under way than this process may have open. Returns what takes them back."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    hog, unread = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for _ in range(most // packets.MOST_DESCRIPTORS + 1):
        packets.send(hog, b"x", (0,) * packets.MOST_DESCRIPTORS)
    with pytest.raises(OSError, match="Too many references"):
        packets.send(hog, b"x", (0,))

    def release():
        hog.close()
        unread.close()

    return release


def held():
    """How many descriptors this process has. It cannot ask /proc once it has changed its uid."""
    return sum(map(is_open, range(256)))


def is_open(fd):
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def as_an_ordinary_user(scenario):
    """In a fork, since root may send as many as it likes. Returns its exit status; what went wrong is printed."""
    pid = os.fork()
    if pid == 0:
        try:
            signal.alarm(60)
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
            scenario()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - whatever it is, this fork ends here
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_what_the_user_has_no_room_for_waits_in_its_order_and_harms_nobody(ends):
    ours, theirs = ends

    def scenario():
        outbox = Outbox(ours)
        release = crowd(256)
        outbox.send(b"first", (0, 1), 1.0)
        outbox.send(b"second", (), 1.0)
        assert outbox.waiting
        assert not outbox.go_on(2.0)
        assert outbox.waiting
        with pytest.raises(BlockingIOError):
            take(theirs)
        release()
        assert outbox.go_on(3.0)
        assert not outbox.waiting
        assert [take(theirs), take(theirs)] == [(b"first", 2), (b"second", 0)]

    assert as_an_ordinary_user(scenario) == 0


def test_what_waits_does_so_for_a_time_and_is_let_go(ends):
    ours, _ = ends

    def scenario():
        outbox = Outbox(ours)
        before = held()
        release = crowd(256)
        for _ in range(MOST_UNREAD // 2):
            outbox.send(b"a", (0, 1), 1.0)
        with pytest.raises(BlockingIOError):
            outbox.send(b"a", (0,), 1.0)
        assert held() == before + 2 + MOST_UNREAD
        outbox.go_on(HELD_UP)
        with pytest.raises(TimeoutError):
            outbox.go_on(HELD_UP + 2.0)
        outbox.close()
        release()
        assert held() == before

    assert as_an_ordinary_user(scenario) == 0


def test_a_command_that_came_late_is_told_of(ends):
    """Its bell was rung when there was nothing in the socket: a worker that sleeps would not look again."""
    ours, theirs = ends

    async def go():
        reading, writing = os.pipe()
        worker, late = WorkerProcess(1, ours, reading), asyncio.Event()
        worker.on_late = late.set
        release = crowd(256)
        worker.send(Retire(), (0,))
        release()
        await asyncio.wait_for(late.wait(), 20)
        assert take(theirs) == (pack(Retire()), 1)
        worker.close()
        os.close(writing)

    assert as_an_ordinary_user(lambda: asyncio.run(go())) == 0


def test_a_game_gets_to_know_a_mod_as_soon_as_descriptors_can_be_passed(ends):
    ours, game = ends
    host = SimpleNamespace(
        lanes={"m": SimpleNamespace(index=0, name="m")},
        journal=Journal(),
        welcome=lambda: (control.Welcome(1, 4096, 4096, 4096), ()),
        agree=lambda contract: None,
        introduction=lambda lane: (os.dup(0), os.dup(1)),
        offering=lambda: False,
        detached=lambda attachment: None,
    )

    async def go():
        ours.setblocking(False)
        game.setblocking(False)
        loop = asyncio.get_running_loop()
        attachment = Attachment(ours, host)
        game.send(pack(control.Hello(control.PROTOCOL)))
        async with asyncio.timeout(20):
            await loop.sock_recv(game, control.PACKET_LIMIT)
        before, release = held(), crowd(256)
        game.send(pack(control.Introductions(1, 0)))
        for _ in range(5):
            await asyncio.sleep(0)
        assert held() > before + 2, "it was read, and is kept"
        with pytest.raises(BlockingIOError):
            take(game)
        release()
        heard, came = asyncio.Event(), []
        loop.add_reader(game, lambda: (came.append(take(game)), heard.set()))
        async with asyncio.timeout(20):
            await heard.wait()
        assert came[0][1] == 2
        loop.remove_reader(game)
        attachment.close()

    assert as_an_ordinary_user(lambda: asyncio.run(go())) == 0


def test_a_game_is_told_what_it_is_and_not_that_its_supervisor_died(ends):
    ours, _ = ends

    def scenario():
        link = Link(ours)
        release = crowd(256)
        with pytest.raises(MachineError, match="too many under way; try again"):
            link._send(Retire(), (0,))
        release()
        link._send(Retire(), (0,))

    assert as_an_ordinary_user(scenario) == 0
