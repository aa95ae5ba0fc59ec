"""The ring between real processes: order and wholeness under load, wake-ups, deaths.

This file is also the other process: `python test_ring_processes.py ROLE DOWN UP BOARD SIZE [CPU]`.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable

import pytest
from fumehood.shared import _ring, segment
from fumehood.shared._ring import DEAD, ENDED, MESSAGE, Port, Segment, format_segment, frames

RING_BYTES = 8192
MS = 1_000_000
LONG = 60_000 * MS
EPOCH = 42
MESSAGES = 100_000


def message(index: int, dice: random.Random, limit: int) -> bytes:
    """Mostly short, sometimes as long as may be; begins with its number and a checksum of the rest."""
    longest = limit - 8 if dice.random() < 0.01 else 120
    body = (dice.randbytes(8) * (longest // 8 + 1))[: dice.randrange(longest + 1)]
    return index.to_bytes(4, "little") + zlib.crc32(body).to_bytes(4, "little") + body


def check(index: int, data: bytes) -> None:
    assert int.from_bytes(data[:4], "little") == index
    assert int.from_bytes(data[4:8], "little") == zlib.crc32(data[8:])


def echo(port: Port) -> None:
    """A worker: every message goes back, after it was finished; a full reply ring is waited for."""
    expected = 0
    while (news := port.wait(LONG)) == MESSAGE:
        data = port.take()
        assert data is not None
        check(expected, data)
        expected += 1
        port.finish()
        while not port.push(data):
            assert port.wait_room(len(data), LONG) == MESSAGE
    assert news == ENDED


def die_in_the_middle(port: Port) -> None:
    """A worker that takes one message, answers it, begins the next answer, and is killed before HEAD says so."""
    assert port.wait(LONG) == MESSAGE
    port.pop()
    port.push(b"whole")
    assert port.wait(LONG) == MESSAGE
    port.take()
    port.stage(b"never published")
    os.kill(os.getpid(), signal.SIGKILL)


def announce_death(down: Segment, up: Segment, board: Segment) -> None:
    """A supervisor: once the game sleeps, write in the switchboard that the worker is dead, and ring for it."""
    until(lambda: down.load32(_ring.PARKED) == 1)
    board.store64(64, EPOCH)
    up.nudge()


def main(role: str, down_fd: int, up_fd: int, board_fd: int, size: int, cpu: int = -1) -> None:
    if cpu >= 0:
        os.sched_setaffinity(0, {cpu})
    if role == "supervisor":
        announce_death(*(Segment(fd, size, writable=True) for fd in (down_fd, up_fd, board_fd)))
        return
    down, up = Segment(down_fd, size, writable=False), Segment(up_fd, size, writable=True)
    os.close(down_fd)
    os.close(up_fd)
    port = Port(up, down)
    {"echo": echo, "die": die_in_the_middle}[role](port)


def until(condition: Callable[[], bool]) -> None:
    """Yield the CPU until the condition holds; a test that hangs here fails by its deadline."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "the awaited condition never came"
        os.sched_yield()


class Channel:
    """The supervisor's and the game's side, with the descriptors that other processes are handed."""

    def __init__(self) -> None:
        self.size = segment.ring_segment_size(RING_BYTES)
        self.fds = {name: segment.create(name, self.size) for name in ("down", "up", "board")}
        for name in ("down", "up", "board"):
            segment.allocate(self.fds[name], self.size)
            self.fds[name + " reader"] = segment.read_only(self.fds[name])
        self.down = Segment(self.fds["down"], self.size, writable=True)
        self.up = Segment(self.fds["up"], self.size, writable=True)
        self.theirs = Segment(self.fds["up reader"], self.size, writable=False)
        self.board = Segment(self.fds["board reader"], self.size, writable=False)
        format_segment(self.down)
        format_segment(self.up)
        self.port = Port(self.down, self.theirs, orders=False)
        self.port.watch(self.board, 64, EPOCH)
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, role: str, cpu: int = -1) -> subprocess.Popen[bytes]:
        down = self.fds["down" if role == "supervisor" else "down reader"]
        fds = (down, self.fds["up"], self.fds["board"])
        command = [sys.executable, __file__, role, *map(str, fds), str(self.size), str(cpu)]
        process = subprocess.Popen(command, pass_fds=fds)
        self.processes.append(process)
        return process

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait(30)
        self.port.close()
        for fd in self.fds.values():
            os.close(fd)


