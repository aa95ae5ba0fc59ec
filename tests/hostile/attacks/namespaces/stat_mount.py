"""Asks what is mounted as its root, from which device, without a /proc."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "statmount", "EPERM": "a mount namespace of its own root"}


def attack():
    answer = ctypes.create_string_buffer(256)
    number = struct.unpack_from("Q", _statx(b"/"), 0x90)[0]
    syscall("statmount", struct.pack("IIQQ", 24, 0, number, 1 | 2), answer, 256, 0)
    return answer.raw


def _statx(path):
    buffer = ctypes.create_string_buffer(256)
    libcall("statx", -100, path, 0, 0x4000, buffer)  # the mount's unique number
    return buffer.raw
