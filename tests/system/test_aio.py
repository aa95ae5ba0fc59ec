"""A game in an event loop: concurrent calls, cancellation, deadlines, deaths, reloads, queries. Real processes."""

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fumehood.runner import Api, aio, describe_save
from fumehood.shared.errors import (
    AlreadyAttached,
    ConfigError,
    ModCrashed,
    ModError,
    ModTimeout,
    ModUnavailable,
    NotDeclared,
    PayloadError,
    SupervisorDied,
    UsageError,
    WrongThread,
)
from fumehood.shared.policy import Limits

PATIENCE = 20.0
LIMITS = Limits(hang_after=20.0, load_timeout=20.0, drain_timeout=20.0)
"""Nothing here is about a limit, on any machine."""

ECHO = """
import os, time
from fumehood.worker import game, on, refuse, state, view, helpers
V = 1
@on("echo")
def echo(x):
    return x
@on("slow")
def slow(seconds):
    time.sleep(seconds)
    return "done"
@on("fail")
def fail():
    raise KeyError("no")
@on("die")
def die():
    os._exit(3)
@on("count")
def count():
    state["n"] = state.get("n", 0) + 1
    return [state["n"], V]
@on("tick")
def tick(dt):
    game.rain(strength=dt)
    return dt
@on("enter")
def enter(who):
    if who == "wolf":
        refuse("no wolves")
@on("see")
def see():
    return sum(view("npcs"))
@on("help")
def help_(x):
    return helpers.twice(x)
"""


def run(main: Coroutine[Any, Any, None]) -> None:
    """Within a deadline of the test's, in a loop that complains."""

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await main

    asyncio.run(bounded())


@contextlib.asynccontextmanager
async def game(root: Any, watcher: Any = "auto", **mods: str) -> AsyncIterator[aio.Mods]:
    for name, text in mods.items():
        root.save(f"{name}.py", text)
    async with aio.launch(root.root, watcher=watcher, limits=LIMITS, timeout=PATIENCE, log_level="error") as it:
        yield it


def descriptors() -> set[str]:
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(f"{entry.name} {entry.readlink()}")
    return {line for line in found if "/fd" not in line.split()[1]}


def test_a_hundred_calls_of_one_mod_at_once_each_get_their_own_answer(root: Any) -> None:
    async def main() -> None:
        async with game(root, echo=ECHO) as mods:
            mod = mods["echo"]
            assert await asyncio.gather(*(mod.call("echo", n) for n in range(100))) == list(range(100))
            assert await mod.call("echo", "x") == "x"
            assert mods.statistics()["stray_replies"] == 0

    run(main())


def test_a_call_each_of_a_hundred_mods_in_one_gather(root: Any) -> None:
    async def main() -> None:
        async with game(root, **{f"m{n}": ECHO for n in range(100)}) as mods:
            assert len(mods) == 100
            calls = (mods[f"m{n}"].call("echo", n, timeout=PATIENCE) for n in range(100))
            assert await asyncio.gather(*calls) == list(range(100))
            report = await mods.emit("tick", 0.5, budget=PATIENCE)
            assert list(report.results) == sorted(f"m{n}" for n in range(100))
            assert not report.late
            assert not report.failed

    run(main())


def test_settle_is_about_what_is_on_disk_whether_or_not_it_was_noticed(root: Any) -> None:
    async def main() -> None:
        async with game(root, watcher="polling", echo=ECHO) as mods:
            for number in (2, 3):
                root.save("echo.py", ECHO.replace("V = 1", f"V = {number}"))
                assert await mods.settle(PATIENCE)
                assert (await mods["echo"].call("count"))[1] == number
            (root.root / "echo.py").unlink()
            assert await mods.settle(PATIENCE)
            assert "echo" not in mods

    run(main())


