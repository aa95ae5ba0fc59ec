"""Segments: what a party may do with the memory it was given, and what it may not, whatever it tries."""

import ctypes
import errno
import fcntl
import mmap
import os
from pathlib import Path

import pytest
from fumehood.shared import segment
from fumehood.shared._ring import Segment

SIZE = 32768
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
LIBC.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
LIBC.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
LIBC.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]
MADV_REMOVE = 9


@pytest.fixture
def fd():
    fd = segment.create("test", SIZE)
    yield fd
    os.close(fd)


@pytest.fixture
def reader(fd):
    reader = segment.read_only(fd)
    yield reader
    os.close(reader)


def test_words_and_bytes_are_shared_between_mappings(fd, reader):
    mine, theirs = Segment(fd, SIZE, writable=True), Segment(reader, SIZE, writable=False)
    assert (mine.size, mine.writable, mine.closed) == (SIZE, True, False)
    assert (theirs.size, theirs.writable, theirs.closed) == (SIZE, False, False)
    mine.store32(4, 0xFFFFFFFF)
    mine.store64(8, 2**64 - 1)
    assert (theirs.load32(4), theirs.load64(8)) == (0xFFFFFFFF, 2**64 - 1)
    assert mine.add32(4) == 0, "wraps"
    assert mine.add32(4, 41) == 41
    mine.write(SIZE - 3, b"end")
    assert theirs.read(SIZE - 3, 3) == b"end"
    assert theirs.read(SIZE, 0) == b""
    mine.write(SIZE, b"")


def test_the_descriptor_may_be_closed(fd):
    copy = os.dup(fd)
    one = Segment(copy, SIZE, writable=True)
    os.close(copy)
    one.store32(0, 7)
    assert Segment(fd, SIZE, writable=False).load32(0) == 7


@pytest.mark.parametrize("offset", [-1, -8, SIZE, SIZE - 1, SIZE - 3, 2, 5, 2**31 - 4, 2**63, 2**64, -(2**70)])
def test_every_offset_is_checked(fd, offset):
    one = Segment(fd, SIZE, writable=True)
    for access in (
        lambda: one.load32(offset),
        lambda: one.load64(offset),
        lambda: one.store32(offset, 1),
        lambda: one.store64(offset, 1),
        lambda: one.add32(offset),
        lambda: one.wake(offset),
        lambda: one.wait32(offset, 0, 0),
        lambda: one.read(offset, SIZE),
        lambda: one.write(offset, bytes(SIZE)),
    ):
        with pytest.raises(ValueError):  # noqa: PT011 — "outside" or "not a multiple"
            access()
    assert one.read(0, SIZE) == bytes(SIZE)


def test_values_and_types_are_checked(fd):
    one = Segment(fd, SIZE, writable=True)
    for value in (-1, 2**32):
        with pytest.raises(OverflowError):
            one.store32(0, value)
        with pytest.raises(OverflowError):
            one.add32(0, value)
    for value in (-1, 2**64):
        with pytest.raises(OverflowError):
            one.store64(0, value)
    for wrong in (1.0, None, "0", b"0"):
        with pytest.raises(TypeError):
            one.load32(wrong)
        with pytest.raises(TypeError):
            one.store32(0, wrong)
    for length in (-1, 2**63, -(2**80)):
        with pytest.raises(ValueError, match=r"length|outside"):
            one.read(0, length)
    with pytest.raises(TypeError):
        one.write(0, bytearray(1))
    with pytest.raises(TypeError):
        one.store32(0)
    with pytest.raises(TypeError):
        type("Sub", (Segment,), {})


def test_nothing_writes_through_a_read_only_segment(reader):
    one = Segment(reader, SIZE, writable=False)
    for write in (
        lambda: one.store32(0, 1),
        lambda: one.store64(0, 1),
        lambda: one.add32(0),
        lambda: one.write(0, b"x"),
        one.nudge,
    ):
        with pytest.raises(ValueError, match="read-only"):
            write()


def test_waiting_and_waking_work_through_a_read_only_mapping(reader):
    one = Segment(reader, SIZE, writable=False)
    assert one.wake(0) == 0
    assert one.wait32(0, 1, 10**15) is True, "it already differs"
    assert one.wait32(0, 0, 1000) is False


def test_a_closed_segment_says_so(fd):
    one = Segment(fd, SIZE, writable=True)
    one.close()
    one.close()
    assert one.closed
    for use in (lambda: one.load32(0), lambda: one.write(0, b""), one.nudge, lambda: one.wait32(0, 0, 0)):
        with pytest.raises(ValueError, match="closed"):
            use()


