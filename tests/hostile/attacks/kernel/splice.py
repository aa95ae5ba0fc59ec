"""Puts a page of a file's into the supervisor's pipe without copying it: pipes have written to files that way."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "splice"}


def attack():
    with open("spliced", "w+b") as file:
        file.write(b"\n")
        file.flush()
        return syscall("splice", file.fileno(), struct.pack("q", 0), 1, None, 1, 0)
