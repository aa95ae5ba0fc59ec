"""`fumehood doctor --attack`: the quick part of the hostile corpus on this machine, and what became of each attack.

The confinement is not asked whether it is there, as `doctor` does, but attacked. Runs in the command's process, which
is the game of that trial.
"""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..shared.exits import Exit
from ..shared.policy import Confinement
from . import corpus, pipes
from .corpus import GOT, Attack
from .proof import prove
from .text import escape as plain
from .trial import FRAME, Result, Trial, trial

BEFORE: Final = 1.0
"""Seconds of frames before the first attack: what they are like without one."""
PROVED: Final = "it succeeds unconfined"
_LOOKS: Final = {"stopped": "green", "conceded": "yellow"}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One attack."""

    attack: str
    wants: str
    proof: str
    """PROVED, or why that could not be shown here."""
    result: Result

    @property
    def held(self) -> bool:
        """Whether it ended as it has to."""
        return self.result.verdict in ("stopped", "conceded")


class Frames(msgspec.Struct, frozen=True, kw_only=True):
    """What the game's frames took, ms, and how many lasted longer than a frame at 60 Hz may."""

    count: int
    p50: float
    p99: float
    worst: float
    over: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What `fumehood doctor --attack` found, and its JSON document."""

    confinement: Confinement
    held: bool
    """Every attack ended as it has to."""
    rows: list[Row]
    frames: Frames
    """While the attacks went on."""
    frames_before: Frames
    """Of the same game, before them."""
    uid: int
    kernel: str


def collect(mode: Confinement, *, every: bool = False) -> Report:
    """Try the quick attacks, or `every` one. Raises MachineError: a layer is missing here; ConfigError; OSError."""
    attacks = [attack for attack in corpus.read() if every or attack.quick]
    with trial(mode) as it:
        it.frames(BEFORE)
        before = _frames(it.spent)
        rows = [_row(it, attack, mode) for attack in attacks]
        return Report(
            confinement=mode,
            held=all(row.held for row in rows),
            rows=rows,
            frames=_frames(it.spent[before.count :]),
            frames_before=before,
            uid=os.geteuid(),
            kernel=f"Linux {os.uname().release} {os.uname().machine}",
        )


def _row(it: Trial, attack: Attack, mode: Confinement) -> Row:
    proof = prove(attack, corpus.kit(), it.host(), root=os.geteuid() == 0)
    it.targets.renew()
    return Row(
        attack=attack.name,
        wants=attack.wants,
        proof=proof.why or PROVED,
        result=it.run(attack, mode),
    )


def _frames(spent: Sequence[float]) -> Frames:
    ordered = sorted(1e3 * each for each in spent) or [0.0]
    count = len(ordered)
    return Frames(
        count=len(spent),
        p50=round(ordered[count // 2], 3),
        p99=round(ordered[min(count - 1, count * 99 // 100)], 3),
        worst=round(ordered[-1], 3),
        over=sum(each > 1e3 * FRAME for each in ordered),
    )


def show(report: Report, json: str | None = None) -> Exit:
    """Print the report, as a table or as one document (`json`: "-" for stdout alone, or a file's path too).

    Raises ConfigError when the file cannot be written. Returns OK when every attack ended as it has to, else FAILED.
    """
    if json is not None and pipes.document(report, json):
        return _code(report)
    console = Console(highlight=False)
    with console.capture() as shown:
        console.print(_table(report))
        for line in _lines(report):
            console.print(line, soft_wrap=True)
    pipes.write(sys.stdout, shown.get())
    return _code(report)


def _code(report: Report) -> Exit:
    return Exit.OK if report.held else Exit.FAILED


def _table(report: Report) -> Table:
    title = f"{len(report.rows)} attacks on this machine, {report.confinement.value} confinement"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in ("attack", "outcome", "ended with", "stopped by"):
        table.add_column(column, overflow="fold")
    for row in report.rows:
        look = _LOOKS.get(row.result.verdict, "bold red")
        layer = "nothing: see SECURITY.md" if row.result.ending == GOT else row.result.layer
        table.add_row(
            row.attack,
            f"[{look}]{row.result.verdict}[/]",
            escape(plain(row.result.ending, 60)),
            escape(layer if row.held else ""),
        )
    return table


def _lines(report: Report) -> list[str]:
    verdicts = Counter(row.result.verdict for row in report.rows)
    bad = [row for row in report.rows if not row.held]
    lines = [f"[bold red]{row.attack}[/]: {escape(row.wants)} {escape(_what(row))}" for row in bad]
    unproved = {row.attack: row.proof for row in report.rows if row.proof != PROVED}
    before, during = report.frames_before, report.frames
    counted = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
    over = f"{during.over} of {during.count} too long"
    return [
        "",
        *lines,
        f"{counted}; {len(report.rows) - len(unproved)} of them were shown to succeed unconfined",
        *(f"not {attack}: {escape(why)}" for attack, why in unproved.items()),
        f"the game's frames meanwhile: {_shown(during)}, {over}; before: {_shown(before)}",
        f"{report.kernel}, uid {report.uid}",
        *(["Please report this privately: SECURITY.md says where."] if bad else []),
    ]


def _shown(frames: Frames) -> str:
    return f"p99 {frames.p99:g} ms, worst {frames.worst:g}"


def _what(row: Row) -> str:
    """Why it does not hold, in words; the mod's own are made harmless."""
    noticed = "; ".join(row.result.noticed)
    return plain(f"It ended with {row.result.ending} ({row.result.said}). {noticed}", 500)
