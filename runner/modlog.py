"""What one mod says, in the supervisor's log: escaped, one line each, at most so many, and so many bytes, a second."""

import logging
import time
from collections.abc import Callable
from typing import Final

from ..shared import messages
from ..shared.messages import Diagnostic
from .logs import written_size
from .rate import TokenBucket
from .text import LONGEST_MESSAGE, escape

MOST_DROPPED: Final = 10**9
"""A worker's own count of dropped lines is believed up to here."""

Line = tuple[str, dict[str, object]]
"""A line's text, and what it says, for machines."""

log = logging.getLogger("fumehood.mods")


class ModLog:
    """The log of one mod. What is over its rate is dropped and counted; the count stands in the next line."""

    def __init__(self, mod: str, lines_per_second: float, bytes_per_second: float) -> None:
        self._mod = mod
        self._lines = TokenBucket(lines_per_second, lines_per_second)
        self._bytes = TokenBucket(bytes_per_second, bytes_per_second)
        self._dropped = 0

    def said(self, version: int, line: messages.LogLine) -> None:
        """`log.info(…)` or a printed line."""
        level = line.level if 0 <= line.level <= logging.CRITICAL else logging.INFO
        self._dropped += min(max(line.dropped, 0), MOST_DROPPED)
        self._write(level, version, len(line.text), lambda: (escape(line.text), {}))

    def raised(self, version: int, event: str, diagnostic: Diagnostic, count: int) -> None:
        """A handler raised, `count` times; `diagnostic` is already clean."""

        def made() -> Line:
            times = f", {count} times" if count > 1 else ""
            where = f" ({diagnostic.place})" if diagnostic.place else ""
            name = escape(event)
            told = {"event": name, "kind": diagnostic.kind, "file": diagnostic.file, "line": diagnostic.line}
            return f"{name} raised {diagnostic.headline}{where}{times}", told

        self._write(logging.WARNING, version, len(diagnostic.message), made)

    def _write(self, level: int, version: int, least: int, make: Callable[[], Line]) -> None:
        """Make the text and write it, unless the buckets do not have the `least` bytes that it takes: one that will be
        dropped is not escaped first."""
        now = time.monotonic()
        if self._lines.wait(now) or self._bytes.wait(now, self._price(min(least, LONGEST_MESSAGE))):
            self._dropped += 1
            return
        text, told = make()
        if not self._bytes.take(now, self._price(written_size(text))) or not self._lines.take(now):
            self._dropped += 1
            return
        dropped, self._dropped = self._dropped, 0
        more = f" ({dropped} lines dropped)" if dropped else ""
        told = {"mod": self._mod, "version": version, **told}
        log.log(level, "%s@%d: %s%s", self._mod, version, text, more, extra={"told": told})

    def _price(self, size: int) -> float:
        """A line longer than a second's worth passes alone."""
        return max(1.0, min(size, self._bytes.burst))
