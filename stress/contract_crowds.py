"""Many mods at once: how long the game waits for a veto when some are slow and some hang, and what a filter saves.

Vetoes: 20 mods, asked once a frame of 60 a second, with a budget of 4 ms: 13 answer at once, 5 sleep for 50 ms, 2 hang,
of which one spins. Those are killed, started again, and in the end taken down, all of it while the game asks; a second
later they are saved anew. Peers: the same question to the 13 alone, and an emit to them; and a bare sleep of 4 ms in
each of the same frames, among the same mods: no wait ends sooner than the kernel lets the game run again.

The goal: the game waits no longer than its budget, whatever mods do. The longest wait past it is printed, and is to be
no more than TOLERANCE longer than that of the bare sleep.

Filters: an event that 200 mods handle, of which one asks for this value; peer: one that all 200 hear and return from.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import report
from fumehood.runner import Api, FumehoodError, Limits, Mods, launch
from report import Goal, Report, Spread

BUDGET: Final = 0.004
FRAME: Final = 1 / 60
QUICK, SLOW = 13, 5
LIMITS: Final = Limits(hang_after=0.3, load_timeout=1.0)
"""Short, so that killing, starting anew and giving up happen often in a short run."""
TOLERANCE: Final = 1_000.0
"""Microseconds: a pass over the 20 mods, and a wake-up. The longest of some hundred waits and the longest of as many
sleeps differ by as much on an idle machine."""

DECIDING: Final = """\
import time
from fumehood.worker import on, refuse

@on("can_enter")
def can_enter(who):
    {body}
"""
ANSWERING: Final = """
@on("can_leave")
def can_leave(who):
    return None

@on("told")
def told(who):
    return None
"""
HANGS: Final = ("while True: pass", "time.sleep(3600)")
LISTENER: Final = """\
from fumehood.worker import on

@on("step", tile=({number}, 0))
def step(who, tile):
    return None

@on("told")
def told(who):
    return None
