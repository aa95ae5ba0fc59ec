"""How long a call into a mod takes, beside the ways Python itself offers, in the same run on the same cores.

    python stress/bench_calls.py
    python stress/bench_calls.py --json            # one document on stdout
    python stress/bench_calls.py --seconds 15      # rougher, for a quick look

One call is `mods["echo"].call("add", 1, 2)`: msgpack there, the handler, msgpack back. It is measured

- with caller and worker pinned to different cores, and to the same core (from outside, with sched_setaffinity);
- back to back, and one call every 2 ms, when the other side has gone to sleep in between;
- in rounds, each way in turn (A B C A B C …), so that a machine that drifts drifts for all of them.

Then an emit to 8 mods, and posts: how many a second reach the handler, counted there.

The goals are those of back-to-back calls: p50 at least 25 times faster than multiprocessing.Pipe on different cores, at
least 3 times on the same one. Nothing here fails on a figure: goals are printed as met or missed.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import peers
import report
from fumehood.runner import FumehoodError, Mods, QueueFull, launch
from report import Goal, Report, Spread

GAP: Final = 0.002
"""Seconds between two paced calls: long enough for the other side to sleep, short against a frame."""
CROWD: Final = 8
POSTS: Final = 100_000
ROUNDS: Final = 5
"""Of each way. More: finer interleaving; fewer: less time lost to settling in, which is not measured."""
WARM_UP: Final = 0.02
"""Seconds of calls before each measured stretch: caches, and the scheduler's idea of who runs where."""

ECHO: Final = """\
from fumehood.worker import on, state

@on("add")
def add(left, right):
    return left + right

@on("note")
def note(number):
    state["noted"] = state.get("noted", 0) + 1

@on("noted")
def noted():
    return state.get("noted", 0)
"""
LISTENER: Final = """\
from fumehood.worker import on

@on("tick")
def tick(dt):
    return dt
"""

Subject = peers.Peer


@dataclass
class Cell:
    """What one way took on one pinning, at one pace."""

    subject: Subject
    pinning: str
    pace: str
    times: list[int] = field(default_factory=list)
    """Nanoseconds of each call."""


def main() -> int:
    """Measure, print, and write what `--json` asks for."""
    options = report.parser(__doc__ or "")
    options.add_argument("--seconds", type=float, default=30.0, help="time to spend on calls (default: %(default)g)")
    options.add_argument("--ring-bytes", type=int, default=131_072, help="capacity of each ring (default: %(default)d)")
    arguments = options.parse_args()
    if arguments.seconds <= 0:
        options.error("--seconds has to be more than 0")
    busy = report.busy()
    try:
        with tempfile.TemporaryDirectory(prefix="fumehood-bench-") as folder:
            cells, emits, posts = measure(Path(folder), arguments.seconds)
    except FumehoodError as error:
        print(f"bench_calls: {error}", file=sys.stderr)
        return 1
    result = make_report(cells, emits, posts, report.machine(busy, report.busy()))
    report.emit(result.document(), arguments.json, result.show)
    return 0


def measure(folder: Path, seconds: float) -> tuple[list[Cell], dict[str, list[int]], dict[str, float]]:
    """Everything there is to measure: the cells, emits by subject in ns, and posts per second by pinning."""
    (folder / "echo.py").write_text(ECHO)
    for number in range(CROWD):
        (folder / f"listener{number}.py").write_text(LISTENER)
    with ExitStack() as stack:
        mods = stack.enter_context(launch(folder, log_level="warning"))
        worker = next(status.pid for status in mods.status() if status.name == "echo")
        subjects = [
            Subject("fumehood", mods["echo"].call, (worker,)),
            stack.enter_context(peers.pipe()),
            stack.enter_context(peers.pool()),
            peers.plain(),
        ]
        cells = [
            Cell(subject, pinning, pace)
            for pinning in pinnings()
            for pace in ("back to back", "every 2 ms")
            for subject in subjects
            if subject.pids or pace == "back to back"
        ]
        stretch = seconds / ROUNDS / len(cells)
        for _ in range(ROUNDS):
            for cell in cells:
                with pinned(cell.subject.pids, cell.pinning):
                    (_back_to_back if cell.pace == "back to back" else _paced)(cell, stretch)
        emits = {"fumehood": _emits(mods, seconds / 20), "plain calls": _plain_emits(seconds / 40)}
        posts = {}
        for pinning in pinnings():
            with pinned((worker,), pinning):
                posts[pinning] = _posts(mods)
    return cells, emits, posts


def pinnings() -> list[str]:
    """The pinnings this machine can do."""
    return ["different cores", "same core"] if len(os.sched_getaffinity(0)) > 1 else ["same core"]


