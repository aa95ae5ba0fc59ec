"""Looks at one worker from outside, four times a second: does it hang, is it too large, does it burn CPU in secret?

What a worker says of itself (`started`, `done`) is believed only where believing it costs nothing: one that claims to
be at rest is sampled too, less often, and CPU time that it then uses is a lie found out.
"""

from enum import Enum, auto
from typing import Final, NamedTuple

import psutil

from ..shared.states import Stage
from . import estates, monitor
from .seat import Seat

IDLE_PERIOD: Final = 5.0
"""Seconds between two samples of a worker that does nothing by its own account. Shorter costs work for idle mods;
longer: one that only claims to be idle can grow, or burn a core, for longer."""
REST_SHARE: Final = 0.1
"""CPU seconds a second that a worker at rest may use: for a last checkpoint of a large state, or a collection."""
POLLING: Final = 100e-6 / 64
"""CPU seconds a byte of messages read that are not the mod's own: a worker may poll up to 100 µs for the next message,
and 64 bytes stand for a message. A game that calls back to back keeps the worker's core busy, and is welcome to."""
WORN: Final = 0.7
"""The part of `cpu_total` after which a fresh worker takes over. Smaller: more renewals; larger: one that is slow to
load comes too late. And on a busy machine the kernel is ahead of what it tells: RLIMIT_CPU counts whole ticks (Linux,
kernel/time/posix-cpu-timers.c), /proc the time that was run; 3 s of ticks were 2.72 to 2.80 s beside six others."""


MOST_WAITS: Final = 10
"""Longest waits for answers that one message may take, before it counts as hanging after all. Fewer: handlers that ask
much of a slow game are killed; more: one that asks for ever goes on for longer."""
PAUSED: Final = 4 * monitor.PERIOD
"""Seconds between two looks after which a handler's time is counted anew."""


class Duty(Enum):
    """What a worker may be doing."""

    LOADING = auto()
    """A candidate before Ready, or one taking its state in: each stage has a deadline of its own."""
    SERVING = auto()
    PARKED = auto()
    """Nothing: a standby, or a candidate that waits for the game."""
    DRAINING = auto()
    """Finishing what it was sent: `drain_timeout` bounds that."""


class Breach(NamedTuple):
    """A limit that was crossed."""

    limit: str
    stage: str
    what: str


