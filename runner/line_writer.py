"""Writes log lines without ever keeping their maker waiting: a thread that does nothing else, and a bounded queue.

stderr may be a pipe that nobody reads, or a terminal at Ctrl-S: a write then blocks for as long as that lasts, and the
supervisor's one loop with it, hangs, saves and all.

Rejected: O_NONBLOCK. stderr is inherited, and the flag belongs to the open file, not to the descriptor: the game's own
prints would begin to fail.
"""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

MOST_WAITING: Final = 1024 * 1024
"""Bytes of lines that wait for the reader. More: memory; fewer: a slow terminal loses lines of a busy second."""


class LineWriter:
    """A queue before a descriptor, which stays the caller's. Its thread starts with the first line, and is a daemon:
    one that is stuck in a write keeps no process from its end."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lines: deque[bytes] = deque()
        self._waiting = 0
        """Bytes in the queue and in the write that is under way."""
        self._dropped = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, line: bytes, apology: Callable[[int], bytes]) -> None:
        """Have a line written, or count it when too much waits already. Never blocks.

        `apology` makes the line that says how many were dropped; it comes before the next one that finds room.
        """
        with self._changed:
            if self._waiting + len(line) > MOST_WAITING or not self._begin():
                self._dropped += 1
                return
            if self._dropped:
                line = apology(self._dropped) + line
                self._dropped = 0
            self._lines.append(line)
            self._waiting += len(line)
            self._changed.notify_all()

    def flush(self, patience: float) -> bool:
        """Wait up to `patience` seconds until all is written; False: it is not."""
        deadline = time.monotonic() + patience
        with self._changed:
            while self._waiting and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            return not self._waiting

    def close(self) -> None:
        """Take no more. The thread ends when the queue is empty."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _begin(self) -> bool:
        """Have a thread. False: closed, or there can be none (too many of them; the interpreter is ending)."""
        if self._closed or self._thread is not None:
            return not self._closed
        thread = threading.Thread(target=self._run, name="log", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return False
        self._thread = thread
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._lines:
                    if self._closed:
                        return
                    self._changed.wait()
                line = self._lines.popleft()
            self._write(line)
            with self._changed:
                self._waiting -= len(line)
                self._changed.notify_all()

    def _write(self, line: bytes) -> None:
        view = memoryview(line)
        try:
            while view:
                try:
                    view = view[os.write(self._fd, view) :]
                except BlockingIOError:  # somebody else made the shared file non-blocking: wait for room here
                    poll = select.poll()
                    poll.register(self._fd, select.POLLOUT)
                    poll.poll()
        except OSError:
            return  # the reader has gone (``fumehood run | head``), or the disk is full: nobody to tell
