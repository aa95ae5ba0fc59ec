"""Has its own calls sent back to it as signals, all but those made from one place."""

FULL = "EPERM", "seccomp"
LACKING = {"EINVAL": "user dispatch"}


def attack():
    global allowing
    allowing = ctypes.create_string_buffer(1)
    return syscall("prctl", 59, 1, 0, 0, ctypes.addressof(allowing))
