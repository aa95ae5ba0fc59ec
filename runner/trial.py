"""The hostile corpus against a real supervisor: each attack is loaded as any mod is, in a game that goes on at 60
frames a second beside a well-behaved mod, and is judged from both ends. In the process of whoever tries them.

::

    with trial(Confinement.FULL) as it:
        result = it.run(attack)
        result.verdict      "stopped", "conceded", "ESCAPED", "NOTICED", "OTHERWISE"
"""

import contextlib
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
EVIL: Final = "evil"
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

    def __init__(self, mods: "Mods", root: Path, log: Path, targets: Targets, supervisor: psutil.Process) -> None:
        """`log`: where the supervisor's goes. Waits for the neighbour. Raises FumehoodError."""
        self.mods = mods
        self.targets = targets
        self._root = root
        self._log = log
        self._log_read = 0
        self._supervisor = supervisor
        self._kit = read_kit()
        self._count = 0
        self._frames = 0
        self.spent: list[float] = []
        """Seconds that each frame took the game."""
        self._endings: list[tuple[str, str]] = []
        self._left_over: list[str] = []
        self._unanswered = 0
        mods.wait(NEIGHBOUR, timeout=LOADING)
        self._neighbour = self._status(NEIGHBOUR)
        (self._zygote,) = supervisor.children()

    # ── one attack ────────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self, attack: Attack, mode: Confinement) -> Result:
        """Let it loose and judge it. `mode`: that of the supervisor. Raises FumehoodError only when the game itself is
        no more."""
        self._count += 1
        self._endings.clear()
        first = len(self.spent)
        ending, said = self._planted(attack) if attack.planted else self._struck(attack)
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

    # ── the inside ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _struck(self, attack: Attack) -> tuple[str, str]:
        """As a mod: (ending, what was said of it)."""
        name = f"{EVIL}{self._count}"
        since = self._newest()
        self._root.joinpath(f"{name}.py").write_text(self._text(attack))
        try:
            self.frames(LOADING, lambda: self._receipt(name, since))
            receipt = self._receipt(name, since)
            if receipt is None:
                return "nothing", f"no verdict within {LOADING:g} s"
            if receipt.verdict != "live":
                return _why(receipt)
            ending = self._let_loose(attack, name, since)
            return self._again(attack, name, receipt) if attack.has_after else ending
        finally:
            self._root.joinpath(f"{name}.py").unlink()
            if not self.frames(PATIENCE, lambda: name not in self.mods):
                self._left_over.append("the mod did not go")

    def _again(self, attack: Attack, name: str, first: Receipt) -> tuple[str, str]:
        """Its second half, as a new version of the mod. `first`: of the one before."""
        since = self._newest()
        self._root.joinpath(f"{name}.py").write_text(self._text(attack, "attack = after\n"))
        self.frames(LOADING, lambda: self._receipt(name, since, first.digest))
        receipt = self._receipt(name, since, first.digest)
        if receipt is None:
            return "nothing", f"no second verdict within {LOADING:g} s"
        return self._let_loose(attack, name, receipt.number) if receipt.verdict == "live" else _why(receipt)

    def _let_loose(self, attack: Attack, name: str, since: int) -> tuple[str, str]:
        """The live mod: (ending, what was said of it)."""
        self._endings.clear()
        epoch = self.mods[name].epoch
        with contextlib.suppress(ModFailure):  # it may be gone already: its receipt says why
            self.mods[name].post("attack")
        self.frames(attack.seconds, lambda: self._endings or self._bad(name, since))
        if attack.judged == "game":
            stopped = [each for each in self._endings if each[0] != GOT]  # a mistake in the script, or what stopped it
            return stopped[0] if stopped else self._judged(name, since, epoch)
        if (bad := self._bad(name, since)) is not None:
            return _why(bad)
        return self._endings[0] if self._endings else ("nothing", f"nothing was heard for {attack.seconds:g} s")

    def _judged(self, name: str, since: int, epoch: int) -> tuple[str, str]:
        """Where it cannot know: whether it, or what came after it, answers again, and what was said of it meanwhile.
        `epoch`: that of its worker."""

        def answers() -> bool:
            try:
                return bool(self.mods[name].call("ping", timeout=0.25) == "pong")
            except (FumehoodError, KeyError):
                return False

        self.frames(PATIENCE, lambda: self._bad(name, since) or answers())
        if self.mods[name].epoch != epoch:  # its successor may answer sooner than is told what it succeeds
            self.frames(PATIENCE, lambda: self._bad(name, since))
        if (bad := self._bad(name, since)) is not None:
            return _why(bad)
        return ("answers", "it goes on") if answers() else ("nothing", f"no answer for {PATIENCE:g} s")

    def _planted(self, attack: Attack) -> tuple[str, str]:
        """By what lies in the mods folder."""
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
            self.frames(attack.seconds, lambda: self._receipt(EVIL, since))
            receipt = self._receipt(EVIL, since)
            if receipt is None:
                return "ignored", "there is no such mod"
            if receipt.verdict != "live":
                return _why(receipt)
            try:
                value = self.mods[EVIL].call("attack", timeout=attack.seconds)
            except ModFailure as error:
                return "live", str(error)
            return (GOT if self.targets.words in str(value) else "live"), repr(value)[:200]
        finally:
            for left in set(self._root.iterdir()) - before:
                _remove(left)
            self.mods.settle(timeout=PATIENCE)
            self.frames(PATIENCE, lambda: EVIL not in self.mods)

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
        time.sleep(max(0.0, FRAME - spent))  # the beat of a game, not a wait for something

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
        with self._log.open("rb") as file:
            file.seek(self._log_read)
            said = file.read()
        self._log_read += len(said)
        if any((byte < 0x20 and byte != 0x0A) or byte == 0x7F for byte in said):
            found.append("control characters reached the log")
        if self.targets.words.encode() in said:
            found.append("the secret stands in the log")
        return found

    def _status(self, name: str) -> Any:
        return next(status for status in self.mods.status() if status.name == name)

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
def trial(mode: Confinement) -> Iterator[Trial]:
    """A game in that mode, in a folder of its own, for as many attacks as one likes. Raises what `launch` raises."""
    with Targets() as targets:
        root, log = targets.place / "mods", targets.place / "log"
        root.mkdir()
        (root / f"{NEIGHBOUR}.py").write_text(_NEIGHBOURS)
        before = set(psutil.Process().children())
        with (
            log.open("wb") as sink,
            launch(root, confinement=mode, limits=LIMITS, log_to=sink.fileno(), reload_interval=0.0) as mods,
        ):
            (supervisor,) = set(psutil.Process().children()) - before
            yield Trial(mods, root, log, targets, supervisor)


def _why(receipt: Receipt) -> tuple[str, str]:
    found = receipt.diagnostic
    return (found.kind, str(found)) if found is not None else (receipt.verdict, receipt.verdict)


def _remove(path: Path) -> None:
    from ..shared.removal import go_on, removal

    if path.is_dir() and not path.is_symlink():
        go_on(removal(str(path)), PATIENCE)
    else:
        path.unlink()
