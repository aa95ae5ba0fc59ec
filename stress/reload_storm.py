"""A storm of saves over hundreds of mods while a game plays on, and then the books are checked.

    python stress/reload_storm.py                      # 200 mods, 1200 changes, under a minute
    python stress/reload_storm.py --seed 7 --json      # the same storm again; one document on stdout
    python stress/reload_storm.py --plant lost-post    # a fault of which we know: has to end with status 1

Several writer processes change the mods at once, in all the ways files are changed: temporary file and rename, truncate
and write in pieces, delete and create, many renames at one instant. Most saves are good; some do not compile, do not
import, fail their selftest, segfault at import, or loop for ever there. Meanwhile a game of 60 frames a second posts to
the mods, emits to them and calls them. When all has come to rest, in two calm rounds more a good save and then a broken
one is made of some mods, so that what must be live is known beyond doubt. Then is checked, against what the writers say:

- the disk: each mod's files are those of its last save;
- what is live: its digest, and the save that answers a call, are those of the disk; where the disk is broken, of the last
  good save;
- posts: each mod handled every post exactly once, in order, those lost with a dying worker counted as lost;
- descriptors, mappings, processes and memory of the game and the supervisor: as after the warm-up; and nothing is left
  after the end.

Ends with status 1 and a table if anything differs. Each --plant makes one such difference on purpose: old-bytes writes an
older save over a file so that no event tells of it; lost-post drops one post after counting it; leak-fd opens a descriptor.
"""

import json
import mmap
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import psutil
import report
import storm_plan as plan
import storm_resources as resources
from report import Report, Spread
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from storm_game import Game
from storm_plan import GOOD, Change, Model, Saved

from fumehood.runner import FumehoodError, Limits, ModFailure, Mods, ModStatus, Receipt, launch
from fumehood.runner.demo_frames import Frames

PLANTS: Final = ("old-bytes", "lost-post", "leak-fd")
LIMITS: Final = Limits(load_timeout=1.0)
"""A save that loops at import holds up others until this is over: the default of 5 s would be most of the storm."""
WRITERS: Final = 4
PACE: Final = 60.0
"""Saves a second. More: the supervisor builds less of them, and the last ones; fewer: a longer storm."""
LOOK_EVERY: Final = 0.3
"""Seconds between two looks whether all is at rest. More often would be what the game's frames are measured by."""
MOST_SHOWN: Final = 40

Difference = tuple[str, str, str]
"""What, what was expected, what was found."""


@dataclass
class Phase:
    """One stretch of the storm."""

    name: str
    seconds: float = 0.0
    changes: int = 0
    frames: Frames = field(default_factory=Frames)
    rest: float = 0.0
    """Seconds from the writers' end until everything was at rest."""


