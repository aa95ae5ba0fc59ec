"""From saving a file to the first answer by the new code, and where that time goes; beside `uvicorn --reload`.

    python stress/bench_reload.py
    python stress/bench_reload.py --json             # one document on stdout
    python stress/bench_reload.py --saves 1000       # more saves, so a truer p99

A save is what an editor does: a new file renamed over the old one. The clock runs from just before the rename until the
game has the first answer of the new code in hand, in two games:

- 60 frames a second: each frame emits `tick` to all mods and calls the mod once; saves come at any phase of a frame;
- a tight loop, which calls the mod back to back: what is left when nobody waits for a frame.

Two mods are saved in turn, 140 ms apart. That is on purpose: one mod is reloaded at most every 250 ms, so a save that
follows closer waits for that; 50 ms after a reload the older standby ends, and 100 ms after it began a new spare is
forked, which both take a core for 1 to 3 ms. That would be measured in place of the reload. Nothing else is left out.

Besides: the stages of a reload as the receipts tell them; the first answered call after a swap, as the caller saw it,
hand-over included; the same with 20 KB and 2 MB of state; what making a confined worker takes, and an idle one uses.
Nothing here fails on a figure: goals are printed as met or missed.
"""

import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import forks
import psutil
import reload_peers
import report
from fumehood.runner import Confinement, FumehoodError, ModFailure, Mods, Receipt, launch
from report import Goal, Report, Spread

FRAME: Final = 1 / 60
PROBES: Final = ("probe", "probe2")
"""The mods that are saved in turn."""
SPACING: Final = 0.140
"""Seconds between two saves: of one mod, just above the 250 ms that two reloads of it keep apart."""
PATIENCE: Final = 5.0
"""Seconds for one save to be live before the bench gives up."""
BIG_SAVES: Final = 5
"""Saves of each mod with much state: its spread is small, and 2 MB take their time."""

PROBE: Final = """\
from fumehood.worker import on, state

VERSION = {version}

@on("tick")
def tick(dt):
    state["ticks"] = state.get("ticks", 0) + 1

@on("version")
def version():
    return VERSION

@on("fill")
def fill(count):
    state["village"] = [
        {{"name": f"villager {{n}}", "x": n, "y": -n, "hungry": n % 2 == 0, "goods": [n, n + 1, n + 2]}}
        for n in range(count)
    ]
"""
VILLAGERS: Final = {"20 KB": 420, "2 MB": 38_000}
"""Entries of the state, for about as many bytes of pickle."""


@dataclass
class Run:
    """What a number of saves came to."""

    to_answer: list[float] = field(default_factory=list)
    """Milliseconds from each save to the first answer by the new code."""
    first_call: list[float] = field(default_factory=list)
    """Milliseconds of that call itself."""
    failures: dict[str, int] = field(default_factory=dict)
    """Calls that ended without a value, by the error's name."""
    receipts: list[Receipt] = field(default_factory=list)
    supervisor_cpu: float = 0.0
    """Seconds of CPU of the supervisor's, over all saves."""
    state_bytes: int = 0

    def failed(self, failure: ModFailure) -> None:
        """Count a call without a value."""
        name = type(failure).__name__
        self.failures[name] = self.failures.get(name, 0) + 1


