"""How the demo looks: panels drawn with rich, one of them a frame, so that drawing fits in the frame that is measured.

A whole screen costs rich some milliseconds, so each frame redraws the one panel whose turn it is; the map comes round
most often. What is large is handed to rich as `Rows`, cut to size: as tables and texts, which it measures and wraps,
the same panels took four times as long. Only rich's own calls write to the terminal.

Rejected: a thread for drawing (it takes the interpreter lock from the game for up to 5 ms at a time) and a process for
drawing (its work would be missing from the frame times).
"""

import io
import textwrap
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TextIO

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from ..shared.messages import Diagnostic
from ..shared.states import Verdict
from . import pipes
from .demo_frames import PERIOD, Frames, quantile
from .demo_world import HEIGHT, WIDTH, Village

WIDE: Final = (124, 34)
MIDDLE: Final = (100, 30)
SMALL: Final = (78, 22)
"""Least columns and lines of a terminal for the whole screen, for one with the map and a shorter table, and for one
without the map. On anything smaller there are lines."""

PICTURE: Final = (132, 37)
"""Columns and lines of the picture for the README."""

VERDICTS: Final[dict[str, str]] = {
    Verdict.LIVE: "green",
    Verdict.REFUSED: "yellow",
    Verdict.ROLLED_BACK: "bright_magenta",
    Verdict.UNLOADED: "blue",
    Verdict.DOWN: "red",
}
COLUMNS: Final = {"mod": 12, "epoch": 5, "role": 8, "last verdict": 12, "ticks kept": 10, "µs/call": 7}
FIRST: Final = ("mod", "last verdict", "µs/call", "ticks kept", "role", "epoch")
"""Columns in the order in which they are given up last, where the table is narrow."""
FIGURES: Final = frozenset({"epoch", "ticks kept", "µs/call"})
FAINT: Final = Style.parse("bright_black")
BOLD: Final = Style.parse("bold")
PLAIN: Final = Style.parse("default")
FEED_INDENT: Final = 8
INDENT: Final = Segment(" " * FEED_INDENT)
MARKS: Final = {
    "edit": ("✎", "bold cyan"),
    "live": ("✔", "green"),
    "refused": ("✘", "yellow"),
    "rolled back": ("↩", "bright_magenta"),
    "unloaded": ("-", "blue"),
    "denied": ("⊘", "yellow"),
    "ok": ("✔", "bold green"),
    "wrong": ("✘", "bold red"),
    "call": ("!", "red"),
    "late": ("·", "bright_black"),
}


@dataclass
class Row:
    """One mod in the table."""

    version: int = 0
    epoch: int = 0
    role: str = ""
    verdict: str = ""
    ticks: int = 0
    """Ticks it has counted in its `state`: that they go on over a reload shows that the state was carried."""
    calls: deque[float] = field(default_factory=lambda: deque(maxlen=33))
    """Microseconds of its last calls, there and back."""


@dataclass
class Scene:
    """Everything there is to see."""

    village: Village
    frames: Frames
    seconds: float
    confinement: str
    now: float = 0.0
    frame: int = 0
    title: str = "starting"
    step: int = 0
    steps: int = 0
    rows: dict[str, Row] = field(default_factory=dict)
    said: str = ""
    said_until: int = 0
    """What a mod had to say last, and up to which frame it stands under the map."""
    prices: dict[str, float] = field(default_factory=dict)
    feed: deque[tuple[float, str, str]] = field(default_factory=lambda: deque(maxlen=60))
    """(seconds since the start, kind, text)"""
    diagnostic: Diagnostic | None = None
    about: str = ""
    """Whose diagnostic that is, and what came of it."""
    saved: str = ""
    """The file that the demo saved last."""
    change: list[str] = field(default_factory=list)
    """Its lines that went (``- ``) and came (``+ ``)."""


def header(scene: Scene) -> RenderableType:
    line = Table.grid(expand=True)
    line.add_column(ratio=1, no_wrap=True)
    line.add_column(justify="right", no_wrap=True)
    left = Text.assemble(
        (" fumehood demo ", "bold reverse"),
        f"  {scene.now:4.1f} s  ",
        (f"step {scene.step} of {scene.steps}  ", "bright_black"),
        (scene.title, "bold"),
    )
    line.add_row(left, Text("Ctrl-C ends it ", "bright_black"))
    return line


