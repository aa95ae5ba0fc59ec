"""The demo's script as a table: what is done to the mods' files, what has to come of it, and how to tell.

A step is over when the receipts of its mods say so (or its patience ends). Pure but for `Copy`, which writes files.
"""

import difflib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..examples import edits
from ..examples.edits import Edit
from ..shared.states import Verdict
from .records import Receipt

PATIENCE: Final = 8.0
"""Seconds a step may take before it counts as failed. The slowest one, a hang, takes one or two on a busy machine."""

TRICKS: Final = ("read /etc/passwd", "open a socket", "fork", "kill its parent")
"""What the stranger's mod tries, in its own words."""


@dataclass(frozen=True)
class Step:
    """One thing done to the mods, and what has to come of it."""

    name: str
    """Short and unique: the key in the summary."""
    title: str
    """What a person reads when it begins."""
    edits: tuple[Edit, ...]
    expect: dict[str, Verdict]
    """How the last reload of each mod has to end."""
    stages: frozenset[str] = frozenset()
    """Where a failure has to be found; empty: anywhere."""
    most_reloads: int = 1
    """Reloads that may go live while it lasts, per mod."""
    keeps_state: bool = True
    delete: str = ""
    """A file to delete instead of an edit."""
    how: str = "rename"
    """The way of saving: "rename" a temporary file over it, or "truncate" and write."""
    quiet: float = 0.0
    """Seconds without news after which it is over, for steps whose point is that no more follows."""


LIVE, REFUSED, BACK, GONE = Verdict.LIVE, Verdict.REFUSED, Verdict.ROLLED_BACK, Verdict.UNLOADED

SCRIPT: Final = (
    Step("good change", "more rain: one number in the weather's data file", (edits.RAIN,), {"weather": LIVE}),
    Step(
        "migrate",
        "the economy learns about milk: STATE_VERSION 2, with a migrate()",
        (edits.MIGRATE,),
        {"economy": LIVE},
        how="truncate",
    ),
    Step(
        "ten saves at once",
        "the clock is saved ten times within 100 ms",
        tuple(edits.BURST),
        {"clock": LIVE},
        most_reloads=2,
        quiet=0.4,
        how="truncate",
    ),
    Step(
        "exception at import",
        "quests looks up a reward that is not there, at import",
        (edits.IMPORT_ERROR,),
        {"quests": REFUSED},
        stages=frozenset({"import"}),
    ),
    Step(
        "segfault",
        "greeter reads memory address 0",
        (edits.SEGFAULT,),
        {"greeter": BACK},
        stages=frozenset({"run"}),
        how="truncate",
    ),
    Step("endless loop", "wolves never come out of a loop", (edits.LOOP,), {"wolves": BACK}, stages=frozenset({"run"})),
    Step(
        "memory",
        "villagers hoard 16 MiB more every tick",
        (edits.MEMORY,),
        {"villagers": BACK},
        stages=frozenset({"run"}),
    ),
    Step(
        "hostile mod",
        "a stranger's mod: reads /etc/passwd, opens a socket, forks, kills its parent",
        (edits.STRANGER,),
        {"stranger": LIVE},
        keeps_state=False,
    ),
    Step("deleted", "the stranger's file is deleted", (), {"stranger": GONE}, delete="stranger.py", keeps_state=False),
    Step(
        "syntax error",
        "farm: an opening bracket too many",
        (edits.SYNTAX_ERROR,),
        {"farm": REFUSED},
        stages=frozenset({"compile"}),
    ),
    Step(
        "all mended",
        "five mods mended at once, as git checkout does it",
        tuple(edits.CHECKOUT),
        dict.fromkeys(("farm", "quests", "greeter", "wolves", "villagers"), LIVE),
    ),
)


