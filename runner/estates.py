"""What workers leave behind that died, or were passed over, with the game's messages in their rings.

The frames they never began go to the successor, in order: only the game wrote those bytes, so they are carried as they
are. What was in hand when a worker died is never replayed; a post among it is counted as lost. So are those among the
oldest that are dropped when more lies there than a ring holds: a mod whose workers die before they begin anything would
pile up requests from life to life. A call among those runs to its own deadline.

What a worker did to its state after the last state that was taken of it is lost with it, and counted apart: in messages
that it had handled since. They can be counted while the game has not written over them.
"""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from ..shared import messages
from ..shared.errors import ProtocolError
from .seat import Seat

REAP_PATIENCE: Final = 2.0
"""Seconds the successor waits for a killed predecessor to be reaped, before it takes the ring as it is."""

_unpack: Final = messages.unpacker(messages.Request, "the game")


class Share(NamedTuple):
    """What a successor gets."""

    frames: list[bytes]
    """In order, together no longer than a ring."""
    lost_effects: int | None
    """Messages whose effects on the state are lost; None: more than can be counted."""
    dropped: int
    """Frames, the oldest, that were too many."""


class Estates:
    """The estates of one mod, oldest first."""

    def __init__(self, vacate: Callable[[Seat], None], capacity: int) -> None:
        """`vacate` frees the slot of a seat whose estate was shared out; `capacity`: bytes of one ring."""
        self._capacity = capacity
        self._seats: list[Seat] = []
        self._vacate = vacate
        self.lost_posts = 0
        self.lost_effects = 0
        """Of those that could be counted."""

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

    def share_out(self) -> Share:
        """Everything that was never begun, for the successor; the slots are free from now on."""
        frames = [frame for seat in self._seats for frame in seat.remaining()]
        first, room = len(frames), self._capacity
        while first and len(frames[first - 1]) <= room:
            first -= 1
            room -= len(frames[first])
        self.lost_posts += _posts(frames[:first])
        return Share(frames[first:], self._close(), first)

    def lose(self, frames: list[bytes]) -> list[bytes]:
        """Nobody is to have these: posts among them are lost, and counted. Returns what is left, nothing."""
        self.lost_posts += _posts(frames)
        return []

    def drop(self) -> None:
        """Nobody is left to take it: posts are lost, and counted."""
        self.lost_posts += sum(_posts(seat.remaining()) for seat in self._seats)
        self._close()

    def _close(self) -> int | None:
        """Let go of them all; returns the effects that are lost with them, None: unknown."""
        effects = [seat.lost_effects_now() for seat in self._seats]
        known = sum(each for each in effects if each is not None)
        self.lost_effects += known
        for seat in self._seats:
            self.lost_posts += _posts(seat.in_hand())
            self._vacate(seat)
        self._seats.clear()
        return None if None in effects else known

    def forget(self) -> None:
        """The supervisor ends."""
        self._seats.clear()


def event_of(frames: list[bytes]) -> str:
    """The event of the first frame; empty when there is none, or when it cannot be read: see `_posts`."""
    try:
        return next((getattr(_unpack(frame), "event", "") for frame in frames), "")
    except ProtocolError:
        return ""


def _posts(frames: list[bytes]) -> int:
    """How many of the game's own frames are posts. Told by their heads: what is nested to the last level the game could
    encode does not decode here, and a worker that lies about its cursors may point into the middle of an argument."""
    return sum(frame.startswith(messages.POST_HEAD) for frame in frames)
