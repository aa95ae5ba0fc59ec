"""openat2(2): open a path so that no link in it leads out of a folder. Linux 5.6 and later; Python has no call for it.

Why not realpath and compare: between the check and the open the path may become a link. The kernel checks while it
walks.
"""

import ctypes
import errno
import os
from collections.abc import Callable
from functools import cache
from typing import Final

from ..shared.errors import MachineError

BENEATH: Final = 0x08
"""RESOLVE_BENEATH: fail with EXDEV where `..`, an absolute path or a link would leave the folder."""
NO_SYMLINKS: Final = 0x04
"""RESOLVE_NO_SYMLINKS: fail with ELOOP at any symbolic link."""
NO_MAGICLINKS: Final = 0x02
"""RESOLVE_NO_MAGICLINKS: fail with ELOOP at links like those in /proc/self/fd."""

_NUMBER: Final = 437  # the same on every architecture Python's wheels are built for (alpha alone counts from 547)
_TRIES: Final = 16  # a rename or mount elsewhere at that moment makes the kernel give up with EAGAIN; it asks to retry


class _How(ctypes.Structure):
    """`struct open_how`, 24 bytes."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


@cache
def _syscall() -> Callable[..., int]:
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    syscall.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(_How), ctypes.c_size_t)
    return syscall


def openat2(folder: int, path: str, flags: int, resolve: int = BENEATH | NO_MAGICLINKS) -> int:
    """Open `path` relative to the descriptor `folder`; O_CLOEXEC is added. Returns a new descriptor.

    Raises OSError with the kernel's number (ELOOP, EXDEV: a link that `resolve` forbids), and MachineError when the
    kernel, or a container's filter, does not know the call.
    """
    name = os.fsencode(path)
    if b"\0" in name:
        raise OSError(errno.EINVAL, "a path cannot hold a NUL byte", path)
    how = _How(flags | os.O_CLOEXEC, 0, resolve)
    number = 0
    for _ in range(_TRIES):
        fd = _syscall()(_NUMBER, folder, name, ctypes.byref(how), ctypes.sizeof(how))
        if fd >= 0:
            return fd
        number = ctypes.get_errno()
        if number not in {errno.EAGAIN, errno.EINTR}:
            break
    if number in {errno.ENOSYS, errno.EPERM}:
        raise MachineError(
            number,
            "openat2 is not available: it needs Linux 5.6 or later, and a container runtime that lets it through "
            "(Docker 20.10.6 or later with libseccomp 2.5)",
        )
    raise OSError(number, os.strerror(number), path)
