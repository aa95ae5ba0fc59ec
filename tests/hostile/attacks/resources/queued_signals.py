"""Has the kernel queue signals for it that are never taken."""

FULL = "EPERM", "seccomp"


def attack():
    import signal

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGRTMIN})
    told = (ctypes.c_int * 32)(signal.SIGRTMIN, 0, -1)
    for _ in range(100):
        syscall("sigqueueinfo", os.getpid(), int(signal.SIGRTMIN), told)
