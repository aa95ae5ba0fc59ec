"""Looks at one mod's live worker from outside, four times a second: does it hang, is it too large?"""

from typing import NamedTuple

import psutil

from ..shared.states import Stage
from . import estates, monitor
from .seat import Seat


class Breach(NamedTuple):
    """A limit that was crossed."""

    limit: str
    stage: str
    what: str


class Patrol:
    """What was seen of one mod the last time. Only workers that did something since are looked at."""

    def __init__(self) -> None:
        self.resident = 0
        """Bytes of the worker's own memory, as sampled last."""
        self._sighting: monitor.Sighting | None = None
        self._position: tuple[int, int, int] = (-1, -1, -1)

    def look(self, seat: Seat | None, now: float) -> Breach | None:
        """One look at the worker that serves; None: nothing to complain of. `now`: monotonic seconds."""
        if seat is None or seat.slot is None or seat.process is None:
            self._sighting = None
            return None
        done, started = seat.slot.progress()
        position = (seat.attempt, done, started)
        busy = done != started
        if not busy:
            self._sighting = None
            if position == self._position:
                return None
        self._position = position
        try:
            cpu, self.resident = monitor.sample(seat.process)
        except psutil.Error:
            return None  # it is going: its exit is on the way
        grown = self.resident - seat.memory_base
        if grown > seat.limits.resident:
            return Breach("resident", Stage.RUN, f"it grew by {grown >> 20} MiB of memory")
        if not busy:
            return None
        if self._sighting is None or self._sighting.position != position:
            self._sighting = monitor.Sighting(position, now, cpu)
        elif monitor.hangs(self._sighting, now, cpu, seat.limits.hang_after):
            ran = now - self._sighting.since
            self._sighting = None
            event = estates.event_of(seat.in_hand())
            return Breach("hang_after", Stage.RUN, f"its handler of {event!r} was still running after {ran:.1f} s")
        return None
