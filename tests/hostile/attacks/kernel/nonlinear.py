"""Turns the pages of a mapping about, by remap_file_pages, long given up and still there."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "remap_file_pages"}


def attack():
    with open("paged", "w+b") as file:
        file.truncate(8192)
        place = mmap(8192, 3, 1, file.fileno())
    return syscall("remap_file_pages", place, 4096, 0, 1, 0)