class Game:
    """Saves its mods in turn, plays on, and notices when the new code answers."""

    def __init__(self, mods: Mods, folder: Path, names: Sequence[str], rng: random.Random, spacing: float) -> None:
        self.mods = mods
        self.folder = folder
        self.names = names
        self.mod = mods[names[0]]
        self.version = 0
        self.rng = rng
        self.spacing = spacing

    def play(self, saves: int, until_live: Callable[[Run, float], int]) -> Run:
        """Save `saves` times. `until_live(run, pause)` plays on for `pause` s, saves, and plays until it is live."""
        run = Run()
        supervisor = psutil.Process().children()[0]
        before = 0.0
        since = max((receipt.number for receipt in self.mods.receipts()), default=0)
        for number in range(-len(self.names), saves):
            began = time.perf_counter()
            self.mod = self.mods[self.names[number % len(self.names)]]
            if number == 0:  # the first save of each found cold caches
                run, before = Run(), sum(supervisor.cpu_times()[:2])
            at = until_live(run, self.rng.random() * FRAME)
            run.to_answer.append((time.perf_counter_ns() - at) / 1e6)
            rest = self.spacing - (time.perf_counter() - began)
            self.frames(rest)
        run.supervisor_cpu = sum(supervisor.cpu_times()[:2]) - before
        self.mods.settle(PATIENCE)
        of_mine = [r for r in self.mods.receipts(since) if r.mod in self.names and r.save_to_live_ms is not None]
        run.receipts = of_mine[len(self.names) :]
        run.state_bytes = next(s.state_bytes for s in self.mods.status() if s.name == self.mod.name)
        return run

    def save(self) -> int:
        """Write the next version. Returns when, perf_counter_ns."""
        self.version += 1
        return reload_peers.save(self.folder / f"{self.mod.name}.py", PROBE.format(version=self.version))

    def answered(self, run: Run | None) -> bool:
        """Call once; whether it was the newest code that answered. `run`: the one to write the call down in."""
        began = time.perf_counter_ns()
        try:
            version = self.mod.call("version", timeout=1.0)
        except ModFailure as failure:
            if run is not None:
                run.failed(failure)
            return False
        if version != self.version:
            return False
        if run is not None:
            run.first_call.append((time.perf_counter_ns() - began) / 1e6)
        return True

    def at_60_hz(self, run: Run, pause: float) -> int:
        """Play 60 frames a second; save `pause` seconds after the beginning of one."""
        at, due = 0, time.perf_counter()
        give_up = due + PATIENCE
        while time.perf_counter() < give_up:
            self.mods.emit("tick", FRAME, budget=0.004)
            if self.answered(run if at else None) and at:
                return at
            if not at:
                _sleep_until(due + pause)
                at = self.save()
            due = max(due + FRAME, time.perf_counter())
            _sleep_until(due)
        raise FumehoodError(f"version {self.version} of {self.mod.name} was not live within {PATIENCE:g} s")

    def tightly(self, run: Run, pause: float) -> int:
        """Call back to back."""
        warm = time.perf_counter() + 0.02 + pause
        while time.perf_counter() < warm:
            self.mod.call("version", timeout=1.0)
        at = self.save()
        give_up = time.perf_counter() + PATIENCE
        while time.perf_counter() < give_up:
            if self.answered(run):
                return at
        raise FumehoodError(f"version {self.version} of {self.mod.name} was not live within {PATIENCE:g} s")

    def frames(self, seconds: float) -> None:
        """Let frames pass."""
        end = time.perf_counter() + seconds
        while (now := time.perf_counter()) < end:
            self.mods.emit("tick", FRAME, budget=0.004)
            _sleep_until(min(now + FRAME, end))


def main() -> int:
    """Measure, print, and write what `--json` asks for."""
    options = report.parser(__doc__ or "")
    options.add_argument("--saves", type=int, default=100, help="saves in each of the two games (default: %(default)d)")
    options.add_argument("--seed", type=int, default=1, help="of the phases at which saves come (default: %(default)d)")
    options.add_argument("--confinement", choices=[str(c) for c in Confinement], default="full")
    options.add_argument("--no-peers", action="store_true", help="leave uvicorn and watchdog out")
    arguments = options.parse_args()
    if arguments.saves < 1:
        options.error("--saves has to be at least 1")
    busy = report.busy()
    made = Report("fumehood: how long a reload takes", {})
    rng = random.Random(arguments.seed)
    try:
        with tempfile.TemporaryDirectory(prefix="fumehood-bench-") as name:
            folder = Path(name)
            born, spare = forks.measure(Confinement(arguments.confinement), 60)
            runs, idle = games(folder / "mods", arguments.saves, rng, arguments.confinement)
            served = bare = None
            if not arguments.no_peers:
                served = reload_peers.uvicorn(folder / "served", 5)
                bare = reload_peers.watchdog(folder / "watched", 100)
    except FumehoodError as error:
        print(f"bench_reload: {error}", file=sys.stderr)
        return 1
    made.machine = report.machine(busy, report.busy())
    tell_reloads(made, runs, served, bare)
    tell_workers(made, born, spare, idle)
    report.emit(made.document(), arguments.json, made.show)
    return 0


def games(folder: Path, saves: int, rng: random.Random, confinement: str) -> tuple[dict[str, Run], forks.Idle]:
    """The runs by name, and what a live mod that nobody spoke to used meanwhile."""
    folder.mkdir()
    for name in (*PROBES, "village", "town"):
        (folder / f"{name}.py").write_text(PROBE.format(version=0))
    (folder / "sleeper.py").write_text("def on_nothing():\n    pass\n")
    with launch(folder, confinement=confinement, log_level="warning") as mods:
        sleeper = next(status.pid for status in mods.status() if status.name == "sleeper")
        idle = forks.watch_idle(sleeper)
        runs = {}
        probe = Game(mods, folder, PROBES, rng, SPACING)
        runs["60 frames a second"] = probe.play(saves, probe.at_60_hz)
        runs["tight loop"] = probe.play(saves, probe.tightly)
        for name, size in (("village", "20 KB"), ("town", "2 MB")):
            mods[name].call("fill", VILLAGERS[size])
            game = Game(mods, folder, [name], rng, len(PROBES) * SPACING)
            runs[f"tight loop, {size} of state"] = game.play(BIG_SAVES, game.tightly)
        return runs, idle()


def _sleep_until(at: float) -> None:
    left = at - time.perf_counter()
    if left > 0:
        time.sleep(left)


