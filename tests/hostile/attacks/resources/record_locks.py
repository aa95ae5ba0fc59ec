"""Takes a lock on each byte of a file: kernel memory that no limit counts."""

FULL = "AssertionError", "seccomp"


def attack():
    import fcntl

    file = os.open("file", os.O_RDWR | os.O_CREAT, 0o600)
    for at in range(0, 2000, 2):
        fcntl.fcntl(file, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, at, 1, 0))
    told = fcntl.fcntl(file, fcntl.F_GETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0))
    assert struct.unpack_from("h", told)[0] == fcntl.F_WRLCK, "it was only told that it has them"
