"""Reads the library from the disk itself, past the page cache, as often as it likes: the disk's time is nobody's limit."""

FULL = "EPERM", "seccomp"
LACKING = {"EINVAL": "a file system with direct reads"}


def attack():
    fd = os.open(os.__file__, os.O_RDONLY | os.O_DIRECT)
    room = mmap(4096)
    return [syscall("pread64", fd, room, 4096, 0) for _ in range(10)]
