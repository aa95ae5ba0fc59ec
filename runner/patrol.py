"""Looks at one mod's live worker from outside, four times a second: does it hang, is it too large?"""

from typing import Final, NamedTuple

import psutil

from ..shared.states import Stage
from . import estates, monitor
from .seat import Seat

IDLE_PERIOD: Final = 5.0
"""Seconds between two samples of a worker that does nothing by its own account. Shorter costs work for idle mods;
longer: one that only claims to be idle can grow for longer."""


class Breach(NamedTuple):
    """A limit that was crossed."""

    limit: str
    stage: str
    what: str


class Patrol:
    """What was seen of one mod the last time. Workers at rest are looked at rarely."""

    def __init__(self) -> None:
        self.resident = 0
        """Bytes of the worker's own memory, as sampled last."""
        self._sighting: monitor.Sighting | None = None
        self.attempt = 0
        """Whose memory that is."""
        self._position: tuple[int, int, int] = (-1, -1, -1)
        self._sampled = 0.0
        self._window: tuple[float, float] | None = None
        """(time, CPU seconds) at which the window for `cpu_share` opened."""

    def look(self, seat: Seat | None, now: float) -> Breach | None:
        """One look at the worker that serves; None: nothing to complain of. `now`: monotonic seconds."""
        if seat is None or seat.slot is None or seat.process is None:
            self._sighting = None
            return None
        done, started = seat.slot.progress()
        position = (seat.attempt, done, started)
        # One that is at nothing, by its own account, and leaves its messages unread is stuck, or lies about `done`.
        busy = done != started or seat.slot.neglected()
        if not busy:
            self._sighting = None
            if position == self._position and now - self._sampled < IDLE_PERIOD:
                return None
        self._position, self._sampled = position, now
        if seat.attempt != self.attempt:
            self.attempt, self._window = seat.attempt, None
        try:
            cpu, self.resident = monitor.sample(seat.process)
        except (psutil.Error, OSError):  # it is going, its exit is on the way; or we are out of descriptors just now
            return None
        grown = self.resident - seat.memory_base
        if grown > seat.limits.resident:
            return Breach("resident", Stage.RUN, f"it grew by {grown >> 20} MiB of memory")
        if self._window is None:
            self._window = now, cpu
        elif now - self._window[0] >= seat.limits.cpu_window:
            share = (cpu - self._window[1]) / (now - self._window[0])
            self._window = now, cpu
            if share > seat.limits.cpu_share:
                return Breach("cpu_share", Stage.RUN, f"it used {share:.0%} of a CPU over {seat.limits.cpu_window:g} s")
        if not busy:
            return None
        if self._sighting is None or self._sighting.position != position:
            self._sighting = monitor.Sighting(position, now, cpu)
        elif monitor.hangs(self._sighting, now, cpu, seat.limits.hang_after):
            ran = now - self._sighting.since
            self._sighting = None
            event = estates.event_of(seat.in_hand())
            what = f"its handler of {event!r} was still running" if event else "its messages lay unread"
            return Breach("hang_after", Stage.RUN, f"{what} after {ran:.1f} s")
        return None
