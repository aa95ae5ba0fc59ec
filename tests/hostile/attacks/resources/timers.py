"""Makes timers, each of which the kernel keeps a signal ready for."""

FULL = "EPERM", "seccomp"


def attack():
    made = ctypes.c_int()
    for _ in range(100):
        syscall("timer_create", 1, None, ctypes.byref(made))
