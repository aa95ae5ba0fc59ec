"""Makes a process by clone3, whose flags lie in memory, where a filter cannot look."""

FULL = "ENOSYS", "seccomp"
LACKING = {"ENOSYS": "clone3"}


def attack():
    pid = syscall("clone3", struct.pack("11Q", 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0), 88)
    if pid == 0:
        os._exit(0)
    return os.waitpid(pid, 0)
