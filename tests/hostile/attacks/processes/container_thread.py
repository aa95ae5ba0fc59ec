"""Makes a process in a user namespace of its own, in one step with clone: root there, and able to mount."""

FULL = "EPERM", "seccomp"
LACKING = {"EPERM": "user namespaces", "ENOSPC": "user namespaces"}


def attack():
    pid = syscall("clone", 0x10000000 | 17, 0, 0, 0, 0)  # NEWUSER, SIGCHLD
    if pid == 0:
        os._exit(0)
    return os.waitpid(pid, 0)
