"""How the supervisor and all below it are scheduled beside the game: in longer slices, so that the game comes first.

From Linux 6.12 on whoever wakes with a shorter slice preempts one that runs in a longer one. Without it a supervisor
that had just begun to look at twenty workers kept a game from the only core left for 3 ms (sched_switch showed it).
"""

import ctypes
import os
import platform
import struct
from typing import Final

SLICE_NS: Final = 5_000_000
"""More than any kernel's default, which is 0.7 to 2.8 ms by the number of CPUs."""
_NUMBER: Final = {"x86_64": 314, "aarch64": 274}.get(platform.machine())
_ATTR: Final = struct.Struct("=IIQiIQQQ")
"""`struct sched_attr`: size, policy, flags, nice, priority, runtime, deadline, period. sched_setattr(2)."""


def lengthen() -> bool:
    """Ask for them, for this process and what it forks from now on. Returns whether they were granted.

    Where they are not, a frame may last a slice longer: worth nothing more than that. Older kernels grant them and
    do not heed them. A policy or a niceness that somebody gave this process stays.
    """
    if _NUMBER is None or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    wanted = _ATTR.pack(_ATTR.size, os.SCHED_OTHER, 0, nice, 0, SLICE_NS, 0, 0)
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    return bool(syscall(ctypes.c_long(_NUMBER), ctypes.c_int(0), wanted, ctypes.c_uint(0)) == 0)
