"""Memory that crosses a process boundary: memfds whose size cannot change, and descriptions that can only read.

Why sealed: a peer that can truncate a shared file kills whoever touches it with SIGBUS. Why allocated in full first:
so does a tmpfs that is full. Why a *description* of its own for readers: a read-only mapping of a read-write one can be
mprotect-ed back to writable.
"""

import fcntl
import os
from typing import Final

from ._ring import LETTER, RING

CLOCK_WORD: Final = LETTER - 128
"""Where a worker whose game keeps its own time says in `up` what its clocks show: what it leaves unread is of then."""
SIZE_SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
ALL_SEALS: Final = SIZE_SEALS | fcntl.F_SEAL_WRITE
_FALLOC_FL_KEEP_SIZE: Final = 1
_FALLOC_FL_PUNCH_HOLE: Final = 2


def ring_segment_size(ring_bytes: int) -> int:
    """Size in bytes of a segment whose ring holds `ring_bytes`."""
    return RING + ring_bytes


def create(name: str, size: int) -> int:
    """Make a memfd of exactly `size` zero bytes whose size is sealed; nothing is allocated yet. Returns the descriptor.

    Raises OSError (descriptors or memory are used up).
    """
    fd = os.memfd_create(f"fumehood:{name}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, size)
        os.fchmod(fd, 0o400)  # else whoever holds a read-only description opens /proc/self/fd/N for writing
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SIZE_SEALS)
    except BaseException:
        os.close(fd)
        raise
    return fd


def allocate(fd: int, size: int) -> None:
    """Back the first `size` bytes with memory, so that no later touch can fail. Raises OSError when there is none."""
    os.posix_fallocate(fd, 0, size)


def release(fd: int, size: int) -> None:
    """Give the memory back and leave zeros (punches a hole; size seals allow that). Needs a writable description.

    For the supervisor, once nobody uses the segment any more. Raises OSError.
    """
    import ctypes  # here: only the supervisor punches holes, and a game need not pay for ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]  # off_t is a long
    if libc.fallocate(fd, _FALLOC_FL_KEEP_SIZE | _FALLOC_FL_PUNCH_HOLE, 0, size):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def frozen(name: str, data: bytes) -> int:
    """Make a memfd that holds `data` and can never change: all seals. Returns a read-only description of it.

    Raises OSError (descriptors or memory are used up).
    """
    fd = os.memfd_create(f"fumehood:{name}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.fchmod(fd, 0o400)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, ALL_SEALS)
        return read_only(fd)
    finally:
        os.close(fd)


def read_only(fd: int) -> int:
    """Open the same memory again, for reading only: mmap(PROT_WRITE), mprotect and fallocate fail on what it gives.

    Needs /proc, so it is for the trusted side. Raises OSError.
    """
    return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)


def read_all(fd: int, size: int) -> bytes:
    """Read exactly `size` bytes from the start, wherever the offset is.

    Raises OSError, and ValueError when the file is shorter.
    """
    parts = []
    position = 0
    while position < size:
        part = os.pread(fd, size - position, position)
        if not part:
            raise ValueError(f"the file ends after {position} of {size} bytes")
        parts.append(part)
        position += len(part)
    return b"".join(parts)