def village(scene: Scene) -> RenderableType:
    world = scene.village
    quest, done, wanted = world.quest
    time = f"{world.hour:02d}:{world.minute:02d}"
    return Panel(
        Rows(world.draw(scene.frame)),
        title=f"village  {time}  {world.sky}",
        subtitle=scene.said if scene.frame < scene.said_until else f"{quest} {done}/{wanted}" if quest else None,
        width=WIDTH + 2,
        height=HEIGHT + 2,
        padding=0,
        border_style="blue" if world.night else "green",
    )


def mods(scene: Scene, width: int) -> RenderableType:
    """The table; `width` is the panel's."""
    shown, left = set(), width - 4
    for name in FIRST:
        left -= COLUMNS[name] + 1
        if left >= -1:  # the last one needs no space after it
            shown.add(name)
    rows = [[Segment(_cell(name, name), FAINT) for name in COLUMNS if name in shown]]
    for name, row in sorted(scene.rows.items()):
        version = f"@{row.version}"
        micro = f"{quantile(list(row.calls), 0.5):.0f}" if row.calls else "-"
        cells = {
            "epoch": Segment(_cell("epoch", str(row.epoch))),
            "role": Segment(_cell("role", row.role), Style.parse("green" if row.role == "active" else "yellow")),
            "last verdict": Segment(
                _cell("last verdict", row.verdict), Style.parse(VERDICTS.get(row.verdict, "default"))
            ),
            "ticks kept": Segment(_cell("ticks kept", f"{row.ticks:,}")),
            "µs/call": Segment(_cell("µs/call", micro)),
        }
        rows.append(
            [
                Segment(name[: COLUMNS["mod"] - len(version)], BOLD),
                Segment(version.ljust(COLUMNS["mod"] - len(name) + 1), Style.parse("cyan")),
                *(cell for column, cell in cells.items() if column in shown),
            ]
        )
    prices = "  ".join(f"{item} {price:.2f}" for item, price in scene.prices.items())
    title = f"mods, a process each, {scene.confinement} confinement" if width >= 60 else "mods, a process each"
    return Panel(Rows(rows), title=title, subtitle=prices or None, padding=(0, 1))


def _cell(column: str, text: str) -> str:
    """Cut and pad to the column's width, figures to the right, and a space after it."""
    width = COLUMNS[column]
    return (text[:width].rjust(width) if column in FIGURES else text[:width].ljust(width)) + " "


def edit(scene: Scene) -> RenderableType:
    lines = [Text(line, "green" if line.startswith("+") else "red", overflow="ellipsis") for line in scene.change]
    return Panel(
        Text("\n", no_wrap=True, overflow="ellipsis").join(lines[:3]), title=scene.saved or "edit", padding=(0, 1)
    )


def frames(scene: Scene) -> RenderableType:
    recent = scene.frames.times[-600:]
    bars = Text(no_wrap=True)
    for bar, late in scene.frames.bars(WIDTH - 2):
        bars.append(bar, "red" if late else "green")
    figures = (
        f"p50 {quantile(recent, 0.5) * 1e3:4.1f}  p99 {quantile(recent, 0.99) * 1e3:4.1f}  "
        f"max {max(recent, default=0) * 1e3:4.1f} ms  {scene.frames.late} late of {len(scene.frames.times)}"
    )
    return Panel(
        Group(bars, Text(figures, no_wrap=True)), title=f"frame times, of {PERIOD * 1e3:.1f} ms", padding=(0, 1)
    )


def diagnosis(scene: Scene) -> RenderableType:
    found = scene.diagnostic
    if found is None:
        return Panel(Text("nothing has gone wrong yet", "bright_black"), title="diagnostic", padding=(0, 1))
    return Panel(
        Group(*(Text(line, style, overflow="ellipsis", no_wrap=style != "") for line, style in explain(found))),
        title="diagnostic",
        subtitle=scene.about,
        border_style="yellow",
        padding=(0, 1),
    )