@contextmanager
def pinned(pids: tuple[int, ...], pinning: str) -> Iterator[None]:
    """Pin this process, with all its threads, to the first core, and `pids` to the same one or to another."""
    everywhere = os.sched_getaffinity(0)
    first, *others = sorted(everywhere)
    second = others[0] if others and pinning == "different cores" else first
    _pin(os.getpid(), {first})
    for pid in pids:
        _pin(pid, {second})
    try:
        yield
    finally:
        for pid in (os.getpid(), *pids):
            _pin(pid, everywhere)


def _pin(pid: int, cpus: set[int]) -> None:
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), cpus)


def _back_to_back(cell: Cell, seconds: float) -> None:
    call, now, times = cell.subject.call, time.perf_counter_ns, cell.times
    _warm_up(call)
    until = now() + int(seconds * 1e9)
    began = now()
    while began < until:
        call("add", 1, 2)
        ended = now()
        times.append(ended - began)
        began = now()


def _paced(cell: Cell, seconds: float) -> None:
    call, now, times, sleep = cell.subject.call, time.perf_counter_ns, cell.times, time.sleep
    _warm_up(call)
    for _ in range(max(1, int(seconds / GAP))):
        sleep(GAP)
        began = now()
        call("add", 1, 2)
        times.append(now() - began)


def _warm_up(call: Callable[..., Any]) -> None:
    until = time.perf_counter() + WARM_UP
    while time.perf_counter() < until:
        call("add", 1, 2)


def _emits(mods: Mods, seconds: float) -> list[int]:
    """One emit to CROWD mods, nothing pinned: where everyone runs is the kernel's choice, as in a game."""
    times = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter_ns()
        answered = mods.emit("tick", 0.016, budget=1.0)
        times.append(time.perf_counter_ns() - began)
        assert len(answered.results) == CROWD, answered
    return times[len(times) // 10 :]


def _plain_emits(seconds: float) -> list[int]:
    handlers = [peers.add] * CROWD
    times = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter_ns()
        for handler in handlers:
            handler(0, 16)
        times.append(time.perf_counter_ns() - began)
    return times


def _posts(mods: Mods) -> float:
    """Posts a second, from the first post to the mod's own word that it handled the last."""
    echo = mods["echo"]
    before = echo.call("noted")
    began = time.perf_counter()
    for number in range(POSTS):
        while True:
            try:
                echo.post("note", number)
                break
            except QueueFull:
                os.sched_yield()  # on the same core only this lets it run
    handled = echo.call("noted", timeout=30.0) - before
    took = time.perf_counter() - began
    if handled != POSTS:
        raise FumehoodError(f"{POSTS} posts were sent and {handled} handled")
    return POSTS / took


def make_report(
    cells: list[Cell], emits: dict[str, list[int]], posts: dict[str, float], machine: dict[str, Any]
) -> Report:
    """Percentiles, ratios and goals."""
    made = Report("fumehood: how long a call takes", machine)
    made.data["calls_us"] = {}
    for pinning in pinnings():
        for pace in ("back to back", "every 2 ms"):
            chosen = [cell for cell in cells if (cell.pinning, cell.pace) == (pinning, pace)]
            spreads = {cell.subject.name: Spread.of(cell.times, 1e-3) for cell in chosen}
            ours = spreads["fumehood"].p50
            rows: list[report.Row] = [
                (name, s.p50, s.p99, s.p999, s.most, s.p50 / ours, s.count) for name, s in spreads.items()
            ]
            columns = ("", "p50 µs", "p99", "p99.9", "max", "p50 : fumehood's", "calls")
            made.table(f"{pinning}, {pace}", columns, rows)
            made.data["calls_us"][f"{pinning}, {pace}"] = {n: s.document() for n, s in spreads.items()}
            ratio = spreads["multiprocessing.Pipe"].p50 / ours
            made.data.setdefault("times_faster_than_pipe", {})[f"{pinning}, {pace}"] = report.rounded(ratio)
            if pace == "back to back":
                limit = 25.0 if pinning == "different cores" else 3.0
                made.goals.append(Goal(f"{pinning}: times faster than Pipe, p50", ratio, limit, "times", at_least=True))
    spreads = {name: Spread.of(times, 1e-3) for name, times in emits.items()}
    rows = [(name, s.p50, s.p99, s.p999, s.most, s.count) for name, s in spreads.items()]
    made.table(f"emit to {CROWD} mods, not pinned", ("", "p50 µs", "p99", "p99.9", "max", "emits"), rows)
    made.table("posts handled a second", ("", "posts/s"), list(posts.items()))
    made.data[f"emit_to_{CROWD}_us"] = {name: spread.document() for name, spread in spreads.items()}
    made.data["posts_per_second"] = {pinning: round(rate) for pinning, rate in posts.items()}
    made.notes.append("Times include one reading of the clock, about 0.05 µs.")
    if len(pinnings()) == 1:
        made.notes.append("Only one core is to be had: different cores were not measured.")
    return made


if __name__ == "__main__":
    sys.exit(main())
