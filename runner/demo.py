"""``fumehood demo``: a village at 60 frames a second whose mods are edited, broken and attacked while it runs.

::

    SCRIPT (demo_steps) ── saves ──▶ copy of the mods ──▶ supervisor, workers
                                                              │ receipts
    Game.frame, 60 a second:  emit tick ▸ intents ▸ calls ▸ receipts ▸ one panel (demo_view)

One thread does all of it, and a frame's time is that of everything in it (demo_frames). Nothing is staged: what the
screen says is what receipts, calls and intents said.
"""

import contextlib
import importlib.resources
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final, TextIO

from rich.console import Console
from rich.text import Text

from .. import examples
from ..examples.edits import Edit
from ..shared.errors import ConfigError, MachineError, ModCrashed, ModFailure, ModTimeout, SupervisorDied
from ..shared.policy import Confinement, Limits
from ..shared.states import Verdict
from . import Mods, launch, pipes
from .demo_frames import PERIOD, RATE, Frames
from .demo_report import Result, how
from .demo_steps import SCRIPT, Copy, Run, Step
from .demo_view import Row, Scene, Screen, open_screen, save_picture, take_picture
from .demo_world import WIDTH, Village
from .records import Receipt
from .text import escape

LIMITS: Final = Limits(hang_after=0.5, memory=96 * 2**20, resident=64 * 2**20)
"""Half of the defaults and less, so that a hang and a leak come to their end while one watches."""

BUDGET: Final = 0.004
PATIENCE: Final = 0.002
MEETING: Final = 0.01
"""Seconds of a frame (16.7 ms) that all mods together may take; a single call; and one that may end in a crash: the
kernel takes some milliseconds to take a dead process apart, and only then is the answer ModCrashed."""

LOOK_EVERY: Final = 3
STATUS_EVERY: Final = 30
MEETING_EVERY: Final = 24
"""Frames between two looks for receipts, two readings of the table, two people who meet at the well."""

GRACE: Final = 20.0
"""Seconds beyond `seconds` after which the demo ends although steps are left: a machine far too slow for it."""

ITEMS: Final = ("wheat", "wool", "iron")
PEOPLE: Final = ("Ann", "Bob", "Eve")


