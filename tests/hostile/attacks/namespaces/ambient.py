"""Raises a capability into the ambient set, so that it is kept by what it executes."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True


def attack():
    header, held = struct.pack("Ii", 0x20080522, 0), ctypes.create_string_buffer(24)
    try:
        libcall("capget", header, held)
        words = list(struct.unpack("6I", held.raw))
        words[2], words[5] = words[1], words[4]
        libcall("capset", header, struct.pack("6I", *words))
    except OSError:
        pass  # perhaps it has it
    return libcall("prctl", 47, 2, 13, 0, 0)  # CAP_NET_RAW
