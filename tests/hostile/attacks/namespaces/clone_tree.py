"""Takes a detached copy of all mounts, which hangs in no namespace and is reached by its descriptor."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True


def attack():
    tree = syscall("open_tree", -100, b"/", 1 | 0x8000)
    return os.listdir(os.open(".", os.O_RDONLY, dir_fd=tree))
