"""Starts a program by the C library's posix_spawn, which tries clone3 first and clone then."""

FULL = "EPERM", "seccomp"


def attack():
    return os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
