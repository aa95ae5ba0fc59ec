"""Hostile text made safe to show: names, messages and tracebacks that a mod chose, for a terminal, a log or a page.

A terminal obeys what it is sent: an escape sequence retitles the window or hides a line, a carriage return overwrites
what stood there, a bidirectional override shows code in another order than it runs. So nothing unprintable leaves here
as itself: it becomes the escape that Python would write for it. Pure; runs in the supervisor and in the game.

What counts as unprintable is `str.isprintable`: control, format (bidi marks, zero-width), surrogate, private,
unassigned and every separator but the space. Piles of combining marks are cut, since they draw over their neighbours.

Not done: markup of a particular display (rich, HTML) is escaped where it is displayed; a backslash that the text itself
holds stays single, so that paths and tracebacks read as their author wrote them.
"""

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


def escape(text: str, limit: int = LONGEST_MESSAGE, *, lines: bool = False) -> str:
    """Return `text` with all that a display might obey escaped, at most `limit` characters of it.

    What was cut is counted at the end. With `lines`, newline and tab stay themselves. Never raises, and the result can
    always be encoded as UTF-8.
    """
    cut = len(text) - limit
    if cut > 0:
        text = text[:limit]
    if not (text.isascii() and text.isprintable()):
        text = _escape(text, "\n\t" if lines else "")
    return f"{text}… ({cut} more characters)" if cut > 0 else text


def _escape(text: str, kept: str) -> str:
    parts: list[str] = []
    marks = 0
    for char in text:
        if char in kept:
            parts.append(char)
        elif not char.isprintable():
            parts.append(_escaped(char))
        elif unicodedata.combining(char) or unicodedata.category(char) == "Me":
            marks += 1
            parts.append(char if marks <= MOST_MARKS else _escaped(char))
            continue
        else:
            parts.append(char)
        marks = 0
    return "".join(parts)


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
