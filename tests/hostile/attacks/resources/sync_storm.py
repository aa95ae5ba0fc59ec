"""Has the disk write out what it wrote, again and again."""

FULL = "AssertionError", "seccomp"


def attack():
    with open("file", "wb", buffering=0) as file:
        for _ in range(10):
            file.write(bytes(4096))
            os.fsync(file.fileno())
    try:
        os.fsync(60)
    except OSError:
        return
    raise AssertionError("it was only told that it was done")
