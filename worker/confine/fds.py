"""The descriptors of a worker: 0 reads nothing, 1 and 2 are its stderr pipe, 3 its command socket. No other.

0 is a pipe of the worker's own that nobody writes to. Whatever all workers shared would be a way from mod to mod: one
that may not write to a file or device can still set its times or touch them by reading, and another reads those. That
goes for the host's /dev/null, and for a sealed memfd of the zygote's no less.
"""

import fcntl
import os
from typing import Final

from . import syscalls

COMMANDS: Final = 3


def arrange(errors: int, commands: int) -> None:
    """In a worker: put the three in their places and close every other descriptor, whatever it was."""
    nothing, write_end = os.pipe2(os.O_CLOEXEC)
    os.close(write_end)  # what is read is the end of the file
    sources = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, COMMANDS + 1) for fd in (nothing, errors, errors, commands)]
    for target, source in enumerate(sources):
        os.dup2(source, target, inheritable=False)
    syscalls.close_range(COMMANDS + 1)
