"""How long an awaited call takes, beside a blocking one, and beside a pipe that an event loop reads.

    python stress/bench_aio.py
    python stress/bench_aio.py --json              # one document on stdout
    python stress/bench_aio.py --seconds 6         # rougher, for a quick look

One call is `await mods["echo"].call("add", 1, 2)`, back to back and one every 2 ms; the ways take turns (A B C A B …),
in the same process, on whatever cores the scheduler likes. The pipe is multiprocessing's, its answers read where the
loop says that there is one. Then a hundred calls in one gather: of one mod, and one each of a hundred mods.

No goals: an event loop's wake-up is the larger part of an awaited call, and is what one pays for the loop.
"""

import asyncio
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import peers
import report
from fumehood.runner import FumehoodError, aio, launch
from report import Report, Spread

GAP: Final = 0.002
ROUNDS: Final = 5
CROWD: Final = 100
GATHERS: Final = 30
WARM_UP: Final = 50
"""Calls before each measured stretch."""

ECHO: Final = """\
from fumehood.worker import on

@on("add")
def add(left, right):
    return left + right
"""

Call = Callable[..., Awaitable[Any]]


@contextmanager
def awaited_pipe() -> Iterator[Call]:
    """multiprocessing.Pipe, its end here read by the running loop."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=peers.serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    loop = asyncio.get_running_loop()
    waiting: list[asyncio.Future[Any]] = []
    loop.add_reader(ours.fileno(), lambda: waiting.pop().set_result(ours.recv()))

    async def call(event: str, *args: Any) -> Any:
        answer = loop.create_future()
        waiting.append(answer)
        ours.send((event, args))
        return await answer

    try:
        yield call
    finally:
        loop.remove_reader(ours.fileno())
        ours.close()
        process.join()


async def stretch(call: Call, seconds: float, gap: float, times: list[int]) -> None:
    """Call for that long, and note how long each took, in ns."""
    clock = time.perf_counter_ns
    for _ in range(WARM_UP):
        await call("add", 1, 2)
    until = clock() + int(seconds * 1e9)
    while (began := clock()) < until:
        await call("add", 1, 2)
        times.append(clock() - began)
        if gap:
            await asyncio.sleep(gap)


async def measure(folder: Path, seconds: float) -> tuple[dict[str, dict[str, list[int]]], dict[str, list[float]]]:
    """Nanoseconds by pace and way; nanoseconds a call by gather."""
    for number in range(CROWD):
        path = folder / "many" / f"m{number}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(ECHO)
    for name in ("awaited", "blocking"):
        (folder / name).mkdir()
        (folder / name / "echo.py").write_text(ECHO)
    times: dict[str, dict[str, list[int]]] = {}
    with launch(folder / "blocking", log_level="warning") as blocking, awaited_pipe() as pipe:
        async with aio.launch(folder / "awaited", log_level="warning") as mods:
            plain, echo = blocking["echo"].call, mods["echo"]

            async def blocked(event: str, *args: Any) -> Any:
                return plain(event, *args)

            ways: dict[str, Call] = {"awaited": echo.call, "blocking": blocked, "awaited Pipe": pipe}
            for _ in range(ROUNDS):
                for pace, gap in (("back to back", 0.0), ("every 2 ms", GAP)):
                    for name, call in ways.items():
                        chosen = times.setdefault(pace, {}).setdefault(name, [])
                        await stretch(call, seconds / ROUNDS / 6, gap, chosen)
            gathers = {f"{CROWD} calls of one mod": await gathered([echo.call] * CROWD)}
    async with aio.launch(folder / "many", log_level="warning") as mods:
        gathers[f"a call each of {CROWD} mods"] = await gathered([mods[f"m{number}"].call for number in range(CROWD)])
    return times, gathers


async def gathered(calls: list[Call]) -> list[float]:
    """Nanoseconds a call, of each gather."""
    took: list[float] = []
    for turn in range(GATHERS + 3):
        began = time.perf_counter_ns()
        await asyncio.gather(*(call("add", 1, 2) for call in calls))
        if turn >= 3:
            took.append((time.perf_counter_ns() - began) / len(calls))
    return took


def main() -> int:
    """Measure, print, and write what `--json` asks for."""
    options = report.parser(__doc__ or "")
    options.add_argument("--seconds", type=float, default=18.0, help="time to spend on calls (default: %(default)g)")
    arguments = options.parse_args()
    if arguments.seconds <= 0:
        options.error("--seconds has to be more than 0")
    busy = report.busy()
    try:
        with tempfile.TemporaryDirectory(prefix="fumehood-bench-") as folder:
            times, gathers = asyncio.run(measure(Path(folder), arguments.seconds))
    except FumehoodError as error:
        print(f"bench_aio: {error}", file=sys.stderr)
        return 1
    made = Report("fumehood: how long an awaited call takes", report.machine(busy, report.busy()))
    made.data["calls_us"] = {}
    for pace, ways in times.items():
        spreads = {name: Spread.of(values, 1e-3) for name, values in ways.items()}
        rows: list[report.Row] = [(name, s.p50, s.p99, s.p999, s.most, s.count) for name, s in spreads.items()]
        made.table(pace, ("", "p50 µs", "p99", "p99.9", "max", "calls"), rows)
        made.data["calls_us"][pace] = {name: spread.document() for name, spread in spreads.items()}
    spreads = {name: Spread.of(values, 1e-3) for name, values in gathers.items()}
    rows = [(name, s.p50, s.p99, s.most, s.count) for name, s in spreads.items()]
    made.table("in one gather, µs a call", ("", "p50 µs", "p99", "max", "gathers"), rows)
    made.data["gathered_us_a_call"] = {name: spread.document() for name, spread in spreads.items()}
    report.emit(made.document(), arguments.json, made.show)
    return 0


if __name__ == "__main__":
    sys.exit(main())
