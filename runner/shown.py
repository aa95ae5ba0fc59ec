"""What a person would be shown, as a terminal sees it: whether any of it is more than text. For trials of hostile mods,
which look at everything that the log, a receipt or a status says. Pure.
"""

import re
from typing import Final

import msgspec

from .text import FILLERS, MOST_MARKS

LONGEST_LINE: Final = 64 * 1024
"""Characters of a line in the log. A mod that gets longer ones there floods a disk with few of them."""
LINE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d|    ")
"""How the log's lines begin: with a time, or with the indent of what stands below one."""
_PILE: Final = re.compile(rf"[\u0300-\u036f\u0483-\u0489]{{{MOST_MARKS + 1}}}")


def odd(text: str) -> str:
    """What a terminal might obey, or draw as nothing or over its neighbours: the first of it; empty: none."""
    flat = text.replace("\n", " ")
    if found := next((char for char in flat if not char.isprintable() or char in FILLERS), ""):
        return found
    pile = _PILE.search(flat)
    return pile[0] if pile else ""


def texts(told: msgspec.Struct) -> list[str]:
    """Every text in it."""
    found: list[str] = []
    for value in msgspec.structs.asdict(told).values():
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, msgspec.Struct):
            found += [*texts(value), str(value)]
    return found


def in_log(text: str) -> list[str]:
    """What is wrong with a piece of the supervisor's log, a line each."""
    found = []
    if strange := odd(text):
        found.append(f"{strange!a} reached the log")
    if other := [line for line in text.split("\n") if line and not LINE.match(line)]:
        found.append(f"a line of the log is not the log's own: {other[0]!a}")
    if any(len(line) > LONGEST_LINE for line in text.split("\n")):
        found.append("a line of the log is too long")
    return found
