"""Has its memory written to the host's disk when it crashes."""

FULL = "EPERM", "seccomp"


def attack():
    import resource

    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    return libcall("setrlimit", resource.RLIMIT_CORE, struct.pack("qq", hard, hard))
