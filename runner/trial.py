"""The hostile corpus against a real supervisor: each attack is loaded as any mod is, in a game that goes on at 60
frames a second beside a well-behaved mod, and is judged from both ends. In the process of whoever tries them.

::

    with trial(Confinement.FULL) as it:
        result = it.run(attack)
        result.verdict      "stopped", "conceded", "ESCAPED", "NOTICED", "OTHERWISE"
"""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import psutil

from ..shared.errors import FumehoodError, ModFailure
from ..shared.policy import Confinement, Limits
from ..shared.removal import go_on, removal
from . import shown
from .corpus import GOT, Attack
from .corpus import kit as read_kit
from .launch import launch
from .records import Receipt
from .targets import Targets

if TYPE_CHECKING:
    from .game import Mods

FRAME: Final = 1 / 60
BUDGET: Final = 1.0
"""Seconds the neighbour has for its frame: more than any machine needs. How long frames took is told, not judged."""
LOADING: Final = 20.0
PATIENCE: Final = 20.0
LIMITS: Final = Limits(hang_after=0.5, load_timeout=2.0)
NEIGHBOUR: Final = "neighbour"
SEEN: Final = "seen"
"""The view that the game publishes in each frame, and the neighbour reads."""
_SHADES: Final = 251
_NEIGHBOURS: Final = f"""
from fumehood.worker import view
def on_frame(n):
    seen = view({SEEN!r})
    return n if seen[0] == seen[-1] == n % {_SHADES} else -1
"""
ECHO: Final = "echo"
"""What is saved after an attack, to see whether it fares as if there had been none."""
EVIL: Final = "evil"
_STRUCK: Final = re.compile(rf"{EVIL}_\w+")
MISTAKES: Final = (
    "AttributeError",
    "ImportError",
    "ModuleNotFoundError",
    "NameError",
    "TypeError",
    "UnboundLocalError",
)
"""Endings that are a mistake in the script, also where the game judges: it did not attack at all."""
_SAYS: Final = """
def _ended():
    try:
        got = attack()
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__), str(error)
    except Exception as error:
        return type(error).__name__, str(error)
    return "got it", repr(got)[:200]
from fumehood.worker import game as _game
{at_load}
def on_attack():
    ending, text = {ended}
    _game.ended(ending=ending, text=text)
def on_ping(): return "pong"
"""

Verdict = Literal["stopped", "conceded", "ESCAPED", "NOTICED", "OTHERWISE"]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one attack."""

    attack: str
    verdict: Verdict
    """stopped: as it has to. conceded: it succeeds, and SECURITY.md says so. ESCAPED: it succeeds, and nobody says so.
    NOTICED: somebody else felt it. OTHERWISE: it ended in a way that nobody expects: an invalid test."""
    ending: str
    said: str
    """In its own words, or the supervisor's."""
    layer: str
    """What had to stop it."""
    noticed: list[str]
    worst_frame_ms: float