"""


def _api() -> Api:
    api = Api("bench")

    @api.event
    def told(who: str) -> None: ...

    @api.event
    def step(who: str, tile: tuple[int, int]) -> None: ...

    @api.event(veto=True)
    def can_enter(who: str) -> None: ...

    @api.event(veto=True)
    def can_leave(who: str) -> None: ...

    return api


def _spent(act: Callable[[], object], seconds: float, every: float = 0.0) -> list[int]:
    """Nanoseconds of each act, for so many seconds; `every`: so many seconds from one to the next."""
    times = []
    end = time.perf_counter() + seconds
    due = time.perf_counter()
    while due < end:
        began = time.perf_counter_ns()
        act()
        times.append(time.perf_counter_ns() - began)
        due = max(due + every, time.perf_counter())
        if every:
            time.sleep(max(0.0, due - time.perf_counter()))
    return times


# ── vetoes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def add_vetoes(made: Report, folder: Path, seconds: float, _: int) -> None:
    """Measure for about `seconds`, and tell it."""
    hanging = {folder / f"hanging{number}.py": hang for number, hang in enumerate(HANGS)}
    for number in range(QUICK):
        (folder / f"quick{number}.py").write_text(DECIDING.format(body="return None") + ANSWERING)
    with launch(folder, api=_api(), limits=LIMITS, log_level="error") as mods:
        for act in (lambda: mods.veto("can_leave", "ann"), lambda: mods.emit("told", "ann")):
            _spent(act, 0.05)
        alone = _spent(lambda: mods.veto("can_leave", "ann", budget=1.0), seconds / 8)
        emits = _spent(lambda: mods.emit("told", "ann", budget=1.0), seconds / 8)
        for number in range(SLOW):
            (folder / f"slow{number}.py").write_text(DECIDING.format(body="time.sleep(0.05)"))
        for file, hang in hanging.items():
            file.write_text(DECIDING.format(body=hang))
        for file in (*hanging, *folder.glob("slow*.py")):
            mods.wait(file.stem, timeout=20.0)
        times, own, sleeps, hung, killed = _beset(mods, hanging, seconds * 3 / 4)
    spreads = {
        f"veto of {QUICK + SLOW + len(HANGS)}, {SLOW} slow, {len(HANGS)} hang; 4 ms": Spread.of(times, 1e-3),
        "of that the game's own CPU time": Spread.of(own, 1e-3),
        "a bare sleep of 4 ms among them": Spread.of(sleeps, 1e-3),
        f"veto of {QUICK} alone": Spread.of(alone, 1e-3),
        f"emit to {QUICK}": Spread.of(emits, 1e-3),
    }
    rows: list[report.Row] = [(name, s.p50, s.p99, s.p999, s.most, s.count) for name, s in spreads.items()]
    made.table("vetoes: the game's wait", ("", "p50 µs", "p99", "p99.9", "max", "vetoes"), rows)
    over, slept = (max(of) / 1e3 - BUDGET * 1e6 for of in (times, sleeps))
    text = f"veto: past the longest bare sleep by (past its own budget by {over:,.0f} µs)"
    made.goals.append(Goal(text, max(0.0, over - slept), TOLERANCE, "µs"))
    made.data["vetoes"] = {
        "wait_us": {name: spread.document() for name, spread in spreads.items()},
        "worst_overshoot_us": report.rounded(over),
        "worst_overshoot_of_a_sleep_us": report.rounded(slept),
        "tolerance_us": TOLERANCE,
        "asked_while_somebody_hung": hung,
        "killed": killed,
    }
    made.notes.append(
        f"Of {len(times)} vetoes {hung} were asked while a mod that hangs was there; {killed} workers were killed."
    )


def _beset(mods: Mods, hanging: dict[Path, str], seconds: float) -> tuple[list[int], list[int], list[int], int, int]:
    """Wait of each veto, its CPU time, and that of each sleep, ns; how many vetoes were asked while a mod that hangs
    was there; how many workers were killed."""
    times: list[int] = []
    own: list[int] = []
    sleeps: list[int] = []
    hung = saves = 0
    names = {file.stem for file in hanging}
    pids: set[int] = set()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        there = {status.name: status.pid for status in mods.status() if status.name in names and status.pid}
        pids.update(there.values())
        hung += bool(there)
        used, began = time.thread_time_ns(), time.perf_counter_ns()
        mods.veto("can_enter", "ann", budget=BUDGET)
        times.append(time.perf_counter_ns() - began)
        own.append(time.thread_time_ns() - used)
        time.sleep(max(0.0, FRAME / 2 - times[-1] / 1e9))
        sleeps += _spent(lambda: time.sleep(BUDGET), FRAME / 2, FRAME / 2)
        for file, hang in hanging.items():
            if file.stem not in mods and len(times) % 60 == 0:
                saves += 1
                file.write_text(DECIDING.format(body=f"{hang}  # {saves}"))
    return times, own, sleeps, hung, max(0, len(pids) - len(there))


# ── filters ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def add_filters(made: Report, folder: Path, seconds: float, half: int) -> None:
    """Measure for about `seconds` with twice `half` mods, and tell it."""
    count = 2 * half
    for number in range(count):
        (folder / f"listener{number}.py").write_text(LISTENER.format(number=number))
    acts: dict[str, Callable[[Mods], set[str]]] = {
        f"emit that 1 of {count} asks for": lambda mods: set(mods.emit("step", "ann", (1, 0), budget=1.0).results),
        "emit that nobody asks for": lambda mods: set(mods.emit("step", "ann", (-1, 0), budget=1.0).results),
        f"emit that all {count} hear": lambda mods: set(mods.emit("told", "ann", budget=1.0).results),
    }
    spreads = {}
    with launch(folder, api=_api(), log_level="warning") as mods:
        for (name, act), wanted in zip(acts.items(), (1, 0, count), strict=True):
            if len(act(mods)) != wanted:
                raise FumehoodError(f"{name}: {len(act(mods))} answered")
            _spent(lambda act=act: act(mods), 0.05)  # type: ignore[misc]  # bound now
            spreads[name] = Spread.of(_spent(lambda act=act: act(mods), seconds / 3), 1e-3)  # type: ignore[misc]
    rows: list[report.Row] = [(name, s.p50, s.p99, s.most, s.count) for name, s in spreads.items()]
    made.table("filters: the game's time", ("", "p50 µs", "p99", "max", "emits"), rows)
    one, _, all_hear = spreads.values()
    made.data["filters"] = {
        "mods": count,
        "emit_us": {name: spread.document() for name, spread in spreads.items()},
        "times_faster": report.rounded(all_hear.p50 / one.p50),
    }
