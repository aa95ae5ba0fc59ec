"""Makes a page of its own heap executable."""

FULL = "EPERM", "seccomp"


def attack():
    room = ctypes.create_string_buffer(8192)
    page = -(-ctypes.addressof(room) // 4096) * 4096
    return syscall("mprotect", page, 4096, 7)
