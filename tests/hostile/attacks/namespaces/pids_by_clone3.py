"""Has a child that is pid 1 of new namespaces, by clone3, whose flags no filter can see."""

FULL = "ENOSYS", "seccomp"
LACKING = {"EPERM": "user namespaces for ordinary users", "ENOSPC": "a namespace more"}


def attack():
    arguments = struct.pack("8Q", 0x10000000 | 0x20000000, 0, 0, 0, 17, 0, 0, 0)
    pid = syscall("clone3", arguments, len(arguments))
    if pid == 0:
        os._exit(0)
    return os.waitpid(pid, 0)