def test_half_of_the_calls_are_cancelled_and_the_others_answered(root: Any) -> None:
    async def main() -> None:
        async with game(root, echo=ECHO) as mods:
            mod = mods["echo"]
            first = asyncio.create_task(mod.call("slow", 0.2, timeout=PATIENCE))
            tasks = [asyncio.create_task(mod.call("echo", n, timeout=PATIENCE)) for n in range(100)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            assert await first == "done"
            assert answers[1::2] == list(range(1, 100, 2))
            assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])
            assert await mod.call("echo", 1) == 1
            assert mods.statistics()["stray_replies"] == 50
            assert not mod._mod._inbox.wanted

    run(main())


def test_a_call_ends_in_one_typed_error(root: Any) -> None:
    async def main() -> None:
        async with game(root, echo=ECHO) as mods:
            mod = mods["echo"]
            with pytest.raises(ModError, match=r"echo.fail raised KeyError"):
                await mod.call("fail")
            with pytest.raises(ModError, match="NoHandler"):
                await mod.call("nothing")
            with pytest.raises(ModTimeout, match=r"no answer within 0\.05 s"):
                await mod.call("slow", 0.3, timeout=0.05)
            with pytest.raises(PayloadError, match="args"):
                await mod.call("echo", object())
            with pytest.raises(PayloadError, match="name is text"):
                await mod.call(3)  # type: ignore[arg-type]  # that is the point
            with pytest.raises(UsageError, match="finite number"):
                await mod.call("echo", 1, timeout=float("nan"))
            with pytest.raises(ModUnavailable, match="no mod 'x'"):
                mods["x"]
            outcome = await mod.call_outcome("fail")
            assert isinstance(outcome.error, ModError)
            assert (await mod.call_outcome("echo", 5)).value == 5
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await mod.call("slow", 0.2, timeout=PATIENCE)

    run(main())


def test_a_death_ends_the_call_in_hand_and_the_heir_answers_the_rest(root: Any) -> None:
    async def main() -> None:
        async with game(root, echo=ECHO) as mods:
            mod = mods["echo"]
            calls = [mod.call("echo", n, timeout=PATIENCE) for n in range(10)]
            calls.append(mod.call("die", timeout=PATIENCE))
            calls += [mod.call("echo", n, timeout=PATIENCE) for n in range(10, 20)]
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert answers[:10] + answers[11:] == list(range(20))
            assert isinstance(answers[10], ModCrashed), answers[10]
            assert await mod.call("echo", 7, timeout=PATIENCE) == 7

    run(main())


def test_reloads_under_concurrent_load_lose_no_call(root: Any) -> None:
    async def main() -> None:
        async with game(root, echo=ECHO) as mods:
            mod = mods["echo"]
            over = False
            seen: list[list[int]] = []

            async def player() -> None:
                while not over:
                    seen.append(await mod.call("count", timeout=PATIENCE))

            players = [asyncio.create_task(player()) for _ in range(8)]
            since = 0
            for version in range(2, 5):
                root.save("echo.py", ECHO.replace("V = 1", f"V = {version}"))
                receipt = await mods.wait("echo", since=since, version=version, timeout=PATIENCE)
                since = receipt.number
                before = len(seen)
                while len(seen) < before + 50:
                    await asyncio.sleep(0)
            over = True
            await asyncio.gather(*players)
            counts = [n for n, _ in seen]
            assert sorted(counts) == list(range(1, len(counts) + 1)), "each was handled once"
            assert {v for _, v in seen} == {1, 2, 3, 4}

    run(main())


