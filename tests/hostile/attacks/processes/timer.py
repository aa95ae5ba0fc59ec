"""Makes a timer of the kernel's that sends signals, thousands a second."""

FULL = "EPERM", "seccomp"


def attack():
    event = struct.pack("qii48x", 0, 34, 0)  # by a signal that nobody uses, when it is armed
    return syscall("timer_create", 1, event, ctypes.create_string_buffer(8))
