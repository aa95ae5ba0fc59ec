"""Puts a filter of its own before the others, and answers its own calls as if the kernel had."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "seccomp", "EINVAL": "seccomp's listeners", "EBUSY": "room for another listener"}


def attack():
    libc.prctl(38, 1, 0, 0, 0)  # no_new_privs
    allow = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7FFF0000))
    return syscall("seccomp", 1, 8, struct.pack("HxxxxxxQ", 1, ctypes.addressof(allow)))
