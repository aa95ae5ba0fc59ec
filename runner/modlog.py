"""What one mod says, in the supervisor's log: escaped, one line each, at most so many, and so many bytes, a second."""

import logging
import time
from collections.abc import Callable
from typing import Final

from ..shared import messages
from ..shared.messages import Diagnostic
from ..shared.policy import Limits
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
        self._dropped: dict[str, int] = {}
        """Lines since the last that was written, by the limit that they were over."""

    def hold_to(self, limits: Limits) -> None:
        """From now on so many lines and bytes a second: those of the version that is about to speak."""
        for bucket, rate in ((self._lines, limits.log_lines), (self._bytes, limits.log_bytes)):
            bucket.rate = bucket.burst = float(rate)

    def said(self, version: int, line: messages.LogLine) -> None:
        """`log.info(…)` or a printed line."""
        level = line.level if 0 <= line.level <= logging.CRITICAL else logging.INFO
        if line.dropped > 0:
            self._drop("log_lines", min(line.dropped, MOST_DROPPED))
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
        if self._lines.wait(now):
            self._drop("log_lines")
            return
        if self._bytes.wait(now, self._price(min(least, LONGEST_MESSAGE))):
            self._drop("log_bytes")
            return
        text, told = make()
        if not self._bytes.take(now, self._price(written_size(text))):
            self._drop("log_bytes")
            return
        self._lines.take(now)
        dropped, self._dropped = self._dropped, {}
        more = f" ({', '.join(self._over(*each) for each in dropped.items())})" if dropped else ""
        told = {"mod": self._mod, "version": version, **told}
        log.log(level, "%s@%d: %s%s", self._mod, version, text, more, extra={"told": told})

    def _drop(self, limit: str, count: int = 1) -> None:
        self._dropped[limit] = self._dropped.get(limit, 0) + count

    def _over(self, limit: str, count: int) -> str:
        rate = (self._lines if limit == "log_lines" else self._bytes).rate
        return f"{count} line{'' if count == 1 else 's'} dropped, limit: {limit} = {rate:.12g}"

    def _price(self, size: int) -> float:
        """A line longer than a second's worth passes alone."""
        return max(1.0, min(size, self._bytes.burst))