def test_emit_veto_intents_saves_helpers_views_and_status(root: Any) -> None:
    async def main() -> None:
        async with game(root, a=ECHO, b=ECHO) as mods:
            report = await mods.emit("tick", 0.5, budget=5)
            assert report.results == {"a": [0.5], "b": [0.5]}
            assert [(i.mod, i.name, i.fields) for i in mods.intents()] == [
                ("a", "rain", {"strength": 0.5}),
                ("b", "rain", {"strength": 0.5}),
            ]
            late = await mods.emit("slow", 0.3, budget=0.02)
            assert late.late == ["a", "b"]
            no = await mods.veto("enter", "wolf", budget=5)
            assert no is not None
            assert (no.mod, no.reason) == ("a", "no wolves")
            assert await mods.veto("enter", "ann", budget=5) is None
            mods.publish("npcs", np.arange(5))
            assert await mods["a"].call("see", timeout=5) == 10
            await mods.provide("twice", lambda x: 2 * x)
            assert await mods["b"].call("help", 4, timeout=5) == 8
            assert await mods["a"].call("count") == [1, 1]
            saved = await mods.save()
            assert set(describe_save(saved).mods) == {"a", "b"}
            assert await mods["a"].call("count") == [2, 1]
            loaded = await mods.load(saved)
            assert "a" in loaded.restored
            assert await mods["a"].call("count", timeout=5) == [2, 1]
            assert [status.name for status in await mods.status()] == ["a", "b"]
            assert {receipt.mod for receipt in await mods.receipts()} == {"a", "b"}
            with pytest.raises(ModTimeout, match="no receipt of a"):
                await mods.wait("a", version=99, timeout=0.05)
            statuses = await asyncio.gather(*(mods.status() for _ in range(100)))
            assert all(len(each) == 2 for each in statuses)

    run(main())


def test_a_wait_for_the_supervisor_holds_up_no_other(root: Any) -> None:
    async def main() -> None:
        async with game(root, echo=ECHO) as mods:
            waiting = asyncio.create_task(mods.wait("new", timeout=PATIENCE))
            await asyncio.sleep(0)
            assert len(await mods.status()) == 1
            given_up = asyncio.create_task(mods.wait("never", timeout=PATIENCE))
            await asyncio.sleep(0)
            given_up.cancel()
            root.save("new.py", ECHO)
            assert (await waiting).mod == "new"
            assert await mods["new"].call("echo", 3, timeout=5) == 3
            with pytest.raises(asyncio.CancelledError):
                await given_up

    run(main())


QUERIES = """
from fumehood.worker import game, on
@on("walk")
def walk(n):
    return sum(game.tile(k, 1) for k in range(n))
@on("ask")
def ask():
    game.told(total=game.tile(2, 3))
"""


def test_queries_are_answered_while_calls_are_awaited(root: Any) -> None:
    api = Api("world")
    heard: list[Any] = []

    @api.event
    def walk(n: int) -> int: ...
    @api.event
    def ask() -> None: ...
    @api.query
    def tile(mod: aio.Mod, x: int, y: int) -> int:
        assert isinstance(mod, aio.Mod)
        return x * y

    @api.intent
    def told(mod: aio.Mod, total: int) -> None:
        heard.append((mod.name, total))

    async def main() -> None:
        for name in "ab":
            root.save(f"{name}.py", QUERIES)
        async with aio.launch(root.root, api=api, limits=LIMITS, timeout=PATIENCE) as mods:
            calls = (mods[name].call("walk", 200, timeout=PATIENCE) for name in "ab")
            assert await asyncio.gather(*calls) == [19900, 19900]
            mods["a"].post("ask")  # nobody waits for it, and it is answered all the same
            async with asyncio.timeout(PATIENCE):
                while not heard:
                    mods.apply()
                    await asyncio.sleep(0.001)
            assert heard == [("a", 6)]
            with pytest.raises(NotDeclared):
                await mods["a"].call("wlak", 3)

    run(main())


def test_it_belongs_to_one_loop(root: Any) -> None:
    async def main() -> None:
        async with game(root, echo=ECHO) as mods:
            mod = mods["echo"]
            faults: list[BaseException] = []

            def elsewhere() -> None:
                for attempt in (mod.call("echo", 1), mods.status()):
                    try:
                        asyncio.run(attempt)
                    except WrongThread as error:
                        faults.append(error)
                try:
                    mod.post("echo", 1)
                except WrongThread as error:
                    faults.append(error)

            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()
            assert len(faults) == 3
            assert await mod.call("echo", 1) == 1
        with pytest.raises(UsageError, match="closed"):
            await mod.call("echo", 1)
        await mods.close()

    run(main())