@dataclass
class Storm:
    """One storm, from an empty folder to the checked books."""

    root: Path
    mods: list[str]
    changes: int
    deadline: float
    """Monotonic seconds by which everything has to be at rest."""
    seed: int
    plant: str
    writers: int
    told: "Progressing"
    differences: list[Difference] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)

    def run(self) -> None:
        """Everything."""
        rng = random.Random(self.seed)
        for mod in self.mods:
            (self.root / plan.changing_file(mod)).parent.mkdir(exist_ok=True)
            where = self.root / mod if plan.is_folder(mod) else self.root
            for path, text in plan.files(mod, 0, GOOD).items():
                (where / path).write_text(text)
        resources.of(os.getpid())  # what looking costs once is no leak
        empty = resources.of(os.getpid())
        began = time.monotonic()
        with ExitStack() as stack:
            mods = stack.enter_context(launch(self.root, limits=LIMITS, log_level="error"))
            self.data["launch_seconds"] = round(time.monotonic() - began, 2)
            self._play(mods, rng, stack)
            closing = time.monotonic()
        self.data["close_seconds"] = round(time.monotonic() - closing, 2)
        if self.plant != "leak-fd":
            self.differences += resources.differences("game after the end", empty, resources.of(os.getpid()))

    def _play(self, mods: Mods, rng: random.Random, stack: ExitStack) -> None:
        game = Game(mods, self.mods, random.Random(rng.random()))
        self.model = Model(self.mods, time.monotonic())
        supervisor = psutil.Process().children()[0].pid
        self._phase("warm-up", game, plan.everywhere(self.model.saves(), dict.fromkeys(self.mods, GOOD), self.writers))
        self._check_live(mods)
        at_start = {who: resources.of(pid) for who, pid in (("game", os.getpid()), ("supervisor", supervisor))}
        seats = _seats(mods.status())
        if self.plant == "lost-post":
            game.swallow_at = game.frame + 30
        if self.plant == "leak-fd":
            stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        used, wall = _cpu(supervisor), time.monotonic()
        seconds = min(max(1.0, self.changes / PACE), (self.deadline - time.monotonic()) * 0.6)
        self._phase("storm", game, plan.storm(self.mods, self.changes, seconds, self.writers, rng))
        self.cpu = {who: (now - used[who]) / (time.monotonic() - wall) for who, now in _cpu(supervisor).items()}
        self._check_live(mods)
        some = rng.sample(self.mods, max(1, len(self.mods) // 4))
        some += [mod for mod in self.mods if self.model.on_disk(mod).kind != GOOD and mod not in some]
        self._phase("calm: good", game, plan.everywhere(self.model.saves(), dict.fromkeys(some, GOOD), self.writers))
        self._check_live(mods)
        kinds = {mod: rng.choice(["syntax", "import", "selftest"]) for mod in some}
        self._phase("calm: broken", game, plan.everywhere(self.model.saves(), kinds, self.writers))
        if self.plant == "old-bytes":
            stack.enter_context(_old_bytes(self.root, next(m for m in self.mods if m not in some and not plan.is_folder(m))))
        self._check_live(mods)
        self._check_posts(game)
        self._check_resources(mods, at_start, seats, supervisor)
        self.receipts = mods.receipts()
        self.data["posts"] = sum(account.count for account in game.posted.values())
        self.data["posts_not_sent"] = dict(game.unsent)
        self.data["calls"] = dict(game.calls)
        self.data["late_in_emits"] = game.late
        self.data["game"] = mods.statistics()
        self.data["held_at_the_end"] = {
            who: {"memory_mib": resources.of(pid).memory >> 20, "descriptors": sum(resources.descriptors(pid).values())}
            for who, pid in (("game", os.getpid()), ("supervisor", supervisor))
        }

    # ── making changes ────────────────────────────────────────────────────────────────────────────────────────────────

    def _phase(self, name: str, game: Game, plans: list[list[Change]]) -> None:
        """Let the writers write while the game plays, until everything is at rest."""
        phase = Phase(name, changes=sum(map(len, plans)))
        self.phases.append(phase)
        task = self.told.begin(name, phase.changes)
        began = time.monotonic()
        made: list[tuple[str, Saved]] = []
        with ExitStack() as stack:
            writers = [stack.enter_context(Writer(self.root, own, began + 0.3)) for own in plans if own]

            def hear() -> None:
                for writer in writers:
                    made.extend(writer.take())
                self.told.at(task, len(made))

            game.play(phase.frames, lambda: not any(writer.busy() for writer in writers), hear)
            for writer in writers:
                writer.end()
            hear()
        for mod, saved in sorted(made, key=lambda change: change[1].save):
            self.model.wrote(mod, saved)
        if len(made) != phase.changes:
            self.differences.append((f"{name}: saves made", str(phase.changes), str(len(made))))
        phase.seconds = time.monotonic() - began
        self._rest(game, phase)

    def _rest(self, game: Game, phase: Phase) -> None:
        """Play on until the supervisor has seen everything that is on the disk, and nothing is under way."""
        began, wanted = time.monotonic(), {mod: self._disk(mod) for mod in self.mods}
        next_look, calm = began, 0

        def at_rest() -> bool:
            nonlocal next_look, calm
            now = time.monotonic()
            if now > self.deadline:
                return True
            if now < next_look:
                return False
            next_look = now + LOOK_EVERY
            seen = {status.name: status.target for status in game.mods.status()}
            calm = calm + 1 if game.mods.settle(0.0) and all(seen.get(m) == d for m, d in wanted.items()) else 0
            return calm >= 2

        game.play(Frames(), at_rest)
        phase.rest = time.monotonic() - began
        if calm < 2:
            late = [s for s in game.mods.status() if wanted.get(s.name) not in (None, s.target)]
            text = ", ".join(s.name for s in late[:5]) or "nothing in particular"
            self.differences.append((f"{phase.name}: at rest in time", "yes", f"no: {text}"))
            return
        self._note_what_went_live(game.mods)
        self.model.rested(time.monotonic())

    def _note_what_went_live(self, mods: Mods) -> None:
        """By mod, the digest that the journal says went live last."""
        self.went_live: dict[str, str] = {}
        for receipt in mods.receipts():
            if receipt.live_digest:
                self.went_live[receipt.mod] = receipt.live_digest

    # ── checking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _disk(self, mod: str) -> str:
        """The digest of what is on the disk now."""
        if not plan.is_folder(mod):
            return plan.digest({f"{mod}.py": (self.root / f"{mod}.py").read_bytes()})
        return plan.digest({path.name: path.read_bytes() for path in (self.root / mod).glob("[!.]*.py")})

    def _check_live(self, mods: Mods) -> None:
        """The disk against the writers, what is live against the disk, and what answers against both."""
        statuses = {status.name: status for status in mods.status()}
        for mod in self.mods:
            last, disk = self.model.on_disk(mod), self._disk(mod)
            should = plan.digest_of(mod, last.save, last.kind)
            if disk != should:
                self.differences.append((f"{mod}: disk", f"save {last.save} ({last.kind}) {should[:12]}", disk[:12]))
            may = {plan.digest_of(mod, save, GOOD): save for save in self.model.may_be_live(mod)}
            status = statuses.get(mod)
            live = status.digest if status else ""
            if last.kind == GOOD and live != disk:
                self.differences.append((f"{mod}: live digest against the disk", disk[:12], live[:12] or "nothing"))
            elif live not in may:
                named = ", ".join(f"save {save} {digest[:12]}" for digest, save in may.items())
                self.differences.append((f"{mod}: live digest, disk is broken", named, live[:12] or "nothing"))
            elif live != self.went_live.get(mod):
                self.differences.append((f"{mod}: live digest against the journal", self.went_live.get(mod, "")[:12], live[:12]))
            try:
                save = int(mods[mod].call("audit", timeout=5.0)[0])
            except ModFailure as failure:
                self.differences.append((f"{mod}: answers", "yes", str(failure)[:60]))
            else:
                if save not in may.values():
                    self.differences.append((f"{mod}: the save that answers", " or ".join(map(str, may.values())), str(save)))

    def _check_posts(self, game: Game) -> None:
        """Every post exactly once: handled by its mod or, if a worker died with it, counted as lost."""
        lost = {status.name: status.lost_posts for status in game.mods.status()}
        handled = 0
        for mod, account in game.posted.items():
            try:
                _, count, total, disorder = game.audit(mod)
            except ModFailure as failure:
                self.differences.append((f"{mod}: audit", f"{account.count} posts", str(failure)[:60]))
                continue
            handled += count
            if count + lost[mod] != account.count or (not lost[mod] and total != account.sum):
                text = f"{count} handled, {lost[mod]} lost, sum {total}"
                self.differences.append((f"{mod}: posts", f"{account.count}, sum {account.sum}", text))
            if disorder:
                self.differences.append((f"{mod}: posts out of order", "0", str(disorder)))
        self.data["posts_handled"] = handled
        self.data["posts_lost"] = sum(lost.values())

    def _check_resources(
        self, mods: Mods, at_start: dict[str, resources.Holdings], seats: int, supervisor: int
    ) -> None:
        more = _seats(mods.status()) - seats
        room = 8 * len(self.mods)
        now = {who: resources.of(pid) for who, pid in (("game", os.getpid()), ("supervisor", supervisor))}
        self.differences += resources.differences("game", at_start["game"], _without(now["game"], more))
        self.differences += resources.differences(
            "supervisor", at_start["supervisor"], now["supervisor"], workers=more, ring_mappings=room
        )


def _without(held: resources.Holdings, workers: int) -> resources.Holdings:
    """What the game would hold below it with so many workers less: they are the supervisor's."""
    return resources.Holdings(held.descriptors, held.mappings, held.memory, held.descendants - workers)


def _seats(statuses: list[ModStatus]) -> int:
    """Workers that have a mod."""
    return sum((status.version > 0) + (status.standby > 0) for status in statuses)


def _cpu(supervisor: int) -> dict[str, float]:
    """Seconds of CPU used so far: game, supervisor, and everything on this machine."""
    machine = psutil.cpu_times()
    return {
        "game": sum(psutil.Process().cpu_times()[:2]),
        "supervisor": sum(psutil.Process(supervisor).cpu_times()[:2]),
        "the machine": sum(machine) - machine.idle - machine.iowait - machine.guest - machine.guest_nice,
    }


@contextmanager
def _old_bytes(root: Path, mod: str) -> Iterator[None]:
    """Plant: an older save in a mod's file, written through a mapping, of which inotify says nothing."""
    with (root / f"{mod}.py").open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        old = plan.written(mod, 0, GOOD).encode()
        mapped[: len(old)] = old
        yield  # closing the file would tell


class Writer:
    """A writer process, and what it says."""

    def __init__(self, root: Path, changes: list[Change], start: float) -> None:
        script = str(Path(__file__).with_name("storm_writer.py"))
        self._process = subprocess.Popen(
            [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        rows = [[c.at, c.mod, c.save, c.kind, c.way] for c in changes]
        assert self._process.stdin is not None and self._process.stdout is not None, "both are pipes"
        with self._process.stdin as stdin:
            json.dump({"root": str(root), "start": start, "changes": rows}, stdin)
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def _read(self, stdout: IO[str]) -> None:
        with stdout:
            self._lines.extend(stdout)

    def take(self) -> list[tuple[str, Saved]]:
        """The changes it made since this was asked last."""
        count = len(self._lines)
        lines, self._lines[:count] = self._lines[:count], []
        return [(mod, Saved(save, kind, at)) for mod, save, kind, at in map(json.loads, lines)]

    def busy(self) -> bool:
        """Whether it still writes."""
        return self._process.poll() is None

    def end(self) -> None:
        """Wait for it. Raises FumehoodError when it failed."""
        self._reader.join()
        if status := self._process.wait():
            raise FumehoodError(f"a writer of the storm ended with status {status}")


class Progressing:
    """A bar on stderr, for a person who waits."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description:<14}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
        self._bar = Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal, auto_refresh=False)
        self._next = 0.0

    def __enter__(self) -> "Progressing":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def begin(self, name: str, total: int) -> TaskID:
        """A new phase."""
        return self._bar.add_task(name, total=total)

    def at(self, task: TaskID, done: int) -> None:
        """How far it is; drawn a few times a second, since drawing takes frame time."""
        if (now := time.monotonic()) >= self._next:
            self._next = now + 0.2
            self._bar.update(task, completed=done)
            self._bar.refresh()


def main() -> int:
    """Storm, check, print, and write what `--json` asks for. Returns 1 if anything differs."""
    options = report.parser(__doc__ or "")
    options.add_argument("--seed", type=int, default=1, help="of everything that is drawn at random (default: %(default)d)")
    options.add_argument("--mods", type=int, default=200, help="how many mods, up to 900 (default: %(default)d)")
    options.add_argument("--changes", type=int, default=1200, help="saves in the storm itself (default: %(default)d)")
    options.add_argument("--seconds", type=float, default=55.0, help="give up if not at rest by then (default: %(default)g)")
    options.add_argument("--writers", type=int, default=WRITERS, help="writer processes (default: %(default)d)")
    options.add_argument("--plant", choices=PLANTS, default="", help="make one difference on purpose")
    arguments = options.parse_args()
    if not (1 <= arguments.mods <= 900 and arguments.changes >= 1 and arguments.seconds > 0 and arguments.writers >= 1):
        options.error("--mods has to be from 1 to 900; --changes, --seconds and --writers more than 0")
    busy = report.busy()
    try:
        with tempfile.TemporaryDirectory(prefix="fumehood-storm-") as name, Progressing() as told:
            names = plan.names(arguments.mods)
            deadline = time.monotonic() + arguments.seconds
            writers = min(arguments.writers, arguments.mods)
            storm = Storm(Path(name), names, arguments.changes, deadline, arguments.seed, arguments.plant, writers, told)
            storm.run()
    except FumehoodError as error:
        print(f"reload_storm: {error}", file=sys.stderr)
        return 1
    made = make_report(storm, report.machine(busy, report.busy()))

    def show(to: IO[str]) -> None:
        made.show(to)
        tell_differences(storm.differences, to)

    report.emit(made.document(), arguments.json, show)
    if storm.differences and arguments.json == "-":
        tell_differences(storm.differences, sys.stderr)
    return 1 if storm.differences else 0


def tell_differences(differences: list[Difference], to: IO[str]) -> None:
    """A clear table of what is not as it should be, or that nothing is."""
    if not differences:
        print("\nEverything is as it should be.", file=to)
        return
    print(f"\n{len(differences)} DIFFERENCES", file=to)
    for what, expected, found in differences[:MOST_SHOWN]:
        print(f"  {what:<44} expected {expected}; found {found}", file=to)
    if len(differences) > MOST_SHOWN:
        print(f"  … and {len(differences) - MOST_SHOWN} more", file=to)


def make_report(storm: Storm, machine: dict[str, Any]) -> Report:
    """Reloads, times, frames, CPU."""
    made = Report(f"fumehood: a storm of saves (seed {storm.seed})", machine)
    verdicts = Counter(receipt.verdict for receipt in storm.receipts if receipt.cause == "save")
    others = Counter(f"{receipt.verdict} ({receipt.cause})" for receipt in storm.receipts if receipt.cause != "save")
    live = Spread.of(r.save_to_live_ms for r in storm.receipts if r.save_to_live_ms is not None)
    rows: list[report.Row] = []
    for phase in storm.phases:
        frames = Spread.of(phase.frames.times, 1e3)
        late = phase.frames.late
        rows.append((phase.name, phase.changes, phase.seconds, phase.rest, frames.p50, frames.p99, frames.most, late, frames.count))
    columns = ("", "saves", "s", "then at rest after s", "frame p50 ms", "p99", "max", "late", "frames")
    made.table(f"{len(storm.mods)} mods, {storm.writers} writers", columns, rows)
    counted = [*verdicts.items(), *others.items()]
    made.table("receipts", ("", "count"), counted)
    made.table("save to live, ms", ("p50", "p99", "min", "max", "saves"), [(live.p50, live.p99, live.least, live.most, live.count)])
    data = storm.data
    made.table("posts", ("posted", "handled", "lost", "not sent"),
               [(data["posts"], data["posts_handled"], data["posts_lost"], sum(data["posts_not_sent"].values()))])  # fmt: skip
    made.table("calls", ("ended in", "count"), list(data["calls"].items()))
    made.table("CPU during the storm, cores", ("", "cores"), list(storm.cpu.items()))
    made.data |= {
        "ok": not storm.differences,
        "seed": storm.seed,
        "plant": storm.plant,
        "mods": len(storm.mods),
        "phases": [
            {
                "name": phase.name, "saves": phase.changes, "seconds": round(phase.seconds, 2), "rest_seconds": round(phase.rest, 2),
                "frames": phase.frames.summary(),
            }
            for phase in storm.phases
        ],
        "reloads": verdicts["live"],
        "refused": verdicts["refused"],
        "rolled_back": verdicts["rolled back"],
        "receipts": dict(counted),
        "save_to_live_ms": live.document(),
        "cpu_cores": {who: report.rounded(cores) for who, cores in storm.cpu.items()},
        **data,
        "differences": [{"what": what, "expected": expected, "found": found} for what, expected, found in storm.differences],
        "journal_of_what_differs": _journal(storm),
    }  # fmt: skip
    made.notes.append("Frames count from when each was due; save to live includes the 250 ms that two reloads of a mod keep apart.")
    return made


def _journal(storm: Storm) -> dict[str, list[str]]:
    """Every receipt of the mods that differ: what happened to them, in a line each."""
    blamed = {what.partition(":")[0] for what, _, _ in storm.differences}
    found: dict[str, list[str]] = {}
    for r in storm.receipts:
        if r.mod in blamed:
            why = f": {r.diagnostic.kind}: {r.diagnostic.message}" if r.diagnostic else ""
            line = f"{r.number} at {r.at:.3f} {r.mod}@{r.version} {r.verdict} ({r.cause}) {r.digest[:12]}{why}; {r.live_version} serves"
            found.setdefault(r.mod, []).append(line)
    return found


if __name__ == "__main__":
    sys.exit(main())
