"""Counts what the processor does, to time others by it."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "perf", "EACCES": "perf for ordinary users", "EPERM": "perf for ordinary users"}


def attack():
    what = struct.pack("IIQQQQQ", 1, 64, 0, 0, 0, 0, 1 << 5 | 1 << 6).ljust(64, b"\0")  # cpu-clock, of the user's side
    return syscall("perf_event_open", what, 0, -1, -1, 0)
