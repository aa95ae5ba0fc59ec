"""Has a child in new user and network namespaces, by the old clone, whose flags a filter may forget to look at."""

FULL = "EPERM", "seccomp"
LACKING = {"EPERM": "user namespaces for ordinary users", "ENOSPC": "a user namespace more"}


def attack():
    pid = syscall("clone", 0x10000000 | 0x40000000 | 17, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    return os.waitpid(pid, 0)
