"""Has the kernel copy a file into the supervisor's pipe, past the reading."""

FULL = "EPERM", "seccomp"


def attack():
    with open("sent", "w+b") as file:
        file.write(b"\n")
        file.flush()
        return os.sendfile(1, file.fileno(), 0, 1)
