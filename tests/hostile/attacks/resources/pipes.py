"""Makes pipes, and fills them: memory that no limit of its own counts."""

FULL = "EPERM", "seccomp"


def attack():
    for _ in range(20):
        _, into = os.pipe()
        os.write(into, bytes(60_000))
