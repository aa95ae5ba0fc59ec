"""Floods the supervisor with a hundred packets in one call, which write() cannot."""

FULL = "EPERM", "seccomp"


def attack():
    text = ctypes.create_string_buffer(b"x")
    part = ctypes.create_string_buffer(struct.pack("QQ", ctypes.addressof(text), 1))
    one = struct.pack("QIxxxxQQQQIxxxxIxxxx", 0, 0, ctypes.addressof(part), 1, 0, 0, 0, 0)
    with upwards() as up:
        return unpunished(syscall("sendmmsg", up.fileno(), one * 100, 100, 0x40))
