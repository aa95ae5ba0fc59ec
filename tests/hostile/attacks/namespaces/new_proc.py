"""Makes a procfs by fsopen, which mounts without mount()."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True


def attack():
    context = syscall("fsopen", b"proc", 0)
    syscall(431, context, 6, None, None, 0)  # fsconfig: create
    mounted = syscall("fsmount", context, 0, 0)
    return os.open(f"{HOST['victim']}/environ", os.O_RDONLY, dir_fd=mounted)
