"""Starts a program of the host's, by subprocess, which uses vfork."""

FULL = "EPERM", "seccomp"


def attack():
    import subprocess

    return subprocess.run(["/bin/true"], check=True)
