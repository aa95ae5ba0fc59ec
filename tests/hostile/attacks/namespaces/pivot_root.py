"""Makes another mount its root, with the old one stacked under it."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"EINVAL": "a root that can be changed"}


def attack():
    try:
        libcall("mount", b"none", os.getcwd().encode(), b"tmpfs", 0, b"size=1m")
        os.chdir(os.getcwd())
    except OSError:
        pass  # what its scratch is mounted on does as well
    return syscall("pivot_root", b".", b".")
