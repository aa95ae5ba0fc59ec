"""The supervisor's shelf of views: the memory of each, and who has to be told of it. It reads none of what is in it.

It outlives the game that filled it: a new version, a way back, the next game's mods find what was published last.
"""

import fcntl
import logging
import os
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ..shared import segment
from ..shared._ring import Segment
from ..shared.messages import View
from ..shared.views import HEAD, MAGIC, MOST_BUFFERS, MOST_VIEWS, MOVED, memory_bytes
from .seat import Seat
from .worker_process import WorkerProcess

MOVING: Final = 2
"""So many memories of one view a worker may have mapped at a time: it goes on in a new one, and still holds the old."""

log = logging.getLogger("fumehood")


@dataclass(frozen=True, slots=True)
class Shelved:
    """One view's newest memory."""

    announcement: View
    fd: int

    @property
    def size(self) -> int:
        """Bytes of its memory."""
        return memory_bytes(self.announcement.buffers, self.announcement.stride)

    def move(self) -> None:
        """Say in this memory that it goes on in another, which everybody has been told of: whoever reads it looks.

        Here, and not in the game: the game that made it may be gone.
        """
        try:
            words = Segment(self.fd, self.size, writable=True)
            words.store32(MOVED, 1)
            words.close()
        except OSError as error:
            log.error("view %s: its readers may not find its new memory: %s", self.announcement.name, error)
        finally:
            os.close(self.fd)


class Shelf:
    """All views. One event loop."""

    def __init__(self) -> None:
        self._views: dict[str, Shelved] = {}
        self.lent = 0
        """The most shared memory that a worker was ever able to map of it: no growth of its own."""

    def put(self, view: View, fd: int, seats: Iterable[Seat]) -> None:
        """The game publishes this. Tells everybody who sits there now. Takes the descriptor over."""
        before = self._views.get(view.name)
        self._views[view.name] = shelved = Shelved(view, fd)
        self.lent = max(self.lent, MOVING * sum(each.size for each in self._views.values()))
        for seat in seats:
            if seat.worker is not None and seat.slot is not None and _tell(seat.worker, shelved):
                seat.slot.announce_command()
        if before is not None:
            before.move()

    def why_not(self, view: View, fd: int) -> str:
        """Why no worker could take this in, or "". A worker ends at a view that it cannot map, and so would all that
        come after it."""
        if not (0 <= view.place < MOST_VIEWS and 1 <= view.buffers <= MOST_BUFFERS and 0 < view.generation < 1 << 32):
            return "its place, its generation or its number of buffers cannot be"
        if not 2 * HEAD <= view.stride < 1 << 48 or view.stride % HEAD:
            return f"its buffers cannot be {view.stride} bytes apart"
        if view.name not in self._views and len(self._views) >= MOST_VIEWS:
            return f"there are {MOST_VIEWS} views already"
        size = memory_bytes(view.buffers, view.stride)
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size != size:
            return f"what came with it is no memory of {size} bytes"
        try:
            seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
        except OSError:
            seals = 0
        wanted = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
        if seals & wanted != wanted:
            return "the size of its memory is not sealed"
        begins = int.from_bytes(os.pread(fd, 8, 0), sys.byteorder)
        return "" if begins == MAGIC else "its memory is of another layout"

    def introduce(self, worker: WorkerProcess) -> None:
        """Tell one who is about to be assigned of all there is: before its Assign, so that it is there at import."""
        for shelved in self._views.values():
            _tell(worker, shelved)

    def close(self) -> None:
        """Let go of everything."""
        for shelved in self._views.values():
            os.close(shelved.fd)
        self._views.clear()


def _tell(worker: WorkerProcess, shelved: Shelved) -> bool:
    """Each gets a description of its own: one that they shared would have a position that each can see and move."""
    if not worker.alive:
        return False
    try:
        fd = segment.read_only(shelved.fd)
    except OSError as error:
        log.error("view %s: a worker cannot be told of it: %s", shelved.announcement.name, error)
        return False
    try:
        worker.send(shelved.announcement, (fd,))
    finally:
        os.close(fd)
    return True
