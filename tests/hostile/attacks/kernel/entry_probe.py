"""Makes the call that an entry probe's trampoline makes: since Linux 6.18 the kernel passes it by every filter."""

FULL = "ENXIO|EPROTO|SIGILL|EPERM|ENOSYS", "the call itself"
ALONE = "outside a trampoline of the kernel's own it does nothing"


def attack():
    if platform.machine() != "x86_64":
        raise OSError(errno.ENOSYS, "only x86_64 has it")
    return syscall(336)