class Game:
    """The village, its mods and the script, frame by frame."""

    def __init__(self, mods: Mods, copy: Copy, scene: Scene, screen: Screen, *, pictured: bool) -> None:
        self.mods = mods
        self.copy = copy
        self.scene = scene
        self.screen = screen
        self.frames = scene.frames
        self.village = scene.village
        self.began = time.monotonic()
        self.receipts: list[Receipt] = []
        self.seen = 0
        self.runs: list[Run] = []
        self.saves: Iterator[tuple[Edit, str]] = iter(())
        self.saving = False
        self.next_step = 0.0
        self.pause = max(0.25, scene.seconds / (len(SCRIPT) + 1))
        self.sky = ("", 0.0)
        self.told: set[str] = set()
        """Kinds of failed calls told in this step: once is enough."""
        self.picture: Console | None = None
        self._pictured = pictured

    @property
    def now(self) -> float:
        return time.monotonic() - self.began

    def play(self) -> None:
        """Until the script is through and the time is up."""
        self.next_step = self.pause / 2
        while True:
            now = self.now
            finished = len(self.runs) == len(SCRIPT) and self.runs[-1].ended
            if now >= self.scene.seconds and (finished or now >= self.scene.seconds + GRACE):
                return
            self.frames.wait()
            self.frame()
            self.frames.done()

    def frame(self) -> None:
        """One frame: the mods' turn, the world's, the script's, the screen's."""
        scene = self.scene
        scene.frame += 1
        scene.now = self.now
        report = self.mods.emit("tick", PERIOD, budget=BUDGET)
        for mod, failure in report.failed.items():
            self.tell_failure(f"tick in {mod}", failure)
        for intent in self.mods.intents():
            if intent.mod == "stranger":
                self.hear_stranger(intent.name, intent.fields)
            else:
                self.village.apply(intent.mod, intent.name, intent.fields)
        self.talk()
        self.probe()
        if scene.frame % LOOK_EVERY == 0:
            self.look()
        if scene.frame % STATUS_EVERY == 1:
            self.read_table()
        self.direct()
        self.screen.frame()

    # ── what the game asks of its mods ────────────────────────────────────────────────────────────────────────────────

    def talk(self) -> None:
        """Post what happened, ask what things cost, let two people meet."""
        village = self.village
        for who in village.arrived:
            self.post("quests", "arrived", who)
        village.arrived.clear()
        for _ in range(village.harvests):
            self.post("economy", "sold", "wheat")
        village.harvests = 0
        if self.sky != (village.sky, village.strength):
            self.sky = (village.sky, village.strength)
            self.post("farm", "rain", village.strength if village.sky == "rain" else 0.0)
        for mod, text in village.said:
            self.say(f"{mod}: {text}")
        village.said.clear()
        frame = self.scene.frame
        if frame % 10 == 0:
            item = ITEMS[frame // 10 % len(ITEMS)]
            price = self.call("economy", "price", item)
            if isinstance(price, float):
                self.scene.prices[item] = price
        if frame % MEETING_EVERY == 0:
            words = self.call("greeter", "greet", PEOPLE[frame // MEETING_EVERY % len(PEOPLE)], timeout=MEETING)
            if isinstance(words, str) and frame % (MEETING_EVERY * 5) == 0:
                self.say(f"greeter: {words}")

    def probe(self) -> None:
        """Call one mod a frame, each in turn: how long a call takes, and what its state has counted."""
        rows = self.scene.rows
        if not rows:
            return
        name = sorted(rows)[self.scene.frame % len(rows)]
        if rows[name].version == 0 or name not in self.mods:
            return
        outcome = self.mods[name].call_outcome("report", timeout=PATIENCE)
        if outcome.error is None and isinstance(outcome.value, int):
            rows[name].calls.append(outcome.seconds * 1e6)
            rows[name].ticks = outcome.value
        elif outcome.error is not None:
            self.tell_failure(f"call to {name}", outcome.error)

    def call(self, mod: str, event: str, *args: Any, timeout: float = PATIENCE) -> Any:
        """The value, or None; every failure is told on the screen."""
        try:
            return self.mods[mod].call(event, *args, timeout=timeout)
        except ModFailure as failure:
            self.tell_failure(f"{event} of {mod}", failure)
            return None

    def post(self, mod: str, event: str, *args: Any) -> None:
        try:
            self.mods[mod].post(event, *args)
        except ModFailure as failure:
            self.tell_failure(f"{event} of {mod}", failure)

    def tell_failure(self, what: str, failure: ModFailure) -> None:
        """A crash is always told; a kind of other failure once a step."""
        kind = type(failure).__name__
        if isinstance(failure, ModTimeout) and (
            failure.handing_over
            or not self.runs[-1:]
            or self.runs[-1].ended
            or failure.mod not in self.runs[-1].step.expect
        ):
            return  # a machine that is busy otherwise; the step's own mods are what is looked at
        key = f"{what.rsplit(maxsplit=1)[-1]} {kind}"
        if key in self.told:
            return
        self.told.add(key)
        if isinstance(failure, ModTimeout):  # its patience is 2 ms: worth a word, and no alarm
            self.note("late", f"{what}: no answer yet; the frame goes on")
        else:
            self.note("call", f"{what}: {kind}" + "; the frame goes on" * isinstance(failure, ModCrashed))

    # ── what came of it ───────────────────────────────────────────────────────────────────────────────────────────────

    def look(self) -> None:
        """Take the new receipts in."""
        for receipt in self.mods.receipts(since=self.seen):
            self.seen = max(self.seen, receipt.number)
            self.receipts.append(receipt)
            if receipt.cause in ("startup", "standby") or receipt.verdict == Verdict.SUPERSEDED:
                continue
            row = self.scene.rows.setdefault(receipt.mod, Row())
            row.verdict, row.version, row.epoch = receipt.verdict, receipt.live_version, receipt.epoch
            if receipt.verdict == Verdict.UNLOADED:
                del self.scene.rows[receipt.mod]
            self.note(receipt.verdict if receipt.verdict != Verdict.DOWN else "wrong", how(receipt))
            if receipt.diagnostic is not None:
                self.scene.diagnostic, self.scene.about = receipt.diagnostic, how(receipt).rpartition("; ")[2]
                self.screen.diagnosed(receipt.diagnostic)
            if self.runs:
                self.runs[-1].hear(receipt, self.now)

    def read_table(self) -> None:
        """Read every mod's status."""
        for status in self.mods.status():
            if not status.version and not status.target:
                self.scene.rows.pop(status.name, None)
                continue
            row = self.scene.rows.setdefault(status.name, Row())
            row.version, row.epoch, row.role = status.version, status.epoch, status.role
            row.verdict = row.verdict or ("live" if status.version else "")

    def hear_stranger(self, name: str, fields: dict[str, Any]) -> None:
        match name, fields:
            case "tried", {"what": str(what), "ok": bool(ok), "got": str(got)} if self.runs:
                got = escape(got, 120)
                self.note("wrong" if ok else "denied", f"stranger tries to {escape(what, 40)}: {got}")
                self.runs[-1].hear_trick(what, ok, got, self.now)
            case _:
                self.village.nonsense += 1

    # ── the script ────────────────────────────────────────────────────────────────────────────────────────────────────

    def direct(self) -> None:
        """Go on with the step under way, or begin the next one when it is due."""
        now = self.now
        if self.runs and not self.runs[-1].ended:
            self.save_some()
            if not self.saving and self.runs[-1].over(now):
                self.end_step(self.runs[-1], now)
        elif len(self.runs) < len(SCRIPT) and now >= self.next_step:
            self.begin(SCRIPT[len(self.runs)], now)

    def begin(self, step: Step, now: float) -> None:
        remembered = {mod: self.scene.rows[mod].ticks for mod in step.expect if mod in self.scene.rows}
        run = Run(step, began=now, remembered=remembered, last_news=now)
        self.runs.append(run)
        self.told.clear()
        self.scene.step, self.scene.title = len(self.runs), step.title
        self.note("edit", step.title)
        self.saves, self.saving = run.saves(), True
        if step.delete:
            self.scene.saved, self.scene.change = f"{step.delete} deleted", []
            self.copy.delete(step.delete)
        else:
            files = " ".join(dict.fromkeys(edit.file for edit in step.edits))
            self.scene.saved, self.scene.change = f"saved {files}", self.copy.change(step.edits[-1])
        self.save_some()

    def save_some(self) -> None:
        """Two saves a frame: ten of them within 100 ms, and no frame pays for all."""
        if not self.saving:
            return
        for _ in range(2 if len(self.runs[-1].step.expect) == 1 else len(self.runs[-1].step.edits)):
            save = next(self.saves, None)
            if save is None:
                self.saving = False
                return
            self.copy.save(*save)
            self.runs[-1].last_news = self.now

    def end_step(self, run: Run, now: float) -> None:
        """Check what receipts cannot tell, say how it ended, and plan the next step."""
        if not run.wrong:
            run.wrong = self.wrong_in_the_mods(run)
        self.read_table()
        carried = [
            f"{mod} {before:,} → {self.scene.rows[mod].ticks:,}"
            for mod, before in run.remembered.items()
            if run.step.keeps_state and mod in self.scene.rows
        ]
        if run.wrong:
            self.note("wrong", f"{run.step.name}: {run.wrong}")
        else:
            self.note("ok", "as expected" + (f"; ticks in its state: {', '.join(carried)}" if carried else ""))
        if self._pictured and run.step.name == "syntax error":
            self.picture = take_picture(self.scene)
        left = len(SCRIPT) - len(self.runs)
        pause = (self.scene.seconds - now) / (left + 1) if left else 0.0
        self.next_step = now + max(0.25, min(self.pause, pause))

    def wrong_in_the_mods(self, run: Run) -> str:
        """Ask the mods themselves: is the state there, do the last bytes answer?"""
        for mod, before in run.remembered.items():
            if not run.step.keeps_state or mod not in self.mods:
                continue
            outcome = self.mods[mod].call_outcome("report", timeout=1.0)
            if outcome.error is not None:
                return f"{mod} does not answer: {outcome.error}"
            self.scene.rows[mod].ticks = outcome.value
            if outcome.value < before:
                return f"{mod} has lost state: {before} ticks before, {outcome.value} after"
        if run.step.name == "ten saves at once":
            bell = self.mods["clock"].call("bell", timeout=1.0)
            if "10 of 10" not in str(bell):
                return f"the last save is not what answers: {bell!r}"
        return ""

    def say(self, text: str) -> None:
        """Let it stand under the map for two seconds."""
        self.scene.said, self.scene.said_until = escape(text, WIDTH - 6), self.scene.frame + 2 * RATE

    def note(self, kind: str, text: str) -> None:
        self.scene.feed.append((self.scene.now, kind, text))
        self.screen.event(self.scene.now, kind, text)


@contextlib.contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the demo as Ctrl-C does: with its summary, and the terminal given back."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _stderr_held_back() -> Iterator[None]:
    """Keep the supervisor's log lines, which go to our stderr, out of the picture; print them when it is over."""
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            kept.seek(0)
            os.write(2, kept.read())


def show(result: Result, out: TextIO) -> None:
    """Print the summary."""
    console = Console(file=out, highlight=False, soft_wrap=True)
    with console.capture() as shown:
        console.print()
        for line in result.lines():
            style = "bold red" if line.startswith(("NOT", "ENDED")) else ""
            console.print(Text(line, style))
    pipes.write(out, shown.get())


def play(*, seconds: float, plain: bool, confinement: Confinement, picture: Path | None, out: TextIO) -> Result:
    """Run the demo in this process; return what it came to. Writes to `out`, and the picture if asked for.

    Raises MachineError when this machine cannot confine mods, ConfigError when the picture cannot be written.
    """
    scene = Scene(Village(), Frames(), seconds, str(confinement), steps=len(SCRIPT))
    game: Game | None = None
    drawn = interrupted = False
    trouble = ""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fumehood-demo-")))
        original = stack.enter_context(importlib.resources.as_file(importlib.resources.files(examples) / "mods"))
        shutil.copytree(original, folder / "mods", ignore=shutil.ignore_patterns("__pycache__"))
        stack.enter_context(_ending_on_sigterm())
        try:
            if not plain:
                stack.enter_context(_stderr_held_back())
            with (
                launch(folder / "mods", confinement=confinement, limits=LIMITS, log_level="error") as mods,
                contextlib.closing(open_screen(scene, out, plain=plain)) as screen,
            ):
                drawn = screen.drawn
                scene.frames = Frames()  # the first frame is due now
                game = Game(mods, Copy(folder / "mods", original), scene, screen, pictured=picture is not None)
                game.play()
        except KeyboardInterrupt:
            interrupted = True
        except SupervisorDied as error:
            trouble = str(error)
        except MachineError as error:
            if confinement is not Confinement.FULL:
                raise
            weaker = "To see it with weaker confinement: fumehood demo --confinement reduced"
            raise MachineError(f"{error}\n{weaker}") from error
    result = Result(
        seconds=scene.now,
        confinement=str(confinement),
        mods=len(scene.rows),
        runs=game.runs if game else [],
        receipts=game.receipts if game else [],
        frames=scene.frames,
        drawn=drawn,
        interrupted=interrupted,
        trouble=trouble,
    )
    show(result, out)
    if picture is not None and game is not None and game.picture is not None:
        try:
            save_picture(game.picture, picture)
        except OSError as error:
            raise ConfigError(f"--svg {picture}: cannot be written: {error.strerror}") from None
    return result
