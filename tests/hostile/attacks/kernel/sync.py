"""Has everything that was written anywhere put on the disks, while the game waits for its own."""

FULL = "EPERM", "seccomp"


def attack():
    with open("synced", "w") as file:
        return libc.syncfs(file.fileno()) == 0 or failed("syncfs")
