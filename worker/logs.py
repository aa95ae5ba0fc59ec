"""What a mod logs and prints, as LogLine reports: rate-limited here (and again where they are read), never blocking.

A line costs its writer a packet, so a mod that prints without end is stopped at its own end first: past the rate, or
when the supervisor does not read, lines are dropped, and the next one that gets through says how many.
"""

import io
import logging
import sys
import time
from collections.abc import Callable
from typing import Final

from ..shared.messages import LogLine, pack
from .api import log
from .diagnostics import bounded, format_traceback
from .link import Link

LONGEST_LINE: Final = 8 * 1024
"""Bytes of one line. Longer ones are cut in the middle; a printed one is cut into several."""


class LineSender:
    """Sends lines at `rate` a second, with a burst of one second's worth."""

    def __init__(self, link: Link, rate: float, now: Callable[[], float] = time.monotonic) -> None:
        self._link = link
        self._rate = rate
        self._now = now
        self._credit = max(1.0, rate)
        self._counted = now()
        self.lost: dict[str, int] = {}
        """How many "lines" were dropped since the last that got through; empty: none. The loop looks at it."""

    def send(self, level: int, text: str) -> None:
        """Send or drop. Raises MemoryError alone."""
        now = self._now()
        self._credit = min(max(1.0, self._rate), self._credit + (now - self._counted) * self._rate)
        self._counted = now
        dropped = self.lost.get("lines", 0)
        if self._credit >= 1 and self._link.offer(pack(LogLine(level, bounded(text, LONGEST_LINE), dropped))):
            self._credit -= 1
            self.lost.clear()
        else:
            self.lost["lines"] = self.lost.get("lines", 0) + 1  # packing may have run code that logs

    def flush(self) -> None:
        """Tell of lines dropped last, if there is room; called when the worker rests."""
        if self.lost and self._link.offer(pack(self._dropped())):
            self.lost.clear()

    def finish(self) -> None:
        """Tell of them now, or as soon as there is room: before the worker parks or ends, since no rest follows."""
        if self.lost:
            self._link.tell(self._dropped())
            self.lost.clear()

    def _dropped(self) -> LogLine:
        return LogLine(logging.WARNING, "(more lines were dropped)", self.lost["lines"])


class RecordHandler(logging.Handler):
    """Takes every record of the standard loggers, `fumehood.worker.log` among them."""

    sender: LineSender
    base: str

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
            if record.exc_info and record.exc_info[1] is not None:
                text = f"{text}\n{format_traceback(record.exc_info[1], self.base, LONGEST_LINE // 2)}"
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001  # formatting calls the mod's __str__: logging's rule is to print and go on
            self.handleError(record)
            return
        self.sender.send(record.levelno, text.rstrip("\n"))


_RECORDS: Final = RecordHandler()
"""The one of a worker. Made in the zygote: what a handler registers and locks is the same in each of its forks."""
log.setLevel(logging.DEBUG)  # what is worth reading is decided where it is read


class Console(io.TextIOBase):
    """Stands for stdout or stderr: each line printed is a line of the log."""

    def __init__(self, sender: LineSender, level: int, name: str) -> None:
        self._sender = sender
        self._level = level
        self._name = name
        self._line = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a property here, an attribute in the stub
        return "utf-8"

    @property
    def name(self) -> str:
        return self._name

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() takes a str; got {type(text).__name__}")
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._sender.send(self._level, line)
        whole = len(self._line) // LONGEST_LINE * LONGEST_LINE
        for start in range(0, whole, LONGEST_LINE):
            self._sender.send(self._level, self._line[start : start + LONGEST_LINE])
        self._line = self._line[whole:]
        return len(text)

    def finish(self) -> None:
        """Send the line that was begun; called before the worker parks or ends."""
        if self._line:
            self._sender.send(self._level, self._line)
            self._line = ""


def redirect(sender: LineSender, base: str) -> list[Console]:
    """Worker: send standard logging, stdout and stderr through `sender`; there is no stdin."""
    _RECORDS.sender, _RECORDS.base = sender, base
    logging.root.handlers[:] = [_RECORDS]
    consoles = [Console(sender, logging.INFO, "<stdout>"), Console(sender, logging.WARNING, "<stderr>")]
    sys.stdout, sys.stderr = consoles
    sys.stdin = None
    return consoles
