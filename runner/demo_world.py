"""The village of the demo: what the mods' intents change, and how it looks as coloured characters.

The game's own part: no mod code, and nothing here trusts what a mod sends. A field of the wrong type, a place outside
the map or one name too many is counted as nonsense and changes nothing.
"""

import random
from typing import Any, Final

from rich.segment import Segment
from rich.style import Style

from .text import escape

WIDTH: Final = 58
HEIGHT: Final = 15

SCENERY: Final = (
    "   ♣      ♣      ♣  ♣    ♣      ♣  ♣♣   ♣♣     ♣  ♣   ≈≈ ",
    "   ▗▄▄▄▄▄▄▄▖  ▗▄▄▄▄▄▖   ▗▄▄▄▄▄▖  ♣                  ≈≈≈  ",
    " ♣ ▟███████▙  ▟█████▙   ▟█████▙                   ♣ ≈≈   ",
    "   │▫ ▫∩ ▫ │  │▫ ∩ ▫│   │▫ ∩ ▫│                    ≈≈≈   ",
    '   └───────┘  └─────┘   └─────┘     " ,   "   ,    ≈≈  ♣ ',
    '        ░        ░         ░       ,   "    ,   "    ≈≈  ',
    '        ░        ░         ░         "   ,    "      ≈≈≈ ',
    '        ░        ░         ░      ,    "   ,     ,    ≈≈ ',
    '  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░    ,   "    " ,      ≈≈',
    '      ░                 ░          "    ,   ,      ,   ≈≈',
    '      ░   ┌─────────┐   ░        ♣   ,    "    ,   "  ≈≈ ',
    '      ░   │         │   ░         "    ,   "    ,     ≈≈ ',
    '    ▗▄▄▄▖ │         │ ▗▄▄▄▖   ♣     ,   "   ,    "   ≈≈≈ ',
    '    │ ¤ │ └─────────┘ │ ✻ │     ♣     "    ,   "    ≈≈≈  ',
    "  ♣ └───┘     ♣       └───┘  ♣      ♣        ♣      ≈≈   ",
)
COLOURS: Final = {
    "♣": "green",
    "≈": "blue",
    "░": "yellow",
    '"': "green",
    ",": "green",
    "¤": "bright_yellow",
    "✻": "bright_white",
    "∩": "yellow",
    "▫": "bright_yellow",
}
WALL: Final = "rgb(150,110,80)"
SHEEP: Final = ((42, 9), (45, 10), (44, 8), (47, 9), (43, 11))
PLOTS: Final = 6
CROP: Final = ("·", "˙", "i", "ψ", "Ψ")
CROP_COLOURS: Final = ("rgb(120,90,60)", "green", "green", "bright_green", "bright_yellow")
SKIES: Final = ("sun", "clouds", "rain")
MOST_BEINGS: Final = 40
"""Wolves and villagers together. A mod that invents more is talking nonsense."""


class Village:
    """What the game knows. `apply` takes one intent; `draw` gives the map."""

    def __init__(self) -> None:
        self.hour = 8
        self.minute = 0
        self.sky = "sun"
        self.strength = 0.3
        self.crops = [0] * PLOTS
        self.beings: dict[tuple[str, str], tuple[float, float]] = {}
        self.quest = ("", 0, 1)
        self.harvests = 0
        self.said: list[tuple[str, str]] = []
        """(who, text) since the game last looked."""
        self.arrived: list[str] = []
        self.nonsense = 0
        self._random = random.Random(7)
        self._ground = [[(char, COLOURS.get(char, WALL)) for char in line.ljust(WIDTH)[:WIDTH]] for line in SCENERY]

    @property
    def night(self) -> bool:
        return self.hour < 6 or self.hour >= 20

    def apply(self, mod: str, name: str, fields: dict[str, Any]) -> None:
        """Do what a mod would like, if it makes sense."""
        match name, fields:
            case "time", {"hour": int(hour), "minute": int(minute)} if 0 <= hour < 24 and 0 <= minute < 60:
                self.hour, self.minute = hour, minute
            case "sky", {"kind": str(kind), "strength": float(strength)} if kind in SKIES and 0 <= strength <= 1:
                self.sky, self.strength = kind, strength
            case "crop", {"plot": int(plot), "stage": int(stage)} if 0 <= plot < PLOTS and 0 <= stage < len(CROP):
                self.crops[plot] = stage
            case "move", {"kind": "wolf" | "villager" as kind, "id": int() | str() as id_, "x": x, "y": y}:
                self._move(kind, str(id_), x, y)
            case "harvest", {"item": str()}:
                self.harvests += 1
            case "arrived", {"who": str(who)} if len(self.arrived) < MOST_BEINGS:
                self.arrived.append(escape(who, 20))
            case "quest", {"text": str(text), "done": int(done), "wanted": int(wanted)} if 0 <= done <= wanted < 100:
                self.quest = (escape(text, 40), done, wanted)
            case "say", {"text": str(text)} if len(self.said) < MOST_BEINGS:
                self.said.append((mod, escape(text, 80)))
            case _:
                self.nonsense += 1

    def _move(self, kind: str, name: str, x: object, y: object) -> None:
        known = (kind, name) in self.beings or len(self.beings) < MOST_BEINGS
        if known and isinstance(x, (int, float)) and isinstance(y, (int, float)) and 0 <= x < WIDTH and 0 <= y < HEIGHT:
            self.beings[kind, name] = (x, y)
        else:
            self.nonsense += 1

    def forget(self, kind: str) -> None:
        """Let all beings of a kind leave the map: their mod will say again who is there."""
        self.beings = {key: place for key, place in self.beings.items() if key[0] != kind}

    def draw(self, frame: int) -> list[list[Segment]]:
        """Return the map as it is at a frame: HEIGHT rows of WIDTH characters, in runs of one style."""
        cells = [list(row) for row in self._ground]
        for plot, stage in enumerate(self.crops):
            left = 11 + plot % 3 * 3
            top = 11 + plot // 3
            for x in range(left, left + 3):
                cells[top][x] = (CROP[stage], CROP_COLOURS[stage])
        for x, y in SHEEP:
            cells[y][x + (frame // 40 + y) % 2] = ("o", "bold bright_white")
        for (kind, name), place in self.beings.items():
            mark = ("w", "bold red") if kind == "wolf" else (escape(name[:1]).upper() or "?", "bold bright_cyan")
            cells[int(place[1])][int(place[0])] = mark
        if self.sky == "rain":
            for _ in range(int(20 + 70 * self.strength)):
                x, y = self._random.randrange(WIDTH), self._random.randrange(HEIGHT)
                if not cells[y][x][1].startswith("bold"):
                    cells[y][x] = ("/", "rgb(90,130,200)")
        dim = self.night or self.sky == "clouds"
        return [_runs(row, dim) for row in cells]


def _runs(row: list[tuple[str, str]], dim: bool) -> list[Segment]:
    """Join neighbours of one colour; a space takes whatever colour stands before it."""
    runs: list[Segment] = []
    run, colour = "", ""
    for char, style in row:
        if style != colour and char != " ":
            runs.append(Segment(run, _style(colour, dim)))
            run, colour = "", style
        run += char
    runs.append(Segment(run, _style(colour, dim)))
    return runs


_STYLES: dict[tuple[str, bool], Style] = {}


def _style(colour: str, dim: bool) -> Style:
    """Parsed once: drawing is part of the frame that is measured."""
    key = (colour, dim)
    if key not in _STYLES:
        _STYLES[key] = Style.parse(colour or "default") + (Style(dim=True) if dim and "bold" not in colour else Style())
    return _STYLES[key]
