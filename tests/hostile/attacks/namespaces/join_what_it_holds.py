"""Tries on each descriptor that it holds whether it is a namespace to move into."""

FULL = "EPERM", "seccomp"
ALONE = "nothing is held that could be moved into, unless the zygote forgot to close it"


def attack():
    refused = set()
    for fd in range(64):
        try:
            return libcall("setns", fd, 0)
        except OSError as error:
            refused.add(error.errno)
    raise OSError(refused.pop() if len(refused) == 1 else errno.EINVAL, "no descriptor is a namespace")
