"""Gives itself a higher limit, as far as its hard one goes."""

FULL = "EPERM", "seccomp"


def attack():
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return syscall("prlimit64", 0, int(resource.RLIMIT_NOFILE), struct.pack("QQ", soft, hard), 0)
