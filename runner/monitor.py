"""Hangs and memory, seen from outside: four times a second the supervisor looks where each live worker stands.

The decision is pure: positions, times and CPU seconds in, verdict out. A handler that has been at the same message for
`hang_after` seconds of wall time hangs if it burnt half of that as CPU time; one that burnt less may be starved by a
busy machine or sleeping, and gets STARVED_GRACE times as long.
"""

import os
from dataclasses import dataclass
from typing import Final

PERIOD: Final = 0.25
"""Seconds between two looks. Shorter: hangs end a little sooner; longer: fewer wake-ups of the supervisor."""
STARVED_GRACE: Final = 2.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


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


def cpu_seconds(pid: int) -> float:
    """User and system seconds of a process so far. Raises OSError when it is gone."""
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - a 20 µs path object for a 5 µs read
        fields = file.read().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def own_memory(pid: int) -> int:
    """Resident bytes that are not files or shared memory. Raises OSError when it is gone."""
    with open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123 - as above
        _, resident, shared, *_ = file.read().split()
    return (int(resident) - int(shared)) * _PAGE
