"""Has the kernel lay a signal's frame into the game's ring, as the stack that signals are handled on."""

FULL = "SIGSEGV", "read-only segments"


def attack():
    import faulthandler
    import signal

    _, (theirs, length) = segments()
    if libc.sigaltstack((ctypes.c_uint64 * 3)(theirs, 0, length), None):
        failed("sigaltstack")
    faulthandler.register(signal.SIGALRM, 2)
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    burn(0.05)