def test_closing_ends_every_call_in_one_typed_error(root: Any) -> None:
    async def main() -> None:
        async with game(root, echo=ECHO) as mods:
            calls = [asyncio.create_task(mods["echo"].call("slow", 5, timeout=PATIENCE)) for _ in range(3)]
            waiting = asyncio.create_task(mods.wait("echo", version=9, timeout=PATIENCE))
            emitted = asyncio.create_task(mods.emit("slow", 5, budget=PATIENCE))
            await asyncio.sleep(0.05)
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(answer, ModUnavailable) and "closed" in str(answer) for answer in answers), answers
        assert isinstance((await emitted).failed["echo"], ModUnavailable)
        with pytest.raises(UsageError, match="closed"):
            await waiting

    run(main())


def test_nothing_is_left_after_close_nor_after_cancellation(root: Any, census: Callable[..., Any]) -> None:
    async def main() -> None:
        before = descriptors()
        async with game(root, echo=ECHO) as mods:
            assert await mods["echo"].call("echo", 1) == 1
            assert mods.process is not None
            with census(mods.process.pid) as everything:
                await mods.close()
                await asyncio.to_thread(everything.await_end)
        started = asyncio.Event()

        async def playing() -> None:
            async with game(root) as mods:
                started.set()
                await mods["echo"].call("slow", 5, timeout=PATIENCE)

        task = asyncio.create_task(playing())
        await started.wait()
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        opening = asyncio.create_task(playing())
        await asyncio.sleep(0.05)  # in the midst of its start
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert descriptors() <= before

    asyncio.run(asyncio.sleep(0))
    run(main())


def test_a_supervisor_that_dies_is_heard_of_at_once(root: Any) -> None:
    async def main() -> None:
        async with game(root, echo=ECHO) as mods:
            call = asyncio.create_task(mods["echo"].call("slow", 5, timeout=PATIENCE))
            waiting = asyncio.create_task(mods.wait("echo", version=9, timeout=PATIENCE))
            await asyncio.sleep(0.05)
            assert mods.process is not None
            mods.process.kill()
            for task in (call, waiting):
                with pytest.raises(SupervisorDied):
                    await task

    run(main())


def test_a_wrong_start_is_one_clear_error(root: Any, tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(ConfigError):
            await aio.launch(tmp_path / "nowhere")
        with pytest.raises(ConfigError, match="fumehood run"):
            await aio.connect(root.root)
        before = descriptors()
        with pytest.raises(SupervisorDied, match="did not start"):
            await aio.launch(root.root, timeout=0.001)
        with pytest.raises(UsageError, match="timeout"):
            await aio.launch(root.root, timeout=float("nan"))
        assert descriptors() <= before

    run(main())


def test_it_connects_and_comes_back(root: Any, serve: Callable[..., Any]) -> None:
    root.save("echo.py", ECHO)
    serve(root.root)

    async def main() -> None:
        for turn in (1, 2):
            async with aio.connect(root.root) as mods:
                assert await mods["echo"].call("count", timeout=5) == [turn, 1]
                with pytest.raises(AlreadyAttached):
                    await aio.connect(root.root)

    run(main())


GAME = """
import asyncio, sys
from fumehood.runner import aio
async def main():
    async with aio.launch(sys.argv[1], log_level="error") as mods:
        print(mods.process.pid, flush=True)
        await asyncio.gather(*(mods["echo"].call("slow", 60, timeout=60) for _ in range(5)))
asyncio.run(main())
"""


def test_nothing_is_left_of_a_game_that_is_killed(
    root: Any, script: Callable[..., Any], census: Callable[..., Any]
) -> None:
    root.save("echo.py", ECHO)
    killed = script(GAME, root.root)
    supervisor = int(killed.line())
    with census(supervisor) as everything:
        os.kill(killed.pid, 9)
        everything.await_end()
