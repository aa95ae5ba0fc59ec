"""Puts a filter over its own calls by prctl, the older way."""

FULL = "EPERM", "seccomp"


def attack():
    libc.prctl(38, 1, 0, 0, 0)
    allow = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7FFF0000))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 1, ctypes.addressof(allow)))
    return syscall("prctl", 22, 2, ctypes.addressof(program), 0, 0)
