"""Reads a System V segment of the host's, which everybody may read, by its number."""

FULL = "EPERM", "seccomp"
ALONE = "root's proof has an ipc namespace of its own, where the host's segments have no numbers"
LACKING = {"ENOSYS": "System V IPC"}


def attack():
    place = syscall("shmat", HOST["segment"], 0, 0o10000)  # SHM_RDONLY
    found = ctypes.string_at(place, len(HOST["words"])).decode()
    if found != HOST["words"]:
        raise LookupError(f"it holds {found!r}")
    return found
