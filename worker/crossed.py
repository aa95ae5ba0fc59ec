"""Which of its limits a mod has met, or that it is confined: for its own errors, where they can mean nothing else.

Friendly words: the kernel holds these limits, and a mod that raises such an error itself misleads its author alone.
"""

import errno
import os
from typing import Final

from ..shared.policy import Limits

_limits = Limits()
_scratch = ""

THREAD: Final = "can't start new thread"
"""All that Python says of it."""
REFUSED: Final = "(mods are confined: no sockets, no other processes, no changes to the system)"
"""Of what seccomp refuses. With a path it is the file system's word, which says enough."""


def hold_to(limits: Limits, scratch: str) -> None:
    """Worker: these hold from now on. `scratch`: the folder of its own."""
    global _limits, _scratch
    _limits, _scratch = limits, scratch


def cite(*names: str) -> str:
    """The limits of that name, with their values: see Limits.cite."""
    return _limits.cite(*names)


def met(error: BaseException) -> str:
    """The limit that an error comes from, as `cite` says it, or the confinement; "": none, or it cannot be told."""
    if type(error) is RuntimeError and error.args == (THREAD,):
        return "(a mod is one process with one thread)"
    if type(error) is PermissionError and error.errno == errno.EPERM and error.filename is None:
        return REFUSED
    if type(error) is MemoryError:
        return cite("memory")
    number = error.errno if type(error) is OSError else None  # a subclass may be the mod's, and so may its errno
    if number == errno.EMFILE:
        return cite("files")
    if number == errno.EFBIG:
        return cite("file_size")
    if number == errno.ENOMEM:
        return cite("memory")
    return _full() if number == errno.ENOSPC else ""


def _full() -> str:
    """What of the scratch is used up; in the reduced mode it is the host's disk, which no limit of the mod's is."""
    try:
        disk = os.statvfs(_scratch)
    except OSError:
        return ""
    if disk.f_files != _limits.scratch_inodes + 1:  # its root counts; else it is no tmpfs that was mounted for this mod
        return ""
    if disk.f_ffree == 0:
        return cite("scratch_inodes")
    if disk.f_bfree == 0:
        return cite("scratch_bytes")
    return cite("scratch_bytes", "scratch_inodes")  # what did not fit is gone again
