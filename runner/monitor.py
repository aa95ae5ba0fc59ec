"""Hangs and memory, seen from outside: four times a second the supervisor looks where each live worker stands.

The decision is pure: positions, times and CPU seconds in, verdict out. A handler that has been at the same message for
`hang_after` seconds of wall time hangs if it burnt half of that as CPU time; one that burnt less may be starved by a
busy machine or sleeping, and gets STARVED_GRACE times as long.
"""

from dataclasses import dataclass
from typing import Final

import psutil

PERIOD: Final = 0.25
"""Seconds between two looks. Shorter: hangs end a little sooner; longer: fewer wake-ups of the supervisor."""
STARVED_GRACE: Final = 2.0


@dataclass(frozen=True, slots=True)
class Sighting:
    """A worker seen with a message in hand for the first time."""

    position: tuple[int, int, int]
    """Attempt, done, started."""
    since: float
    cpu: float


def hangs(sighting: Sighting, now: float, cpu: float, hang_after: float) -> bool:
    """Whether what was sighted is by now a hang. `cpu`: the worker's CPU seconds by now."""
    wall = now - sighting.since
    return wall >= hang_after and (cpu - sighting.cpu >= hang_after / 2 or wall >= hang_after * STARVED_GRACE)


def sample(process: psutil.Process) -> tuple[float, int]:
    """(CPU seconds so far, resident bytes that are not files or shared memory) of a process, in about 40 µs.

    Raises psutil.Error when it is gone. Resident memory holds what is still shared with the zygote: compare with a
    first sample, taken before any mod code ran.
    """
    with process.oneshot():
        times, memory = process.cpu_times(), process.memory_info()
    return times.user + times.system, memory.rss - memory.shared
