"""What one worker says is read at a bounded cost, however it is cut into packets."""

import asyncio
import contextlib
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys

import pytest
from fumehood.runner.worker_process import BYTES_A_SECOND, PACKETS_A_SECOND, WorkerProcess, durations
from fumehood.shared.messages import Confined, LogLine, pack
from fumehood.shared.policy import Limits

LONG = pack(LogLine(20, "x" * 60_000))
SHORT = pack(LogLine(20, ""))


@contextlib.asynccontextmanager
async def worker(limits: Limits | None = None):
    """A worker that says it is confined, and the other end of its socket."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setblocking(False)
    reading, writing = os.pipe()
    made = WorkerProcess(1, ours, reading)
    if limits is not None:
        made.hold_to(limits)
    theirs.send(pack(Confined(["a"], struct.pack("qq", 1000, 2000))))
    try:
        yield made, theirs
    finally:
        made.close()
        theirs.close()
        os.close(writing)


async def flood(peer: socket.socket, packet: bytes, turns: int) -> None:
    """Keep the socket full for so many turns of the loop."""
    for _ in range(turns):
        with contextlib.suppress(BlockingIOError):
            while True:
                peer.send(packet)
        await asyncio.sleep(0)


@pytest.mark.parametrize("packet", [LONG, SHORT], ids=["long", "short"])
def test_a_flood_costs_what_the_rates_say(packet: bytes) -> None:
    async def go() -> int:
        heard = 0

        def count(report: object) -> None:
            nonlocal heard
            heard += 1

        loop = asyncio.get_running_loop()
        async with worker() as (each, peer):
            each.on_report = count
            began = loop.time()
            await flood(peer, packet, 2_000)
            took = loop.time() - began
        most = min(PACKETS_A_SECOND, BYTES_A_SECOND / len(packet)) * (1 + took)
        assert heard <= most + 1, "and the one that made the debt"
        return heard

    assert asyncio.run(go()) >= 8


def test_a_turn_ends_with_one_of_the_longest() -> None:
    """So that others, who wait for their turn, wait for one of them at most."""

    async def go() -> None:
        heard = []
        async with worker() as (each, peer):
            each.on_report = heard.append
            each._hear()
            for _ in range(3):
                peer.send(LONG)
            each._hear()
            assert len(heard) == 2, "the second crosses the bound of a turn"

    asyncio.run(go())


def test_a_mod_with_larger_log_limits_is_read_faster() -> None:
    async def go() -> None:
        heard = []
        async with worker(Limits(log_bytes=10 << 20, log_lines=2000.0)) as (each, peer):
            each.on_report = heard.append
            while len(heard) < 40:
                await flood(peer, LONG, 10)

    asyncio.run(asyncio.wait_for(go(), 20))


def test_who_is_not_read_blocks_in_its_own_write() -> None:
    async def go() -> None:
        async with worker() as (each, peer):
            each.on_report = lambda report: None
            await flood(peer, LONG, 200)
            poll = select.poll()
            poll.register(peer, select.POLLOUT)
            assert not poll.poll(0)
            assert each.alive
            assert not each.misbehaved

    asyncio.run(go())


TIMES = struct.pack("qq", 1000, 2000)


@pytest.mark.parametrize(
    ("steps", "times"),
    [([], b""), ([], TIMES[:8]), (["a"], b""), (["a"], TIMES[:-1]), (["a"], TIMES * 2), (["a"] * 9000, TIMES)],
    ids=["nothing", "no step", "no time", "cut off", "too many times", "too many steps"],
)
def test_a_confinement_whose_times_are_not_its_steps_is_none(steps: list[str], times: bytes) -> None:
    async def go() -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        reading, writing = os.pipe()
        made = WorkerProcess(1, ours, reading)
        theirs.send(pack(Confined(steps, times)))
        while not made.misbehaved:
            await asyncio.sleep(0)
        assert "before it was confined" in made.misbehaved
        assert made.steps == {}
        made.close()
        theirs.close()
        os.close(writing)

    asyncio.run(asyncio.wait_for(go(), 20))


def test_times_that_cannot_be_are_only_odd_figures() -> None:
    odd = Confined(["a", "a", "b"], struct.pack("qqqq", -(2**63), 2**63 - 1, 0, -1))
    assert set(durations(odd)) == {"a", "b"}


def test_listening_takes_the_word_that_is_due_before_it_returns() -> None:
    async def go() -> list[object]:
        heard: list[object] = []
        async with worker() as (each, peer):
            each._hear()
            each.on_report = heard.append
            each.listen()
            assert heard == [], "nobody spoke: it gave up"
            peer.send(SHORT)
            each.listen()
            assert len(heard) == 1, "without a turn of the loop"
            peer.close()
            each.listen()
            each.listen()
        each.listen()  # closed by now
        return heard

    assert len(asyncio.run(go())) == 1


def test_one_that_is_born_when_no_descriptor_is_left_is_ended_and_let_go() -> None:
    """Its number stands in a file of /proc. It lived on, unknown, and kept its descriptors."""

    async def go() -> None:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        async with worker() as (each, _):
            pidfd = os.pidfd_open(child.pid)
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
            try:
                each.forked(pidfd)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            each.reaped(-signal.SIGKILL, 0.0)
            async with asyncio.timeout(20):
                assert await each.exited == -signal.SIGKILL
            assert each.confined.cancelled()
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(pidfd)
        child.communicate()

    asyncio.run(go())
