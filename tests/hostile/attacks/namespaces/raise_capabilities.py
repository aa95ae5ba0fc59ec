"""Raises every capability in its sets."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True


def attack():
    header, held = struct.pack("Ii", 0x20080522, 0), ctypes.create_string_buffer(24)
    try:
        libcall("capget", header, held)
        words = list(struct.unpack("6I", held.raw))
    except OSError:
        words = [0xFFFFFFFF] * 6  # it may not even look
    words[2], words[5] = words[1], words[4]  # inheritable: all that is permitted
    libcall("capset", header, struct.pack("6I", *words))
    return words
