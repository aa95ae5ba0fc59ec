"""Confinement, one kernel feature to a file. `worker.bootstrap` and `worker.zygote` are the lists that use them.

::

    syscalls      the few kernel calls Python 3.11 lacks, typed, through ctypes
    calls         system calls made ready, and forks that make them before any Python
    identity      which unprivileged user root becomes, and how
    namespaces    user, mount, pid, net, ipc, uts, cgroup; id maps; dying with the parent
    root          the private root: read-only binds on a tmpfs, pivot_root, a worker's scratch
    rlimits       what the kernel counts per process
    capabilities  all sets empty, no_new_privs
    landlock      files by path, TCP, scopes
    seccomp       the allow-list, compiled once
    fds           the descriptors a worker keeps
    seeds         randomness and temporary folders that forks must not share

Linux only. Imported by the zygote and by what it forks, never by a mod's author's code on another system.
"""

from ...shared.errors import MachineError


class LayerMissing(MachineError):
    """Raised when the kernel or the machine refuses a layer that the mode asks for. Fails closed: nothing is forked."""

    def __init__(self, layer: str, reason: object, remedy: str) -> None:
        super().__init__(f"{layer}: {reason}. {remedy}")
        self.layer = layer
        self.reason = str(reason)
        self.remedy = remedy