class Patrol:
    """What was seen of one worker the last time."""

    def __init__(self) -> None:
        self.resident = 0
        """Bytes of the worker's memory, as sampled last."""
        self.cpu = 0.0
        """CPU seconds of its whole life, as sampled last."""
        self._sighting: monitor.Sighting | None = None
        self._query = (0, 0.0)
        """Number of the query that it was seen waiting with, and since when."""
        self._asks_within = ((-1, -1), 0.0)
        """The message in which it was seen asking, and since when."""
        self._position = (-1, -1)
        self._duty: Duty | None = None
        self._excused = 0.0
        """When it was last known to have a reason not to have read its commands."""
        self._sampled = self._looked = 0.0
        self._window: tuple[float, float, int] | None = None
        """(time, CPU seconds, bytes done) at which the window for `cpu_share` opened."""

    def worn(self, cpu_total: float) -> bool:
        """Whether it has used most of the CPU seconds that the kernel gives one process."""
        return self.cpu >= WORN * cpu_total

    def look(self, seat: Seat, duty: Duty, stage: str, now: float, views: int = 0) -> Breach | None:
        """One look; None: nothing to complain of. `stage`: what it is at; `now`: monotonic seconds;
        `views`: bytes of the game's views that it may have mapped."""
        if seat.slot is None or seat.process is None:
            return None
        if now - self._looked > PAUSED:  # this process did not run: no evidence against one that may not have either
            self._sighting = None
            self._excused = now
        self._looked = now
        known = duty is self._duty
        if not known:
            self._excused = now
        elif (deaf := self._deaf(seat, duty, now)) is not None:
            return deaf
        if duty is Duty.PARKED:
            if known and now - self._sampled < IDLE_PERIOD:
                return None
            busy, position = False, self._position
        else:
            position = seat.slot.progress()
            # One that is at nothing, by its own account, and leaves its messages unread is stuck, or lies about `done`.
            busy = duty is Duty.SERVING and (position[0] != position[1] or seat.slot.neglected())
            if not busy:
                self._sighting = None
                idle = duty is Duty.SERVING and position == self._position
                if known and idle and now - self._sampled < IDLE_PERIOD:
                    return None
        rested = known and duty in (Duty.PARKED, Duty.SERVING) and not busy and position == self._position
        before, since = self.cpu, self._sampled
        self._position, self._duty, self._sampled = position, duty, now
        try:
            self.cpu, self.resident = monitor.sample(seat.process, monitor.lent(seat.limits) + views)
        except (psutil.Error, OSError):  # it is going, its exit is on the way; or we are out of descriptors just now
            return None
        if duty is Duty.SERVING and seat.slot.progress() != position:
            rested = False  # it began a message before it was sampled: a busy machine may hold us up between the two
        return (
            self._too_large(seat, stage)
            or (self._restless(before, since, now) if rested else None)
            or (self._over_its_share(seat, position[0], now) if duty is Duty.SERVING else None)
            or (self._hanging(seat, position, now) if busy and not self._asks(seat, now) else None)
        )

    def _deaf(self, seat: Seat, duty: Duty, now: float) -> Breach | None:
        """Commands lie unread for longer than one message may take: that is at the cost of others, see `outbox`."""
        if seat.worker is None or duty not in (Duty.PARKED, Duty.SERVING):
            return None
        lain = min(seat.worker.unread_for(now), now - self._excused)
        if lain <= monitor.STARVED_GRACE * seat.limits.hang_after + MOST_WAITS * seat.limits.query_timeout:
            return None
        return Breach("hang_after", Stage.RUN, f"its commands lay unread for {lain:.1f} s")

    def _too_large(self, seat: Seat, stage: str) -> Breach | None:
        grown = self.resident - seat.memory_base
        if grown <= seat.limits.resident:
            return None
        return Breach("resident", stage, f"it grew by {grown >> 20} MiB of memory")

    def _restless(self, cpu: float, since: float, now: float) -> Breach | None:
        """It had nothing to do since the last sample, and said so."""
        if self.cpu - cpu <= REST_SHARE * (now - since):
            return None
        what = f"it used {self.cpu - cpu:.1f} s of CPU in {now - since:.1f} s in which it had nothing to do"
        return Breach("cpu_share", Stage.RUN, what)

    def _over_its_share(self, seat: Seat, done: int, now: float) -> Breach | None:
        if self._window is None:
            self._window = now, self.cpu, done
            return None
        since, cpu, begun = self._window
        if now - since < seat.limits.cpu_window:
            return None
        self._window = now, self.cpu, done
        share = (self.cpu - cpu - POLLING * (done - begun)) / (now - since)
        if share <= seat.limits.cpu_share:
            return None
        return Breach("cpu_share", Stage.RUN, f"it used {share:.0%} of a CPU over {now - since:.1f} s")

    def _asks(self, seat: Seat, now: float) -> bool:
        """Whether it waits for the game's answer to a query, which is not its own slowness. By its own account: so one
        query counts for as long as an honest one would wait, and in one message no more than MOST_WAITS of those."""
        asking = seat.slot.asking() if seat.slot is not None else 0
        if asking != self._query[0]:
            self._query = asking, now
        if self._position != self._asks_within[0]:
            self._asks_within = self._position, now
        patience = seat.limits.query_timeout
        if not asking or now - self._query[1] > patience + monitor.PERIOD:
            return False
        if now - self._asks_within[1] > MOST_WAITS * patience:
            return False
        self._sighting = None
        return True

    def _hanging(self, seat: Seat, position: tuple[int, int], now: float) -> Breach | None:
        where = seat.attempt, *position
        if self._sighting is None or self._sighting.position != where:
            self._sighting = monitor.Sighting(where, now, self.cpu)
            return None
        if not monitor.hangs(self._sighting, now, self.cpu, seat.limits.hang_after):
            return None
        ran = now - self._sighting.since
        self._sighting = None
        event = estates.event_of(seat.in_hand())
        what = f"its handler of {event!r} was still running" if event else "its messages lay unread"
        return Breach("hang_after", Stage.RUN, f"{what} after {ran:.1f} s")
