"""Changes the mode of a file that it only holds, by the newest call of that kind."""

FULL = "ENOENT", "private root"
REDUCED = "ENOSYS", "seccomp"
LACKING = {"ENOSYS": "fchmodat2"}


def attack():
    held = os.open(f"{HOST['folder']}/kept", os.O_PATH)
    return syscall(452, held, b"", 0o666, 0x1000)
