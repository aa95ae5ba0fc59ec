"""Which unprivileged user root becomes. An ordinary user stays who they are."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from . import LayerMissing, syscalls

UNPRIVILEGED: Final = 1_970_000_001
"""A uid and gid nobody has: above the ranges of systemd, of containers and of subuids, below 2**31."""


def unprivileged_id() -> int:
    """The uid to become: `UNPRIVILEGED`, or in a container with a short map the highest id that is mapped.

    0: no other is, since an ordinary user made this user namespace for itself; its root is that user, and may stay.
    """
    highest = 0
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        inside, _, count = map(int, line.split())
        if inside <= UNPRIVILEGED < inside + count:
            return UNPRIVILEGED
        highest = max(highest, inside + count - 1)
    return highest


def as_unprivileged(ask: Callable[[], object]) -> bool:
    """Whether `ask()` is true for the user that root would become. Asked in a fork, since there is no way back.

    False too where root cannot become that: `drop_root` raises then, and says why.
    """
    child = os.fork()
    if child == 0:
        status = 2
        try:
            drop_root()
            status = bool(ask())
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def drop_root(keep_file_access: bool = False) -> None:
    """In the zygote, as root: become nobody in particular. Capabilities go with the uid.

    `keep_file_access`: files go on being judged as root's own (fsuid), without its power to override: in the reduced
    mode an interpreter under /root could not be read otherwise. Landlock says which files.
    """
    if not (new := unprivileged_id()):
        return
    try:
        if keep_file_access:
            syscalls.prctl(syscalls.PR_SET_SECUREBITS, _NO_SETUID_FIXUP)
        os.setgroups([])
        os.setresgid(new, new, new)
        os.setresuid(new, new, new)
        if keep_file_access:
            syscalls.setfsid(0, 0)
        # A change of uid makes the process undumpable: its /proc files turn root's, uid_map with them.
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)
    except OSError as error:
        raise LayerMissing(
            "unprivileged user",
            error.strerror,
            "Run fumehood as an ordinary user, or give the container CAP_SETUID, CAP_SETGID.",
        ) from error


_NO_SETUID_FIXUP: Final = 1 << 2
"""Keeps the capabilities over setresuid, so that setfsuid is still allowed; `capabilities.drop_all` takes them then."""
