"""Leaves a program in its scratch that runs as the worker's user, whoever starts it."""

FULL = "LookupError", "private root"
REDUCED = "EPERM", "seccomp"
LACKING = {"LookupError": "a temporary folder where set-uid counts"}


def attack():
    with open("program", "w") as file:
        file.write("#!/bin/sh\n")
    os.chmod("program", 0o4755)
    if os.statvfs(".").f_flag & os.ST_NOSUID:
        raise LookupError("it counts for nothing here")
    return os.stat("program").st_mode
