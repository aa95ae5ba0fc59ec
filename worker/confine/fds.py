"""The descriptors of a worker: 0 reads nothing, 1 and 2 are its stderr pipe, 3 its command socket. No other."""

import fcntl
import os
from typing import Final

from . import syscalls

COMMANDS: Final = 3


def arrange(null: int, errors: int, commands: int) -> None:
    """In a worker: put the three in their places and close every other descriptor, whatever it was."""
    sources = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, COMMANDS + 1) for fd in (null, errors, errors, commands)]
    for target, source in enumerate(sources):
        os.dup2(source, target, inheritable=False)
    syscalls.close_range(COMMANDS + 1)
