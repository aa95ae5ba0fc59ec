"""Executes a script of its own making."""

FULL = "EPERM", "seccomp"


def attack():
    fd = os.open("script", os.O_WRONLY | os.O_CREAT, 0o755)
    os.write(fd, b"#!/bin/sh\nexit 7\n")
    os.close(fd)
    words = (ctypes.c_char_p * 2)(b"script", None)
    if "Worker" in grip():
        return syscall("execve", b"script", words, words)
    return os.posix_spawn("./script", ["script"], {})
