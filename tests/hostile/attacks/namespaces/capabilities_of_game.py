"""Asks which capabilities the game has."""

FULL = "EPERM", "seccomp"


def attack():
    held = ctypes.create_string_buffer(24)
    libcall("capget", struct.pack("Ii", 0x20080522, HOST["game"]), held)
    return held.raw
