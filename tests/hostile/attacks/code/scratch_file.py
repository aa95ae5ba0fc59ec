"""Writes machine code into a file of its scratch, and maps it."""

FULL = "EPERM", "seccomp"


def attack():
    with open("code", "w+b") as file:
        file.write(RETURN)
        file.flush()
        return ctypes.CFUNCTYPE(None)(mmap(4096, 5, 2, file.fileno()))()
