"""What workers leave behind that died, or were passed over, with the game's messages in their rings.

The frames they never began go to the successor, in order: only the game wrote those bytes, so they are carried as they
are. What was in hand when a worker died is never replayed; a post among it is counted as lost.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from ..shared import messages
from ..shared.errors import ProtocolError
from .seat import Seat

REAP_PATIENCE: Final = 2.0
"""Seconds the successor waits for a killed predecessor to be reaped, before it takes the ring as it is."""

_unpack: Final = messages.unpacker(messages.Request, "the game")
_POST_HEAD: Final = messages.pack(messages.Post("", []))[:2]


class Estates:
    """The estates of one mod, oldest first."""

    def __init__(self, vacate: Callable[[Seat], None]) -> None:
        """`vacate` frees the slot of a seat whose estate was shared out."""
        self._seats: list[Seat] = []
        self._vacate = vacate
        self.lost_posts = 0

    def __bool__(self) -> bool:
        """Whether anything was left behind."""
        return bool(self._seats)

    def add(self, seat: Seat) -> None:
        """A worker the game talked to is gone, or about to be."""
        self._seats.append(seat)

    def of(self, attempt: int) -> Seat | None:
        """The estate of an attempt, if it left one."""
        return next((seat for seat in self._seats if seat.attempt == attempt), None)

    async def reaped(self) -> None:
        """Wait until none of them writes any more, up to REAP_PATIENCE."""
        workers = [seat.worker for seat in self._seats if seat.worker is not None]
        gone = [worker.exited for worker in workers if not worker.exited.done()]
        if gone:
            await asyncio.wait(gone, timeout=REAP_PATIENCE)

    def share_out(self) -> list[bytes]:
        """Everything that was never begun, for the successor; the slots are free from now on."""
        frames = [frame for seat in self._seats for frame in seat.remaining()]
        self._close()
        return frames

    def drop(self) -> None:
        """Nobody is left to take it: posts are lost, and counted."""
        self.lost_posts += sum(_posts(seat.remaining()) for seat in self._seats)
        self._close()

    def _close(self) -> None:
        for seat in self._seats:
            self.lost_posts += _posts(seat.in_hand())
            self._vacate(seat)
        self._seats.clear()

    def forget(self) -> None:
        """The supervisor ends."""
        self._seats.clear()


def event_of(frames: list[bytes]) -> str:
    """The event of the first frame; empty when there is none, or when it cannot be read: see `_posts`."""
    try:
        return next((_unpack(frame).event for frame in frames), "")
    except ProtocolError:
        return ""


def _posts(frames: list[bytes]) -> int:
    """How many of the game's own frames are posts. Told by their heads: what is nested to the last level the game could
    encode does not decode here, and a worker that lies about its cursors may point into the middle of an argument."""
    return sum(frame.startswith(_POST_HEAD) for frame in frames)