def tell_reloads(
    made: Report, runs: dict[str, Run], served: reload_peers.Uvicorn | None, bare: list[float] | None
) -> None:
    """Save to live, its stages, and the first call."""
    columns = ("ms", "p50", "p99", "min", "max", "saves")
    peers: dict[str, Spread] = {}
    if served is not None and served.milliseconds:
        peers["uvicorn --reload"] = Spread.of(served.milliseconds)
    if bare is not None:
        peers["bare watchdog event"] = Spread.of(bare)
    spreads = {name: Spread.of(run.to_answer) for name, run in runs.items()} | peers
    rows: list[report.Row] = [(name, s.p50, s.p99, s.least, s.most, s.count) for name, s in spreads.items()]
    made.table("from the save to the first answer by the new code", columns, rows)
    calls = {name: Spread.of(run.first_call) for name, run in runs.items()}
    rows = [(name, s.p50, s.p99, s.least, s.most, s.count) for name, s in calls.items()]
    made.table("that first call, as the caller saw it (hand-over included)", columns, rows)
    stages = {name: _stages(run.receipts) for name, run in runs.items()}
    named = list(dict.fromkeys(stage for found in stages.values() for stage in found))
    rows = [(name, *(found.get(stage, float("nan")) for stage in named)) for name, found in stages.items()]
    made.table("where it goes: p50 of the receipts' stages, ms", ("", *named), rows)
    rows = [
        (name, run.state_bytes, run.supervisor_cpu * 1e3 / max(1, len(run.to_answer)), sum(run.failures.values()))
        for name, run in runs.items()
    ]
    made.table("besides", ("", "state, bytes", "supervisor CPU a save, ms", "calls without a value"), rows)
    made.data["save_to_first_answer_ms"] = {name: spread.document() for name, spread in spreads.items()}
    made.data["first_answered_call_ms"] = {name: spread.document() for name, spread in calls.items()}
    made.data["stages_p50_ms"] = {n: {k: report.rounded(v) for k, v in found.items()} for n, found in stages.items()}
    made.data["failures"] = {name: run.failures for name, run in runs.items()}
    made.data["supervisor_cpu_ms_a_save"] = {row[0]: report.rounded(float(str(row[2]))) for row in rows}
    game, tight = spreads["60 frames a second"], calls["tight loop"]
    made.goals.append(Goal("save to live at 60 frames a second, p50", game.p50, 25.0, "ms"))
    made.goals.append(Goal("first answered call after a swap, p99, tight loop", tight.p99, 1.0, "ms"))
    in_frame = calls["60 frames a second"].p99
    made.goals.append(Goal("first answered call after a swap, p99, 60 frames a second", in_frame, 1.0, "ms"))
    made.notes.append(
        f"{len(PROBES)} mods are saved in turn, {SPACING * 1e3:.0f} ms apart: one mod is reloaded at most every 250 ms."
    )
    if served is not None:
        told = f"uvicorn watches with {served.watcher}; {served.refused} requests found nobody meanwhile."
        made.notes.append(f"uvicorn: {served.skipped}" if served.skipped else told)


def _stages(receipts: list[Receipt]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for receipt in receipts:
        for stage, microseconds in receipt.stages.items():
            found.setdefault(stage, []).append(microseconds / 1e3)
    return {stage: median(times) for stage, times in found.items()}


def tell_workers(made: Report, born: forks.Births, spare: forks.Idle, live: forks.Idle) -> None:
    """Forks, and what idle workers use."""
    took = Spread.of(born.microseconds, 1e-3)
    steps = {name: median(times) / 1e3 for name, times in born.steps.items()}
    row = ("one by one", took.p50, took.p99, took.most, took.count)
    made.table("fork to confined, ms", ("", "p50", "p99", "max", "workers"), [row])
    made.table("its steps, p50 ms", ("step", "ms"), list(steps.items()))
    rows = [
        (name, idle.uss / 2**20, idle.cpu_share * 100, idle.wakeups_per_second)
        for name, idle in (("a spare", spare), ("a live mod nobody calls", live))
    ]
    made.table("idle", ("", "own memory (USS), MiB", "CPU %", "wake-ups a second"), rows)
    made.data["fork_to_confined_ms"] = took.document()
    made.data["confinement_steps_ms"] = {name: report.rounded(ms) for name, ms in steps.items()}
    made.data["workers_per_second"] = report.rounded(born.per_second)
    made.data["idle"] = {
        name: dict(zip(("uss_mib", "cpu_percent", "wakeups_per_second"), map(report.rounded, figures), strict=True))
        for name, *figures in rows
    }
    made.goals.append(Goal("fork to confined, p50", took.p50, 2.0, "ms"))
    made.goals.append(Goal("confined workers, asked for at once", born.per_second, 250, "a second", at_least=True))
    made.goals.append(Goal("idle worker, CPU", round(live.cpu_share * 100, 2), 0.0, "%"))
    made.goals.append(Goal("idle worker, own memory (live, never called)", live.uss / 2**20, 3.0, "MiB"))
    made.goals.append(Goal("spare worker, own memory", spare.uss / 2**20, 3.0, "MiB"))


if __name__ == "__main__":
    sys.exit(main())
