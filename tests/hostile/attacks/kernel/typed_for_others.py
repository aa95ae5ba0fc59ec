"""Types into the terminal that the game was started from, by TIOCSTI."""

FULL = "ENOTTY", "seccomp"
LACKING = {"EIO": "TIOCSTI", "ENOENT": "terminals", "EACCES": "terminals"}


def attack():
    terminal = 2
    if "Link" not in grip():  # unconfined: one of its own
        terminal = os.openpty()[1]
        os.setsid()
        syscall("ioctl", terminal, 0x540E, 0)  # TIOCSCTTY
    return syscall("ioctl", terminal, 0x5412, b"x")
