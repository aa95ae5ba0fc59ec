"""Standard `logging`, set up for a person at a terminal (text) or for a machine that reads lines (json).

One event is one line, whatever stands in it: what mods print and raise goes through here, so control characters (line
ends, terminal escapes, direction marks) are written as visible escapes and cannot forge a line or repaint a terminal.

What a message says in words already stands for machines in `extra={"told": {…}}`: fields of the json line, and not said
twice in text. `extra={"below": […]}` is the other way round: lines that only a person gets, under the line, such as
source code and the caret under it.

Every logger of ours is below ``fumehood``; what a line is about rides in `extra`::

    logger.info("went live", extra={"mod": "weather", "version": 7, "epoch": 41})

    2026-11-24T03:14:12.123Z INFO    fumehood.supervisor: went live mod=weather version=7 epoch=41
    {"time":"2026-11-24T03:14:12.123Z","level":"info","logger":"fumehood.supervisor","message":"went live","mod":...}

A library must not decide how its host logs: `fumehood.runner.launch` adds no handler on its own; the commands do.
"""

import contextlib
import json
import logging
import sys
import time
from typing import Any, Final, TextIO

from .config import LogFormat, LogLevel
from .line_writer import LineWriter
from .text import LONGEST_TRACEBACK, escape

LOGGER: Final = "fumehood"

FLUSH_PATIENCE: Final = 0.5
"""Seconds that the last lines get to be read when the process ends. Longer: an unread pipe delays the end; shorter: a
busy terminal loses them."""

OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What `logging` itself puts on a record; anything else came by `extra`. (taskName exists from Python 3.12 on.)"""


TOLD: Final = "told"
BELOW: Final = "below"


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """Return what the caller passed as `extra`, in the order given, but for what has its own place in a line."""
    return {name: value for name, value in vars(record).items() if name not in OWN and name not in (TOLD, BELOW)}


def told(record: logging.LogRecord) -> dict[str, Any]:
    """Return what the message says, as fields."""
    fields = getattr(record, TOLD, {})
    return fields if isinstance(fields, dict) else {}


def timestamp(record: logging.LogRecord) -> str:
    """Return the record's time as RFC 3339, UTC, milliseconds."""
    milliseconds = int(record.created * 1000) % 1000
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{milliseconds:03d}Z"


class TextFormatter(logging.Formatter):
    """``time LEVEL logger: message key=value``; an exception follows on the same line, escaped."""

    def format(self, record: logging.LogRecord) -> str:
        parts = [f"{timestamp(record)} {record.levelname:<7} {record.name}: {escape(record.getMessage())}"]
        for name, value in extras(record).items():
            text = escape(str(value))
            parts.append(f"{name}={json.dumps(text, ensure_ascii=False) if ' ' in text or not text else text}")
        if record.exc_info:
            trace = escape(self.formatException(record.exc_info), LONGEST_TRACEBACK)
            parts.append("exception=" + json.dumps(trace, ensure_ascii=False))
        below = getattr(record, BELOW, ())
        return "\n    ".join([" ".join(parts), *map(escape, below if isinstance(below, list | tuple) else ())])


class JsonFormatter(logging.Formatter):
    """One JSON object a line, keys time, level, logger, message, then whatever came by `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        document: dict[str, Any] = {
            "time": timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        more = told(record) | extras(record)
        document |= {name: value for name, value in more.items() if name not in document}
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        line = json.dumps(document, default=str, separators=(",", ":"), ensure_ascii=False)
        return line if line.isprintable() else "".join(map(_printable, line))


def _printable(char: str) -> str:
    """JSON's own escape of what a display might obey; all else stays as it is, and takes no more room than as text."""
    return char if char.isprintable() else json.dumps(char)[1:-1]


def written_size(text: str) -> int:
    """Bytes that an escaped text takes in a line, at most: as JSON, backslashes and quotes stand twice."""
    return len(text.encode()) + text.count("\\") + text.count('"')


class LinesHandler(logging.Handler):
    """Writes to `stream`, or to the `sys.stderr` of now. Where that is a file of the system's, a thread writes: no line
    waits for its reader (see line_writer). Outlives a reader that has gone (``fumehood run | head``)."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__()
        self._stream = stream or sys.stderr
        self._writer: LineWriter | None = None
        with contextlib.suppress(OSError, ValueError, AttributeError):  # a stream in memory has no descriptor
            self._writer = LineWriter(self._stream.fileno())

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, or have it written."""
        try:
            line = self.format(record) + "\n"
            if self._writer is not None:
                self._writer.put(line.encode(errors="backslashreplace"), self._apology)
            else:
                with contextlib.suppress(ValueError):  # the stream was closed
                    self._stream.write(line)
                    self._stream.flush()
        except Exception:  # noqa: BLE001  # logging's rule: a line that cannot be made is told of, and stops nobody
            self.handleError(record)

    def _apology(self, count: int) -> bytes:
        text = f"{count} log lines were dropped: nobody read them in time"
        record = logging.LogRecord(f"{LOGGER}.logs", logging.WARNING, __file__, 0, text, None, None)
        return (self.format(record) + "\n").encode()

    def flush(self) -> None:
        """Wait until all is written, up to FLUSH_PATIENCE. `logging` calls it when the process ends."""
        if self._writer is not None:
            self._writer.flush(FLUSH_PATIENCE)

    def close(self) -> None:
        """Let the thread end, once all is written."""
        if self._writer is not None:
            self._writer.close()
        super().close()


def flush() -> None:
    """Wait until what was logged so far is written, up to FLUSH_PATIENCE."""
    for handler in logging.getLogger(LOGGER).handlers:
        handler.flush()


def set_up(
    format: LogFormat = LogFormat.TEXT,  # noqa: A002 - the word the option has
    level: LogLevel = LogLevel.INFO,
    stream: TextIO | None = None,
) -> logging.Logger:
    """Send everything below the logger ``fumehood`` to `stream` (default stderr), and return that logger.

    Called again it replaces what it set up before. Propagation stops: a root handler would print every line twice.
    """
    logger = logging.getLogger(LOGGER)
    for handler in [handler for handler in logger.handlers if isinstance(handler, LinesHandler)]:
        logger.removeHandler(handler)
        handler.close()
    handler = LinesHandler(stream)
    handler.setFormatter(JsonFormatter() if format is LogFormat.JSON else TextFormatter())
    logger.addHandler(handler)
    logger.setLevel(level.upper())
    logger.propagate = False
    return logger
