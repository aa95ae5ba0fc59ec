"""Asks for a handle of a file, which names it past all paths."""

FULL = "EPERM", "seccomp"
LACKING = {"EOPNOTSUPP": "a file system with handles", "ENOTSUP": "a file system with handles"}


def attack():
    handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0), 8 + 128)
    libcall("name_to_handle_at", -100, b".", handle, ctypes.create_string_buffer(8), 0)
    return handle.raw