@pytest.fixture
def channel():
    channel = Channel()
    yield channel
    channel.close()


@pytest.fixture
def on_cpu_zero():
    before = os.sched_getaffinity(0)
    here = min(before)
    os.sched_setaffinity(0, {here})
    yield here, sorted(before - {here})
    os.sched_setaffinity(0, before)


@pytest.mark.parametrize("where", ["same CPU", "other CPU"])
def test_messages_of_random_sizes_arrive_whole_and_in_order_both_ways(channel, on_cpu_zero, where):
    here, others = on_cpu_zero
    if where == "other CPU" and not others:
        pytest.skip("this machine has one CPU")
    worker = channel.start("echo", here if where == "same CPU" else others[0])
    port, dice = channel.port, random.Random(7)
    sent = received = 0
    pending = message(0, dice, port.limit)
    deadline = time.monotonic() + 100
    while received < MESSAGES:
        while sent < MESSAGES and port.push(pending):
            sent += 1
            pending = message(sent, dice, port.limit)
        answer = port.pop()
        if answer is None:
            assert port.wait(1000 * MS) == MESSAGE or time.monotonic() < deadline
            assert worker.poll() is None
            continue
        check(received, answer)
        received += 1
    assert port.pop() is None
    until(lambda: port.peer_done == port.peer_started == port.head)
    port.end()
    assert worker.wait(30) == 0


def test_one_at_a_time_each_wakes_a_sleeper(channel):
    """Both sleep between any two messages, so every single one of them is a wake-up that could be lost."""
    worker = channel.start("echo")
    dice = random.Random(3)
    for index in range(300):
        until(lambda: channel.theirs.load32(_ring.PARKED) == 1)
        data = message(index, dice, 100)
        assert channel.port.push(data)
        assert channel.port.wait(LONG, False) == MESSAGE
        assert channel.port.pop() == data
    channel.port.end()
    assert worker.wait(30) == 0


def test_a_death_announced_by_a_third_process_ends_a_wait(channel):
    channel.start("supervisor")
    assert channel.port.wait(LONG) == DEAD
    assert channel.port.wait_room(1, 0) == DEAD


def test_a_wait_for_room_is_ended_by_the_worker_reading(channel):
    filled = 0
    while channel.port.push(message(filled, random.Random(1), 100)):
        filled += 1
    worker = channel.start("echo")
    assert channel.port.wait_room(100, LONG) == MESSAGE
    assert channel.port.peer_done > 0
    for index in range(filled):
        channel.port.wait(LONG)
        check(index, channel.port.pop())
    channel.port.end()
    assert worker.wait(30) == 0


def test_a_worker_killed_in_the_middle_of_a_message_leaves_whole_ones(channel):
    worker = channel.start("die")
    for text in (b"first", b"fatal", b"third"):
        channel.port.push(text)
    assert worker.wait(30) == -signal.SIGKILL
    assert channel.port.wait(LONG) == MESSAGE
    assert channel.port.pop() == b"whole"
    assert channel.port.pop() is None
    done, started = channel.port.peer_done, channel.port.peer_started
    assert (done, started) == (16, 32), "the second was in hand"
    assert frames(channel.down, done, started) == [b"fatal"]
    assert frames(channel.down, started, channel.port.end()) == [b"third"], "what the successor inherits"


def test_a_game_killed_in_the_middle_of_a_message_leaves_whole_ones(channel):
    """Its successor takes the cursors over; the unpublished bytes are written over as if they had never been."""
    worker = channel.start("echo")
    dice = random.Random(5)
    assert channel.port.push(message(0, dice, 100))
    channel.port.stage(b"x" * 500)
    channel.port.close()
    channel.port = Port(channel.down, channel.theirs, orders=False)
    assert channel.port.push(message(1, dice, 100))
    for index in range(2):
        assert channel.port.wait(LONG) == MESSAGE
        check(index, channel.port.pop())
    channel.port.end()
    assert worker.wait(30) == 0


def test_threads_of_the_game_run_while_it_waits(channel):
    """Holding the GIL over a wait would keep the very thread from running that ends it."""
    board = Segment(channel.fds["board"], channel.size, writable=True)
    answered = threading.Thread(target=announce_death, args=(channel.down, channel.up, board))
    answered.start()
    assert channel.port.wait(LONG) == DEAD
    answered.join(30)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
