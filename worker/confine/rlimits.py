"""What the kernel counts per process. The supervisor may lower it from outside for one mod; nobody can raise it."""

import os
import resource
from pathlib import Path

from ...shared.policy import MIB, Limits

_FIXED = {
    resource.RLIMIT_CORE: 1,
    # 0 would not stop a core_pattern that is a pipe; 1 stops both (a file would be shorter than the shortest dump).
    resource.RLIMIT_NPROC: 0,
    # A second bound under seccomp's refusal of clone and fork. Counts all workers' uid together, hence 0 and not N.
    resource.RLIMIT_STACK: 8 * MIB,
    # Less breaks deep C recursion (regular expressions, pickles) that runs in the game; more only eats address space.
    resource.RLIMIT_MEMLOCK: 0,
    resource.RLIMIT_MSGQUEUE: 0,
    resource.RLIMIT_NICE: 0,
    resource.RLIMIT_RTPRIO: 0,
    resource.RLIMIT_SIGPENDING: 64,
    # Signals queued; the faulthandler's request for a stack needs one.
}


def apply(limits: Limits, base: int) -> None:
    """In a worker: set soft and hard alike. `base`: the zygote's address space, bytes: what a worker starts with."""
    wanted = {
        resource.RLIMIT_AS: base + limits.memory,
        resource.RLIMIT_NOFILE: limits.files,
        resource.RLIMIT_FSIZE: limits.file_size,
        resource.RLIMIT_CPU: limits.cpu_total,
        **_FIXED,
    }
    for which, value in wanted.items():
        hard = resource.getrlimit(which)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(which, (value, value))


def address_space() -> int:
    """VmSize of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def raise_descriptors() -> None:
    """In the zygote: as many descriptors as it may have. It holds one for each worker; workers get fewer."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def volunteer_for_oom() -> None:
    """In the zygote: when memory runs out, the kernel takes us before the game. Inherited by workers.

    Short of the 1000 that the supervisor gives each worker from outside, so that a worker goes before the zygote.
    """
    Path("/proc/self/oom_score_adj").write_text("800")