def explain(found: Diagnostic) -> list[tuple[str, str]]:
    """Return a diagnostic as lines with their styles: place, source, caret, message. Its text is escaped already."""
    lines = []
    if found.file:
        place = ":".join(str(part) for part in (found.file, found.line, found.column) if part)
        lines.append((f"{place}  at {found.stage}", "bold"))
    for line, number, style in zip(found.excerpt(), (f"{found.line:4d}", " " * 4), ("cyan", "bold red"), strict=False):
        lines.append((f"{number} │ {line}", style))
    lines += [(line, "") for line in found.headline.splitlines()[:4]]
    return lines


def feed(scene: Scene, width: int, lines: int, hint: str = "") -> RenderableType:
    """The last `lines` lines of what happened, as a scrolled terminal shows them; `width` is the panel's."""
    rows: list[list[Segment]] = []
    for at, kind, text in reversed(scene.feed):
        mark, style = MARKS[kind]
        entry = []
        for number, part in enumerate(textwrap.wrap(text, width - 4 - FEED_INDENT)):
            start = [Segment(f"{at:5.1f} ", FAINT), Segment(f"{mark} ", Style.parse(style))]
            body = Segment(part, BOLD if kind == "edit" else FAINT if kind == "late" else PLAIN)
            entry.append([*(start if not number else [INDENT]), body])
        rows[:0] = entry
        if len(rows) >= lines:
            break
    return Panel(Rows(rows[-lines:]), title="events", subtitle=hint or None, padding=(0, 1))


class Rows:
    """Rows that are cut to size already: rich need not measure and wrap them, which is most of what drawing costs."""

    def __init__(self, rows: list[list[Segment]]) -> None:
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for row in self._rows:
            yield from row
            yield Segment.line()


ROUND: Final = ("village", "feed", "header", "village", "mods", "frames", "village", "diagnosis", "header", "edit")
"""Which panel is drawn in which frame, over and over; those that a layout lacks are left out."""


