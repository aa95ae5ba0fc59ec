"""Hostile text made safe to show: names, messages and tracebacks that a mod chose, for a terminal, a log or a page.

A terminal obeys what it is sent: an escape sequence retitles the window or hides a line, a carriage return overwrites
what stood there, a bidirectional override shows code in another order than it runs. So nothing unprintable leaves here
as itself: it becomes the escape that Python would write for it. Pure; runs in the supervisor and in the game.

What counts as unprintable is `str.isprintable`: control, format (bidi marks, zero-width), surrogate, private,
unassigned and every separator but the space; and the few letters that are drawn as nothing. Piles of combining marks
are cut, since they draw over their neighbours.

Bounded in the output, not in the input: an escape is up to ten characters long, and what leaves here has to fit into a
packet. Linear in what is shown, and honest text is only looked at: a mod chooses what the supervisor has to escape.

Not done: markup of a particular display (rich, HTML) is escaped where it is displayed; a backslash that the text itself
holds stays single, so that paths and tracebacks read as their author wrote them.
"""

import re
import unicodedata
from typing import Final

from ..shared.messages import Diagnostic

LONGEST_LINE: Final = 500
"""Characters of a name or a source line. Longer: a minified file floods the screen; shorter: long paths are cut."""
LONGEST_MESSAGE: Final = 4_000
LONGEST_TRACEBACK: Final = 20_000
"""Characters of a traceback: about 200 frames. A recursion error's repeats are worth no more."""
MOST_MARKS: Final = 3
"""Combining marks in a row. Real scripts need two or three; what piles up more is meant to smear the screen."""
FURTHEST: Final = 10_000_000
"""Largest line or column shown; a worker can claim any integer."""


FILLERS: Final = "\u115f\u1160\u2800\u3164\uffa0"
"""Hangul fillers and the empty Braille cell: letters and a symbol to Unicode, blank to the eye."""
_SUSPECT: Final = re.compile(rf"[{FILLERS}]|[^\w\x00-\x7f]{{{MOST_MARKS + 1}}}")
"""Printable text without a match has no piles: combining marks are never `\\w`."""


class _Shown(dict[str, str]):
    """How each character is shown, worked out once: itself, its escape, or "" for a combining mark (it depends).

    Those past U+FFFF are worked out every time: a mod that goes through all of them would fill the memory.
    """

    def __missing__(self, char: str) -> str:
        if not char.isprintable() or char in FILLERS:
            shown = _escaped(char)
        else:
            shown = "" if unicodedata.category(char).startswith("M") else char
        if char <= "\uffff":
            self[char] = shown
        return shown


_shown: Final = _Shown()


def escape(text: str, limit: int = LONGEST_MESSAGE, *, lines: bool = False) -> str:
    """Return `text` with all that a display might obey escaped, at most `limit` characters, escapes included.

    What was cut is counted at the end, in some 30 characters more. With `lines`, newline and tab stay themselves. Never
    raises, and the result can always be encoded as UTF-8.
    """
    shown = text[:limit]
    used = len(shown)
    flat = shown.replace("\n", " ").replace("\t", " ") if lines else shown
    if not (flat.isprintable() and (flat.isascii() or not _SUSPECT.search(flat))):
        shown, used = _escape(shown, limit, "\n\t" if lines else "")
    cut = len(text) - used
    return f"{shown}… ({cut} more characters)" if cut > 0 else shown


def _escape(text: str, room: int, kept: str) -> tuple[str, int]:
    """As much of `text` as fits into `room` characters once it is escaped, and how many characters of it that is."""
    parts: list[str] = []
    marks = 0
    for char in text:
        shown = _shown[char]
        if shown:
            marks = 0
            if len(shown) > 1 and char in kept:
                shown = char
        else:
            marks += 1
            shown = char if marks <= MOST_MARKS else _escaped(char)
        room -= len(shown)
        if room < 0:
            break
        parts.append(shown)
    return "".join(parts), len(parts)


def _escaped(char: str) -> str:
    number = ord(char)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def versioned(mod: str, version: int) -> str:
    """``weather@7``; a version that got no number, since its files could not be read, is just the mod."""
    return f"{mod}@{version}" if version else mod


def escape_diagnostic(diagnostic: Diagnostic) -> Diagnostic:
    """Return what a worker reported, every field escaped and bounded, numbers within reason."""
    return Diagnostic(
        stage=escape(diagnostic.stage, 40),
        kind=escape(diagnostic.kind, 200),
        message=escape(diagnostic.message, LONGEST_MESSAGE, lines=True),
        file=escape(diagnostic.file, LONGEST_LINE),
        line=_within(diagnostic.line),
        column=_within(diagnostic.column),
        end_column=_within(diagnostic.end_column),
        source=escape(diagnostic.source.rstrip("\r\n").expandtabs(4), LONGEST_LINE),
        traceback=escape(diagnostic.traceback, LONGEST_TRACEBACK, lines=True),
    )


def _within(number: int) -> int:
    return number if 0 <= number <= FURTHEST else 0


def said(error: BaseException) -> str:
    """What an exception of the game's own says, fit to be packed, if it can be had: `__str__` is the game's too."""
    try:
        return str(error).encode("utf-8", "backslashreplace").decode()
    except Exception:  # noqa: BLE001  # whatever it raises
        return "(its text cannot be had)"
