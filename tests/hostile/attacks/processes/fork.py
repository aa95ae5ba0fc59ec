"""Makes a second process."""

FULL = "EPERM", "seccomp"
QUICK = True


def attack():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    return os.waitpid(pid, 0)