class Face:
    """The layout for one size of terminal, and which panel is drawn in which frame."""

    def __init__(self, scene: Scene, width: int, height: int) -> None:
        self.scene = scene
        self.layout = Layout()
        self._hint = ""
        head, body = Layout(name="header", size=1), Layout()
        if width >= WIDE[0] and height >= WIDE[1]:
            left, right = Layout(size=WIDTH + 2), Layout()
            left.split_column(
                Layout(name="village", size=HEIGHT + 2),
                Layout(name="frames", size=4),
                Layout(name="edit", size=5),
                Layout(name="diagnosis"),
            )
            right.split_column(Layout(name="mods", size=12), Layout(name="feed"))
            body.split_row(left, right)
            self._mods, self._feed = width - WIDTH - 2, (width - WIDTH - 2, height - 15)
            self._panels = frozenset(ROUND)
        elif width >= MIDDLE[0] and height >= MIDDLE[1]:
            above, below, right = Layout(size=HEIGHT + 2), Layout(), Layout()
            right.split_column(Layout(name="mods", size=12), Layout(name="edit"))
            above.split_row(Layout(name="village", size=WIDTH + 2), right)
            below.split_row(Layout(name="diagnosis", size=width * 2 // 5), Layout(name="feed"))
            body.split_column(above, below)
            self._mods, self._feed = width - WIDTH - 2, (width - width * 2 // 5, height - HEIGHT - 5)
            self._panels = frozenset(ROUND) - {"frames"}
        elif width >= SMALL[0] and height >= SMALL[1]:
            above = Layout(size=12)
            above.split_row(Layout(name="mods", size=width // 2), Layout(name="diagnosis"))
            body.split_column(above, Layout(name="feed"))
            self._mods, self._feed = width // 2, (width, height - 15)
            self._panels = frozenset(("header", "mods", "diagnosis", "feed"))
            self._hint = f"enlarge to {MIDDLE[0]} x {MIDDLE[1]} for the map"
        else:  # it was made smaller while it runs
            body.split_column(Layout(name="feed"))
            self._mods, self._feed = 0, (max(20, width), max(1, height - 3))
            self._panels = frozenset(("header", "feed"))
            self._hint = f"enlarge to {SMALL[0]} x {SMALL[1]}"
        self.layout.split_column(head, body)
        self.turns = tuple(name for name in ROUND if name in self._panels)
        for name in self._panels:
            self.fill(name)

    def fill(self, name: str) -> None:
        """Put a panel as it is now into the layout."""
        draw = {"header": header, "village": village, "edit": edit, "frames": frames, "diagnosis": diagnosis}
        if name == "feed":
            panel = feed(self.scene, *self._feed, self._hint)
        elif name == "mods":
            panel = mods(self.scene, self._mods)
        else:
            panel = draw[name](self.scene)
        self.layout[name].update(panel)


class Screen(Protocol):
    """Where the demo shows itself."""

    drawn: bool
    """Whether frames include drawing."""

    def frame(self) -> None:
        """Show what this frame's turn is."""

    def event(self, at: float, kind: str, text: str) -> None:
        """Something was added to the feed."""

    def diagnosed(self, found: Diagnostic) -> None:
        """There is a new diagnostic in the scene."""

    def close(self) -> None:
        """Give the terminal back."""


class FullScreen:
    """A terminal's alternate screen."""

    drawn = True

    def __init__(self, scene: Scene, console: Console) -> None:
        self._scene = scene
        self._console = console
        self._size = console.size
        self._face = Face(scene, *self._size)
        self._live = Live(self._face.layout, console=console, screen=True, auto_refresh=False, transient=True)
        self._live.start(refresh=True)
        self._turn = 0

    def frame(self) -> None:
        self._turn += 1
        if self._turn % 30 == 0 and self._console.size != self._size:
            self._size = self._console.size
            self._face = Face(self._scene, *self._size)
            self._live.update(self._face.layout, refresh=True)
            return
        name = self._face.turns[self._turn % len(self._face.turns)]
        self._face.fill(name)
        self._face.layout.refresh_screen(self._console, name)

    def event(self, at: float, kind: str, text: str) -> None:
        """Its turn to be drawn comes."""

    def diagnosed(self, found: Diagnostic) -> None:
        """Its turn to be drawn comes."""

    def close(self) -> None:
        self._live.stop()


class Lines:
    """Plain lines, for logs and CI."""

    drawn = False

    def __init__(self, out: TextIO, width: int = 0) -> None:
        """`width`: of a small terminal, whose lines are wrapped behind the times; 0: no limit."""
        self._out = out
        self._width = width

    def frame(self) -> None:
        """Nothing moves in a log."""

    def event(self, at: float, kind: str, text: str) -> None:
        line = f"{at:6.2f} s  {kind:<11}  {text}"
        for part in textwrap.wrap(line, self._width, subsequent_indent=" " * 10) if self._width else [line]:
            self._write(part)

    def diagnosed(self, found: Diagnostic) -> None:
        for line, _ in explain(found):
            self._write(f"{'':8}| {line}"[: self._width] if self._width else f"{'':21}  | {line}")

    def close(self) -> None:
        """Nothing to give back."""

    def _write(self, line: str) -> None:
        pipes.write(self._out, line + "\n")


def open_screen(scene: Scene, out: TextIO, *, plain: bool) -> Screen:
    """Return lines if asked for or if the terminal is too small or dumb, else the full screen."""
    if plain:
        return Lines(out)
    console = Console(file=out)
    if not console.is_terminal or console.is_dumb_terminal:
        return Lines(out)
    width, height = console.size
    if width < SMALL[0] or height < SMALL[1]:
        return Lines(out, max(40, width))
    return FullScreen(scene, console)


def take_picture(scene: Scene) -> Console:
    """Return a recording of the whole screen as it is now; `save_picture` turns it into a file."""
    width, height = PICTURE
    console = Console(
        record=True, width=width, height=height, force_terminal=True, color_system="truecolor", file=io.StringIO()
    )
    console.print(Face(scene, width, height).layout)
    return console


def save_picture(picture: Console, file: Path) -> None:
    """Write the recording as SVG. Raises OSError."""
    template = CONSOLE_SVG_FORMAT.replace("<svg ", '<svg xml:space="preserve" ', 1)  # some viewers drop indents else
    picture.save_svg(str(file), title="fumehood demo", code_format=template)
