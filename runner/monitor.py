"""Hangs and memory, seen from outside: four times a second the supervisor looks where each live worker stands.

The decision is pure: positions, times and CPU seconds in, verdict out. A handler that has been at the same message for
`hang_after` seconds of wall time hangs if it burnt half of that as CPU time; one that burnt less may be starved by a
busy machine or sleeping, and gets STARVED_GRACE times as long.
"""

from dataclasses import dataclass
from typing import Final

import psutil

from ..shared import segment
from ..shared.policy import Limits

PERIOD: Final = 0.25
"""Seconds between two looks. Shorter: hangs end a little sooner; longer: fewer wake-ups of the supervisor."""
STARVED_GRACE: Final = 2.0
_STATUS: Final = 1 << 16
"""Bytes of /proc/PID/status read at once: 1.5 KiB as a rule, but it lists all groups of the user."""


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


def lent(limits: Limits) -> int:
    """The most shared memory that a worker can map of what it was given: bytes.

    Its two rings, what it inherits (as much as a ring holds), the files and the state it was handed, the memory to hand
    it on in; and its scratch, which has a limit of its own. Anything more is a hole in the sandbox.
    """
    rings = 3 * segment.ring_segment_size(limits.ring_bytes)
    return rings + limits.snapshot_bytes + 2 * limits.state_bytes + limits.scratch_bytes


def sample(process: psutil.Process, lent: int = 0) -> tuple[float, int]:
    """(CPU seconds so far, resident bytes of its own) of a process, in about 35 µs.

    Its own is what no file on a disk backs: private memory, and shared memory beyond the `lent` bytes. Raises
    psutil.Error when it is gone. Resident memory holds what is still shared with the zygote: compare with a first
    sample, taken before any mod code ran.

    From `status`, since `statm` counts shared memory with the files.
    """
    times = process.cpu_times()
    try:
        with open(f"/proc/{process.pid}/status", "rb", buffering=0) as file:  # noqa: PTH123 (half of the time of a Path)
            status = file.read(_STATUS)
    except (FileNotFoundError, ProcessLookupError):
        raise psutil.NoSuchProcess(process.pid) from None
    return times.user + times.system, _kib(status, b"RssAnon") + max(0, _kib(status, b"RssShmem") - lent)


def _kib(status: bytes, name: bytes) -> int:
    """One line's bytes; 0: there is no such line, the process has ended. A process names itself, but has no newline."""
    _, found, rest = status.partition(b"\n%s:" % name)
    return int(rest.partition(b" kB")[0]) * 1024 if found else 0