class Trial:
    """One game, and the attacks on it, one after the other."""

    def __init__(
        self, mods: "Mods", root: Path, log: Path, targets: Targets, supervisor: psutil.Process, beat: float
    ) -> None:
        """`log`: where the supervisor's goes; `beat`: seconds from frame to frame. Waits for the neighbour. Raises
        FumehoodError."""
        self.mods = mods
        self.targets = targets
        self._root = root
        self.log = log
        self._log_read = 0
        self._supervisor = supervisor
        self._beat = beat
        self._kit = read_kit()
        self._frames = 0
        self.spent: list[float] = []
        """Seconds that each frame took the game."""
        self._endings: list[tuple[str, str]] = []
        self._shown: list[str] = []
        """What the game could show of the last attack: errors, receipts."""
        self._leaving: tuple[str, psutil.Process | None] | None = None
        self._left_over: list[str] = []
        self._unanswered = 0
        mods.wait(NEIGHBOUR, timeout=LOADING)
        self._neighbour = self._status(NEIGHBOUR)
        (self._zygote,) = supervisor.children()

    # ── one attack ────────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self, attack: Attack, mode: Confinement, *, linger: bool = False) -> Result:
        """Let it loose and judge it. `mode`: that of the supervisor. `linger`: do not wait until its mod is gone, which
        is then noticed of the next one. Raises FumehoodError only when the game itself is no more."""
        self._endings.clear()
        first = len(self.spent)
        if attack.planted:
            self._see_off()
        ending, said = self._planted(attack) if attack.planted else self._struck(attack, attack.fate(mode).endings)
        if not linger:
            self._see_off()
        noticed = self._noticed()
        fate = attack.fate(mode)
        verdict: Verdict = "OTHERWISE"
        if ending in fate.endings:
            verdict = "conceded" if ending == GOT else "stopped"
        elif ending == GOT:
            verdict = "ESCAPED"
        if noticed:
            verdict = "NOTICED"
        return Result(
            attack=attack.name,
            verdict=verdict,
            ending=ending,
            said=said,
            layer=fate.layer,
            noticed=noticed,
            worst_frame_ms=1e3 * max(self.spent[first:], default=0.0),
        )

    def frames(self, seconds: float, done: Callable[[], object] = lambda: False) -> bool:
        """Let the game go on until `done()`. Returns whether it was, within `seconds`."""
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                return False
            self._frame()
        return True

    def host(self) -> dict[str, Any]:
        """What a script finds as HOST."""
        return self.targets.described() | {
            "game": psutil.Process().pid,
            "supervisor": self._supervisor.pid,
            "zygote": self._zygote.pid,
            "mods": str(self._root),
        }

    def sound(self) -> bool:
        """Whether a mod that comes now fares as well as the neighbour: it goes live, and reads what the game publishes.

        If not, an attack has harmed those who come later, and what they do proves nothing.
        """
        since, path = self._newest(), self._root.joinpath(f"{ECHO}.py")
        path.write_text(_NEIGHBOURS)
        try:
            self.frames(LOADING, lambda: ECHO in self.mods or self._bad(ECHO, since))
            self._frame()
            answer = self.mods[ECHO].call_outcome("frame", self._frames, timeout=BUDGET)
            return bool(answer.value == self._frames)
        except KeyError:  # it is not there
            return False
        finally:
            path.unlink()
            self._gone(ECHO, lambda: ECHO not in self.mods)

    def footprint(self) -> tuple[int, int]:
        """What the supervisor holds once it is at rest: descriptors, and bytes of memory of its own."""
        self._see_off()
        self.mods.settle(timeout=PATIENCE)
        return self._supervisor.num_fds(), self._supervisor.memory_full_info().uss

    # ── the inside ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _struck(self, attack: Attack, endings: tuple[str, ...]) -> tuple[str, str]:
        """As a mod: (ending, what was said of it)."""
        name = f"{EVIL}_{attack.name.replace('/', '_')}"  # again the same for the same attack: a name costs descriptors
        since = self._newest()
        worker: psutil.Process | None = None
        self._root.joinpath(f"{name}.py").write_text(self._text(attack))
        try:
            self.frames(LOADING, lambda: self._receipt(name, since))
            receipt = self._receipt(name, since)
            if receipt is None:
                return "nothing", f"no verdict within {LOADING:g} s"
            if receipt.verdict != "live":
                return _why(receipt)
            worker = self._worker(name)
            ending = self._let_loose(attack, name, since, "answers" in endings)
            return self._again(attack, name, receipt, "answers" in endings) if attack.has_after else ending
        finally:
            self._see_off()
            self._root.joinpath(f"{name}.py").unlink()
            self._leaving = name, worker
            self._look_at(since)

    def _look_at(self, since: int) -> None:
        """What the receipts say: what a person would be shown, and that no neighbour's file is blamed."""
        for each in self.mods.receipts(since):
            self._shown += shown.texts(each)
            file = each.diagnostic.file if each.diagnostic is not None else ""
            if each.mod.startswith(EVIL) and file.partition(".")[0] == NEIGHBOUR:
                self._left_over.append(f"what {each.mod} did is blamed on {file}")

    def _see_off(self) -> None:
        """Wait until the mod of the last one is gone, and its worker."""
        if self._leaving is None:
            return
        (name, worker), self._leaving = self._leaving, None
        self._gone(name, lambda: name not in self.mods)
        if worker is not None and not self.frames(PATIENCE, lambda: not worker.is_running()):
            self._left_over.append(f"the process of {name} outlived its mod")

    def _gone(self, name: str, gone: Callable[[], bool]) -> None:
        """Its files are gone: it has to go, whatever it likes."""
        if not self.frames(PATIENCE, gone):
            self._left_over.append(f"{name} did not go within {PATIENCE:g} s")

    def _again(self, attack: Attack, name: str, first: Receipt, may_answer: bool) -> tuple[str, str]:
        """Its second half, as a new version of the mod. `first`: of the one before."""
        since = self._newest()
        self._root.joinpath(f"{name}.py").write_text(self._text(attack, "attack = after\n"))
        self.frames(LOADING, lambda: self._receipt(name, since, first.digest))
        receipt = self._receipt(name, since, first.digest)
        if receipt is None:
            return "nothing", f"no second verdict within {LOADING:g} s"
        if receipt.verdict != "live":
            return _why(receipt)
        return self._let_loose(attack, name, receipt.number, may_answer)

    def _let_loose(self, attack: Attack, name: str, since: int, may_answer: bool) -> tuple[str, str]:
        """The live mod: (ending, what was said of it). `may_answer`: whether it may go on after it."""
        self._endings.clear()
        epoch = self.mods[name].epoch
        with contextlib.suppress(ModFailure):  # it may be gone already: its receipt says why
            self.mods[name].post("attack")
        self.frames(attack.seconds, lambda: self._endings or self._bad(name, since))
        if attack.judged == "game":
            tell = {*MISTAKES, *attack.full.endings, *attack.reduced.endings} - {GOT}
            told = [each for each in self._endings if each[0] in tell]  # a mistake in the script, or what stopped it
            return told[0] if told else self._judged(name, since, epoch, may_answer)
        if (bad := self._bad(name, since)) is not None:
            return _why(bad)
        return self._endings[0] if self._endings else ("nothing", f"nothing was heard for {attack.seconds:g} s")

    def _judged(self, name: str, since: int, epoch: int, may_answer: bool) -> tuple[str, str]:
        """Where it cannot know: whether it, or what came after it, answers again, and what was said of it meanwhile.
        `epoch`: that of its worker; `may_answer`: whether it may go on, or has to end."""

        def answers() -> bool:
            try:
                return bool(self.mods[name].call("ping", timeout=0.25) == "pong")
            except FumehoodError as error:
                self._shown += [str(error), getattr(error, "kind", ""), getattr(error, "traceback", "")]
                return False
            except KeyError:
                return False

        if not may_answer:  # what is to end it may take longer than its next answer
            self.frames(PATIENCE / 4, lambda: self._bad(name, since))
        self.frames(PATIENCE, lambda: self._bad(name, since) or answers())
        if self.mods[name].epoch != epoch:  # its successor may answer sooner than is told what it succeeds
            self.frames(PATIENCE, lambda: self._bad(name, since))
        if (bad := self._bad(name, since)) is not None:
            return _why(bad)
        return ("answers", "it goes on") if answers() else ("nothing", f"no answer for {PATIENCE:g} s")

    def _planted(self, attack: Attack) -> tuple[str, str]:
        """By what lies in the mods folder."""
        if attack.needs_root and os.geteuid() != 0:
            return attack.full.endings[0], "only root can plant it"
        since = self._newest()
        program = f"HOST = {self.host()!r}\n{self._kit}{attack.text}\nplant(HOST['mods'])\n"
        before = set(self._root.iterdir())
        done = subprocess.run(
            [sys.executable, "-I", "-c", program], capture_output=True, timeout=PATIENCE, check=False, cwd="/"
        )
        try:
            if done.returncode:
                return "not planted", done.stderr.decode(errors="replace")[-500:]
            self.mods.settle(timeout=PATIENCE)
            self.frames(attack.seconds, lambda: self._planted_receipt(since))
            self.mods.settle(timeout=PATIENCE)
            receipt = self._planted_receipt(since)
            if receipt is None:
                return "ignored", "there is no such mod"
            try:  # also where it was refused: what was live before is back, or it has changed again
                value = self.mods[receipt.mod].call("attack", timeout=min(attack.seconds, 1.0))
            except (KeyError, ModFailure) as error:
                value = str(error)
            if self.targets.words in str(value):
                return GOT, repr(value)[:200]
            return ("live", repr(value)[:200]) if receipt.verdict == "live" else _why(receipt)
        finally:
            for left in set(self._root.iterdir()) - before:
                _remove(left)
            self.mods.settle(timeout=PATIENCE)
            self._gone(EVIL, lambda: not any(name.startswith(EVIL) for name in self.mods))
            self._look_at(since)
            self._listen()

    def _listen(self) -> None:
        """Whether what is saved after it is still noticed, without being asked for: `settle` looks at the folder."""
        path = self._root.joinpath(f"{ECHO}.py")
        path.write_text("def on_ping(): return 'pong'\n")
        if not self.frames(PATIENCE, lambda: ECHO in self.mods):
            self._left_over.append(f"what was saved after it was not noticed within {PATIENCE:g} s")
        path.unlink()
        self._gone(ECHO, lambda: ECHO not in self.mods)

    def _planted_receipt(self, since: int) -> Receipt | None:
        """The first verdict on `evil`; or on something planted whose name only begins so, to see how that is shown."""
        receipts = [
            each
            for each in self.mods.receipts(since)
            if each.mod.startswith(EVIL)
            # Of what was planted before: late, or it serves again in place of what was refused just now.
            and each.verdict != "unloaded"
            and each.cause != "recovery"
        ]
        exact = (each for each in receipts if each.mod == EVIL)
        return next(exact, None) or next((each for each in receipts if not _STRUCK.fullmatch(each.mod)), None)

    def _text(self, attack: Attack, more: str = "") -> str:
        """The script as a mod. `more`: what stands below it."""
        said = _SAYS.format(
            at_load="_before = _ended()" if attack.at_load else "", ended="_before" if attack.at_load else "_ended()"
        )
        limits = "".join(f"# {name} = {value!r}\n" for name, value in attack.limits.items())
        block = f"# /// script\n# [tool.fumehood.limits]\n{limits}# ///\n" if limits else ""
        return f"{block}HOST = {self.host()!r}\n{self._kit}\n{attack.text}\n{more}{said}"

    def _frame(self) -> None:
        """One of the game's."""
        began = time.perf_counter()
        self._frames += 1
        self.mods.publish(SEEN, bytes([self._frames % _SHADES]) * 4096)
        report = self.mods.emit("frame", self._frames, budget=BUDGET)
        if report.results.get(NEIGHBOUR) != [self._frames]:
            self._unanswered += 1
        for intent in self.mods.intents():
            if intent.name == "ended" and intent.mod.startswith(EVIL):
                self._endings.append((str(intent.fields.get("ending")), str(intent.fields.get("text"))))
        spent = time.perf_counter() - began
        self.spent.append(spent)
        time.sleep(max(0.0, self._beat - spent))  # the beat of a game, not a wait for something

    def _noticed(self) -> list[str]:
        """What others felt of the last one, a line each."""
        found = self.targets.noticed() + self._left_over
        self._left_over.clear()
        now = self._status(NEIGHBOUR)
        if (now.epoch, now.pid) != (self._neighbour.epoch, self._neighbour.pid):
            found.append("the neighbour was started anew")
            self._neighbour = now
        if self._unanswered:
            found.append(f"the neighbour did not answer, or read something else, in {self._unanswered} frames")
            self._unanswered = 0
        if not self._zygote.is_running():
            found.append("the zygote was killed")
        self.mods._link.flush_log()
        with self.log.open("rb") as file:
            file.seek(self._log_read)
            said = file.read()
        self._log_read += len(said)
        text = said.decode(errors="replace")
        found += shown.in_log(text)
        if self.targets.words in text:
            found.append("the secret stands in the log")
        self._shown += [text for status in self.mods.status() for text in shown.texts(status)]
        if odd := shown.odd("".join(self._shown).replace("\t", " ")):
            found.append(f"{odd!a} would be shown by the game")
        self._shown.clear()
        return found

    def _status(self, name: str) -> Any:
        return next(status for status in self.mods.status() if status.name == name)

    def _worker(self, name: str) -> psutil.Process | None:
        """That mod's process; None: it has ended already."""
        try:
            return psutil.Process(self._status(name).pid)
        except (psutil.NoSuchProcess, ValueError, StopIteration):
            return None

    def _newest(self) -> int:
        return max((receipt.number for receipt in self.mods.receipts()), default=0)

    def _receipt(self, name: str, since: int, besides: str = "") -> Receipt | None:
        """The first verdict on what was saved. `besides`: the digest of what was saved before."""
        return next((each for each in self.mods.receipts(since) if each.mod == name and each.digest != besides), None)

    def _bad(self, name: str, since: int) -> Receipt | None:
        """The first that says how it ended, if it did."""
        return next(
            (each for each in self.mods.receipts(since) if each.mod == name and each.diagnostic is not None), None
        )


@contextlib.contextmanager
def trial(mode: Confinement, beat: float = FRAME) -> Iterator[Trial]:
    """A game in that mode, in a folder of its own, for as many attacks as one likes. `beat`: seconds from frame to
    frame. Raises what `launch` raises."""
    with Targets() as targets:
        root, log = targets.place / "mods", targets.place / "log"
        root.mkdir()
        (root / f"{NEIGHBOUR}.py").write_text(_NEIGHBOURS)
        before = set(psutil.Process().children())
        with (
            log.open("ab") as sink,
            launch(root, confinement=mode, limits=LIMITS, log_to=sink.fileno(), reload_interval=0.0) as mods,
        ):
            (supervisor,) = set(psutil.Process().children()) - before
            yield Trial(mods, root, log, targets, supervisor, beat)


def _why(receipt: Receipt) -> tuple[str, str]:
    found = receipt.diagnostic
    return (found.kind, str(found)) if found is not None else (receipt.verdict, receipt.verdict)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        go_on(removal(str(path)), PATIENCE)
    else:
        path.unlink()
