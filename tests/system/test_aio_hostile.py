"""Mods that abuse the eventfd which wakes the game's event loop, and the ring behind it: the loop goes on."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from fumehood.runner import aio
from fumehood.shared.errors import ModCrashed, ModTimeout
from fumehood.shared.policy import Limits

PATIENCE = 20.0
LIMITS = Limits(hang_after=8.0, load_timeout=3.0)

HONEST = """
from fumehood.worker import on
@on("echo")
def echo(x):
    return x
"""

ALARM = """
import errno, fcntl, stat
def alarm():
    for fd in range(3, 30):
        try:
            if stat.S_IFMT(os.fstat(fd).st_mode) == 0:
                return fd
        except OSError:
            pass
@on("echo")
def echo(x):
    return x
@on("unblock")
def unblock():
    try:
        fcntl.fcntl(alarm(), fcntl.F_SETFL, 0)
    except OSError as error:
        return errno.errorcode[error.errno]
@on("ring")
def ring(seconds):
    fd, count, until = alarm(), 0, time.monotonic() + seconds
    while time.monotonic() < until:
        os.write(fd, (1).to_bytes(8, "little"))
        count += 1
    return count
@on("fill")
def fill():
    fd = alarm()
    try:
        while True:  # the game empties it now and then
            os.write(fd, (2**64 - 2).to_bytes(8, "little"))
    except BlockingIOError:
        return "full"
@on("mute")
def mute():
    grip()["Serving"].port.alarm(-1)
    return "muted"
@on("flood")
def flood(seconds):
    port, until, count = grip()["Serving"].port, time.monotonic() + seconds, 0
    junk = pack([1, 7, [[]] * 20])
    while time.monotonic() < until:
        count += port.push(junk)
    return count
@on("lie")
def lie():
    grip()["Serving"]._up.store64(_ring.HEAD, 2**40)
    time.sleep(60)
"""


def play(root: Any, body: Callable[[aio.Mods], Any]) -> None:
    """A game with one honest mod and one that is not."""
    root.save("honest.py", HONEST)
    root.save("bad.py", root.hostile(ALARM))

    async def main() -> None:
        async with (
            asyncio.timeout(60),
            aio.launch(root.root, limits=LIMITS, timeout=PATIENCE, log_level="error") as mods,
        ):
            await body(mods)

    asyncio.run(main())


async def busy(mods: aio.Mods, call: "asyncio.Task[Any]") -> int:
    """Call the honest mod for as long as the other one is waited for; how often it answered."""
    count = 0
    while not call.done():
        assert await mods["honest"].call("echo", count, timeout=PATIENCE) == count
        count += 1
    return count


def rings(mods: aio.Mods) -> list[int]:
    """Counts how often the loop listens to the hostile mod from now on."""
    mod, count = mods["bad"], [0]
    turn = mod._turn

    def counted() -> None:
        count[0] += 1
        turn()

    mod._turn = counted  # type: ignore[method-assign]
    return count


def test_one_that_rings_for_ever_is_not_listened_to_for_ever(root: Any) -> None:
    async def body(mods: aio.Mods) -> None:
        count = rings(mods)
        call = asyncio.create_task(mods["bad"].call("ring", 1.0, timeout=PATIENCE))
        answered = await busy(mods, call)
        assert answered > 100
        assert await call > 20 * count[0]

    play(root, body)


def test_it_can_neither_block_in_its_eventfd_nor_make_others_block(root: Any) -> None:
    async def body(mods: aio.Mods) -> None:
        assert await mods["bad"].call("unblock", timeout=PATIENCE) == "EPERM"
        assert await mods["bad"].call("fill", timeout=PATIENCE) == "full"
        assert await mods["bad"].call("echo", 1, timeout=PATIENCE) == 1

    play(root, body)


def test_one_that_never_rings_is_heard_at_the_deadline(root: Any) -> None:
    async def body(mods: aio.Mods) -> None:
        assert await mods["bad"].call("mute", timeout=0.2) == "muted"
        call = asyncio.create_task(mods["bad"].call("echo", 5, timeout=0.3))
        await busy(mods, call)
        assert await call == 5, "it lay in the ring"
        report = await mods.emit("echo", 1, budget=0.1)
        assert sorted(report.results) == ["bad", "honest"]
        with pytest.raises(ModTimeout):
            await mods["bad"].call("ring", 0.5, timeout=0.05)

    play(root, body)


def test_one_that_fills_its_ring_with_strays_delays_no_other(root: Any) -> None:
    async def body(mods: aio.Mods) -> None:
        count = rings(mods)
        call = asyncio.create_task(mods["bad"].call("flood", 1.0, timeout=PATIENCE))
        answered = await busy(mods, call)
        assert answered > 20
        assert isinstance(await call, int)
        assert count[0] > 0
        assert mods.statistics()["stray_replies"] > 0

    play(root, body)


def test_one_that_lies_about_its_ring_crashed_and_is_replaced(root: Any) -> None:
    async def body(mods: aio.Mods) -> None:
        lying = asyncio.create_task(mods["bad"].call("lie", timeout=PATIENCE))
        await asyncio.sleep(0)
        behind = asyncio.create_task(mods["bad"].call("echo", 3, timeout=PATIENCE))
        with pytest.raises(ModCrashed):
            await lying
        assert await behind == 3, "it was not begun: the heir answers it"
        assert await mods["honest"].call("echo", 1) == 1

    play(root, body)


def test_a_loop_with_nothing_to_do_is_not_woken(root: Any) -> None:
    async def body(mods: aio.Mods) -> None:
        assert await mods["honest"].call("echo", 1, timeout=PATIENCE) == 1
        await mods.settle()
        selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
        select, woken = selector.select, []
        selector.select = lambda timeout=None: woken.append(timeout) or select(timeout)
        await asyncio.sleep(0.5)
        selector.select = select
        assert len(woken) <= 2, woken

    play(root, body)
