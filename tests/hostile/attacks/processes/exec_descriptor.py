"""Becomes a program that it wrote into its scratch, by the descriptor: no path is looked at."""

FULL = "EPERM", "seccomp"


def attack():
    with open("program", "w") as file:
        file.write("""#!/bin/sh\nprintf '["got it", "its own program"]'\n""")
    os.chmod("program", 0o700)
    fd = os.open("program", os.O_RDONLY)
    os.set_inheritable(fd, True)  # a script is read once more, by its interpreter
    os.execve(fd, ["program"], {})
