"""What the kernel counts per process. The supervisor may lower it from outside for one mod; nobody can raise it."""

import os
import resource
import struct
from pathlib import Path
from typing import Final

from ...shared.policy import MIB, Limits
from .calls import Call, call

INHERITED: Final = {
    resource.RLIMIT_CORE: 1,
    # 0 would not stop a core_pattern that is a pipe; 1 stops both (a file would be shorter than the shortest dump).
    resource.RLIMIT_STACK: 8 * MIB,
    # Less breaks deep C recursion (regular expressions, pickles) that runs in the game; more only eats address space.
    resource.RLIMIT_MEMLOCK: 0,
    resource.RLIMIT_MSGQUEUE: 0,
    resource.RLIMIT_NICE: 0,
    resource.RLIMIT_RTPRIO: 0,
    resource.RLIMIT_SIGPENDING: 64,
    # Signals queued; the faulthandler's request for a stack needs one.
}
"""Those that suit the zygote as well: set there, once."""


def prepare() -> None:
    """In the zygote: what its workers inherit; and as many descriptors as it may have, since it holds one for each."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for which, value in INHERITED.items():
        lowered = _lowered(which, value)
        resource.setrlimit(which, (lowered, lowered))


def lower(limits: Limits, base: int) -> list[Call]:
    """In a worker: set soft and hard alike. `base`: the zygote's address space, bytes: what a worker starts with."""
    values = {
        resource.RLIMIT_AS: base + limits.memory,
        resource.RLIMIT_NOFILE: limits.files,
        resource.RLIMIT_FSIZE: limits.file_size,
        resource.RLIMIT_CPU: limits.cpu_total,
        resource.RLIMIT_NPROC: 0,
        # Under seccomp's refusal of clone and fork. It counts all workers' uid together: hence 0 and not N.
    }
    return [
        call("rlimits", "prlimit64", 0, which, struct.pack("QQ", *[_lowered(which, value)] * 2), 0)
        for which, value in values.items()
    ]


def _lowered(which: int, value: int) -> int:
    """`value`, or this process's hard limit, which its forks inherit, where that is lower already."""
    hard = resource.getrlimit(which)[1]
    return value if hard == resource.RLIM_INFINITY else min(value, hard)


def address_space() -> int:
    """VmSize of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def volunteer_for_oom() -> None:
    """In the zygote: when memory runs out, the kernel takes us before the game. Inherited by workers.

    Short of the 1000 that the supervisor gives each worker from outside, so that a worker goes before the zygote.
    """
    Path("/proc/self/oom_score_adj").write_text("800")