@pytest.mark.parametrize("size", [SIZE - 1, SIZE + 1, 0, -1, 1])
def test_another_size_is_refused(fd, size):
    with pytest.raises(ValueError, match="bytes"):
        Segment(fd, size, writable=True)


def test_a_size_that_may_change_is_refused(tmp_path):
    with (tmp_path / "plain").open("w+b") as plain:
        plain.truncate(SIZE)
        with pytest.raises(ValueError, match="sealed"):
            Segment(plain.fileno(), SIZE, writable=True)
    for seals in (0, fcntl.F_SEAL_SHRINK, fcntl.F_SEAL_GROW):
        fd = os.memfd_create("loose", os.MFD_ALLOW_SEALING)
        os.ftruncate(fd, SIZE)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        with pytest.raises(ValueError, match="sealed"):
            Segment(fd, SIZE, writable=True)
        os.close(fd)


def test_what_is_no_descriptor_is_an_os_error():
    with pytest.raises(OSError, match="Bad file descriptor"):
        Segment(-1, SIZE, writable=True)
    with pytest.raises(TypeError):
        Segment(0, SIZE)  # type: ignore[call-arg]  # the missing keyword is what is tested


def test_the_size_cannot_change(fd):
    for size in (0, SIZE - 1, SIZE + 1):
        with pytest.raises(PermissionError):
            os.ftruncate(fd, size)
    with pytest.raises(PermissionError):
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)


def test_a_reader_cannot_become_a_writer(fd, reader):
    """By any of the ways that work on a read-only mapping of a writable description."""
    with pytest.raises(PermissionError):
        Segment(reader, SIZE, writable=True)
    with pytest.raises(PermissionError):
        mmap.mmap(reader, SIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.pwrite(reader, b"x", 0)
    with pytest.raises(OSError, match=r"Invalid argument|Permission|not permitted"):
        os.ftruncate(reader, 0)
    address = LIBC.mmap(None, SIZE, mmap.PROT_READ, mmap.MAP_SHARED, reader, 0)
    try:
        assert LIBC.mprotect(address, SIZE, mmap.PROT_READ | mmap.PROT_WRITE) == -1
        assert ctypes.get_errno() == errno.EACCES
        assert LIBC.madvise(address, SIZE, MADV_REMOVE) == -1
        assert ctypes.get_errno() == errno.EACCES
    finally:
        LIBC.munmap(ctypes.c_void_p(address), ctypes.c_size_t(SIZE))
    punch = fcntl_punch_hole()
    assert LIBC.fallocate(reader, punch, 0, SIZE) == -1
    assert ctypes.get_errno() == errno.EBADF
    with pytest.raises(OSError, match="Bad file descriptor"):
        segment.release(reader, SIZE)
    Segment(fd, SIZE, writable=True).store32(0, 1)
    assert os.pread(reader, 1, 0) == b"\x01", "the writer still writes"


def fcntl_punch_hole() -> int:
    keep_size, punch_hole = 1, 2
    return keep_size | punch_hole


def blocks(fd: int) -> int:
    return os.fstat(fd).st_blocks


def test_memory_is_allocated_in_full_and_given_back(fd):
    assert blocks(fd) == 0
    segment.allocate(fd, SIZE)
    assert blocks(fd) * 512 == SIZE
    one = Segment(fd, SIZE, writable=True)
    one.write(100, b"old")
    segment.release(fd, SIZE)
    assert blocks(fd) == 0
    assert one.read(100, 3) == bytes(3), "the next worker sees none of it"


def test_frozen_bytes_can_never_change():
    fd = segment.frozen("test", b"data" * 5000)
    try:
        assert segment.read_all(fd, 20000) == b"data" * 5000
        assert fcntl.fcntl(fd, fcntl.F_GET_SEALS) & segment.ALL_SEALS == segment.ALL_SEALS
        assert not os.get_inheritable(fd)
        writer = os.open(f"/proc/self/fd/{fd}", os.O_RDWR)
        with pytest.raises(PermissionError):
            os.write(writer, b"x")
        os.close(writer)
        with pytest.raises(ValueError, match="20000 of 20001"):
            segment.read_all(fd, 20001)
    finally:
        os.close(fd)
    empty = segment.frozen("test", b"")
    assert segment.read_all(empty, 0) == b""
    os.close(empty)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_descriptors_do_not_leak_when_making_one_fails():
    before = open_descriptors()
    with pytest.raises(OSError, match="Invalid argument"):
        segment.create("test", -1)
    with pytest.raises(TypeError):
        segment.frozen("test", "text")  # type: ignore[arg-type]  # what is tested
    assert open_descriptors() == before
