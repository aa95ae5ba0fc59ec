"""A storm of saves over hundreds of mods while a game plays on, and then the books are checked.

    python stress/reload_storm.py                      # 200 mods, 1200 changes, under a minute
    python stress/reload_storm.py --seed 7 --json      # the same storm again; one document on stdout
    python stress/reload_storm.py --plant lost-post    # a fault of which we know: has to end with status 1

Several writer processes change the mods at once, in all the ways files are changed: temporary file and rename, truncate
and write in pieces, delete and create, many renames at one instant. Most saves are good; some do not compile, do not
import, fail their selftest, segfault at import, or loop for ever there. Meanwhile a game of 60 frames a second posts to
the mods, emits to them and calls them. When all has come to rest, a good and then a broken save of some mods is made in
two calm rounds, so that what must be live is known beyond doubt. Then is checked, against what the writers say:

- the disk: each mod's files are those of its last save;
- what is live: its digest, and the save that answers a call, are those of the disk; where the disk is broken, of the
  last good save;
- posts: each mod handled every post exactly once, in order, those lost with a dying worker counted as lost;
- descriptors, mappings, processes and memory of the game and the supervisor: as after the warm-up; and nothing is left
  after the end.

Ends with status 1 and a table if anything differs. Each --plant makes one such difference on purpose: old-bytes writes
an older save over a file so that no event tells of it; lost-post drops one post after counting it; leak-fd opens a
descriptor in the game.
"""

import mmap
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TextIO

import psutil
import report
import storm_check as check
import storm_plan as plan
import storm_resources as resources
from fumehood.runner import FumehoodError, Limits, Mods, Receipt, launch
from fumehood.runner.demo_frames import Frames
from storm_check import Checker, Difference, Held
from storm_game import Game
from storm_hands import Progressing, Writer
from storm_plan import GOOD, Change, Model, Saved
from storm_report import make_report, tell_differences

PLANTS: Final = ("old-bytes", "lost-post", "leak-fd")
LIMITS: Final = Limits(load_timeout=1.0)
"""A save that loops at import holds up others until this is over: the default of 5 s would be most of the storm."""
WRITERS: Final = 4
PACE: Final = 60.0
"""Saves a second. More: the supervisor builds less of them, and the last ones; fewer: a longer storm."""
LOOK_EVERY: Final = 0.3
"""Seconds between two looks whether all is at rest. More often would be what the game's frames are measured by."""


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
    told: Progressing
    differences: list[Difference] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)
    launched: float = 0.0
    closed: float = 0.0
    """Seconds it took."""
    model: Model = field(init=False)
    checker: Checker = field(init=False)
    game: Game = field(init=False)
    posts: check.Account = field(init=False)
    held: Held = field(init=False)
    """In the end."""
    statistics: dict[str, int] = field(init=False)

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
            self.launched = time.monotonic() - began
            self._play(mods, rng, stack)
            closing = time.monotonic()
        self.closed = time.monotonic() - closing
        if self.plant != "leak-fd":
            self.differences += resources.differences("game after the end", empty, resources.of(os.getpid()))

    def _play(self, mods: Mods, rng: random.Random, stack: ExitStack) -> None:
        self.game = game = Game(mods, self.mods, random.Random(rng.random()))
        self.model = Model(self.mods, time.monotonic())
        self.checker = Checker(self.root, self.mods, self.model)
        supervisor = psutil.Process().children()[0].pid
        self._phase("warm-up", game, self._everywhere(dict.fromkeys(self.mods, GOOD)))
        self.differences += self.checker.live(mods)
        at_start = Held.now(mods, supervisor)
        if self.plant == "lost-post":
            game.swallow_at = game.frame + 30
        if self.plant == "leak-fd":
            stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        used, wall = _cpu(supervisor), time.monotonic()
        seconds = min(max(1.0, self.changes / PACE), (self.deadline - time.monotonic()) * 0.6)
        self._phase("storm", game, plan.storm(self.mods, self.changes, seconds, self.writers, rng))
        self.cpu = {who: (now - used[who]) / (time.monotonic() - wall) for who, now in _cpu(supervisor).items()}
        self.differences += self.checker.live(mods)
        victim, *others = self.mods
        some = rng.sample(others, len(others) // 4)
        some += [mod for mod in others if self.model.on_disk(mod).kind != GOOD and mod not in some]
        self._phase("calm: good", game, self._everywhere(dict.fromkeys([victim, *some], GOOD)))
        self.differences += self.checker.live(mods)
        kinds = {mod: rng.choice(["syntax", "import", "selftest"]) for mod in some or [victim]}
        self._phase("calm: broken", game, self._everywhere(kinds))
        self.posts = check.posts(game)
        self.differences += self.posts.differences
        self.held = Held.now(mods, supervisor)
        self.differences += at_start.differences(self.held, len(self.mods))
        if self.plant == "old-bytes":
            stack.enter_context(_old_bytes(self.root, victim))
        self.differences += self.checker.live(mods)
        self.receipts = mods.receipts()
        self.statistics = mods.statistics()

    # ── making changes ────────────────────────────────────────────────────────────────────────────────────────────────

    def _everywhere(self, kinds: dict[str, str]) -> list[list[Change]]:
        return plan.everywhere(self.model.saves(), kinds, self.writers)

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
        began, wanted = time.monotonic(), {mod: self.checker.disk(mod) for mod in self.mods}
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
            calm = calm + 1 if all(seen.get(m) == d for m, d in wanted.items()) and game.mods.settle(0.0) else 0
            return calm >= 2

        game.play(Frames(), at_rest)
        phase.rest = time.monotonic() - began
        if calm < 2:
            late = [s for s in game.mods.status() if wanted.get(s.name) not in (None, s.target)]
            text = ", ".join(s.name for s in late[:5]) or "nothing in particular"
            self.differences.append((f"{phase.name}: at rest in time", "yes", f"no: {text}"))
            return
        self.checker.read_journal(game.mods)
        self.model.rested(time.monotonic())


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


def main() -> int:
    """Storm, check, print, and write what `--json` asks for. Returns 1 if anything differs."""
    options = report.parser(__doc__ or "")
    options.add_argument("--seed", type=int, default=1, help="of all that is drawn at random (default: %(default)d)")
    options.add_argument("--mods", type=int, default=200, help="how many mods, up to 900 (default: %(default)d)")
    options.add_argument("--changes", type=int, default=1200, help="saves in the storm itself (default: %(default)d)")
    options.add_argument("--seconds", type=float, default=55.0, help="give up if not at rest then (%(default)g)")
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
            of_all = arguments.seed, arguments.plant, writers, told
            storm = Storm(Path(name), names, arguments.changes, deadline, *of_all)
            storm.run()
    except FumehoodError as error:
        print(f"reload_storm: {error}", file=sys.stderr)
        return 1
    made = make_report(storm, report.machine(busy, report.busy()))

    def show(to: TextIO) -> None:
        made.show(to)
        tell_differences(storm.differences, to)

    report.emit(made.document(), arguments.json, show)
    if storm.differences and arguments.json == "-":
        tell_differences(storm.differences, sys.stderr)
    return 1 if storm.differences else 0


if __name__ == "__main__":
    sys.exit(main())
