"""Gives memory advice that is forbidden to madvise, here to cut a hole, through the call that advises other processes."""

FULL = "EPERM", "seccomp"
LACKING = {
    "EBADF": "descriptors of oneself",
    "ENOSYS": "process_madvise",
    "EINVAL": "all advice to oneself",
    "EOPNOTSUPP": "holes in files",
}


def attack():
    with open("shared", "w+b") as file:
        file.truncate(4096)
        place = mmap(4096, 3, 1, file.fileno())
    return syscall("process_madvise", -10001, struct.pack("QQ", place, 4096), 1, 9, 0)  # PIDFD_SELF, MADV_REMOVE