class Copy:
    """The demo's own copy of the sample mods, and an editor's two ways to save."""

    def __init__(self, root: Path, original: Path) -> None:
        self.root = root
        self.original = original

    def save(self, edit: Edit, how: str) -> None:
        """Apply an edit to the original's text and save it over the copy. Raises OSError, ValueError."""
        source = self.original / edit.file
        data = edit.apply(source.read_text(encoding="utf-8") if source.exists() else "").encode()
        target = self.root / edit.file
        if how == "truncate":
            target.write_bytes(data)
            return
        number, temporary = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
        with open(number, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(data)
        os.chmod(temporary, 0o644)  # noqa: PTH101 - beside os.replace, the two calls an editor makes
        os.replace(temporary, target)  # noqa: PTH105 - as above

    def change(self, edit: Edit) -> list[str]:
        """Return the lines that an edit takes away (``- ``) and brings (``+ ``), against what the copy holds now."""
        source, now = self.original / edit.file, self.root / edit.file
        after = edit.apply(source.read_text(encoding="utf-8") if source.exists() else "")
        before = now.read_text(encoding="utf-8") if now.exists() else ""
        lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))
        return [f"{line[0]} {line[1:]}" for line in lines[2:] if line[0] in "+-" and line[1:].strip()]

    def delete(self, file: str) -> None:
        """Raises OSError."""
        (self.root / file).unlink()


@dataclass
class Run:
    """One step under way: feed it the receipts; it knows when it is over and whether it ended as expected."""

    step: Step
    began: float
    """Seconds since the demo began; the same clock in every method."""
    remembered: dict[str, int] = field(default_factory=dict)
    """What each mod of it had counted when the step began."""
    receipts: list[Receipt] = field(default_factory=list)
    tried: dict[str, tuple[bool, str]] = field(default_factory=dict)
    """What the stranger tried: (did it succeed, what it got)."""
    last_news: float = 0.0
    ended: float = 0.0
    wrong: str = ""
    """Why it did not end as expected; empty: it did, or is not over."""

    def saves(self) -> Iterator[tuple[Edit, str]]:
        """Each save of the step, in order: (edit, how)."""
        for edit in self.step.edits:
            yield edit, self.step.how

    def hear(self, receipt: Receipt, now: float) -> bool:
        """Take one receipt; True if it is this step's business. (A new standby built afterwards is nobody's news.)"""
        if receipt.mod not in self.step.expect or receipt.cause == "standby":
            return False
        self.receipts.append(receipt)
        self.last_news = now
        return True

    def hear_trick(self, what: str, ok: bool, got: str, now: float) -> None:
        """Take what the stranger says about one of its tricks."""
        if what in TRICKS:
            self.tried[what] = (ok, got)
            self.last_news = now

    def last(self, mod: str) -> Receipt | None:
        """The newest receipt of a mod in this step that decides anything."""
        decided = [r for r in self.receipts if r.mod == mod and r.verdict != Verdict.SUPERSEDED]
        return decided[-1] if decided else None

    def over(self, now: float) -> bool:
        """Whether it has come to its end; sets `ended`, and `wrong` if the end is another than expected."""
        if self.ended:
            return True
        self.wrong = self._wrong()
        settled = not self.wrong and now >= self.last_news + self.step.quiet
        if settled or now >= self.began + PATIENCE:
            self.ended = now
        return bool(self.ended)

    def _wrong(self) -> str:
        for mod, expected in self.step.expect.items():
            receipt = self.last(mod)
            if receipt is None:
                return f"nothing was heard of {mod}"
            if receipt.verdict != expected:
                return f"{mod}: {receipt.verdict}, expected {expected}"
            if self.step.stages and (receipt.diagnostic is None or receipt.diagnostic.stage not in self.step.stages):
                return f"{mod}: the diagnostic does not say {' or '.join(sorted(self.step.stages))}"
            lives = sum(r.mod == mod and r.verdict == Verdict.LIVE for r in self.receipts)
            if lives > self.step.most_reloads:
                return f"{mod}: {lives} reloads, expected at most {self.step.most_reloads}"
        if edits.STRANGER in self.step.edits:
            return self._wrong_tricks()
        return ""

    def _wrong_tricks(self) -> str:
        for what in TRICKS:
            if what not in self.tried:
                return f"nothing was heard of its try to {what}"
            ok, got = self.tried[what]
            if ok:
                return f"it could {what}: {got}"
        return ""
