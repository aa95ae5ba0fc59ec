"""Has files judged by another's ids than its own, which is a call that cannot say that it failed."""

FULL = "EPERM", "seccomp"


def attack():
    libcall("setfsgid", os.getegid())
    return libcall("setfsuid", os.geteuid())
