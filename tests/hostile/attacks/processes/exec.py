"""Becomes another program, which is confined by nothing that the worker did in Python, and keeps its descriptors."""

FULL = "EPERM", "seccomp"
QUICK = True


def attack():
    os.execv("/bin/sh", ["sh", "-c", """printf '["got it", "another program"]'"""])
