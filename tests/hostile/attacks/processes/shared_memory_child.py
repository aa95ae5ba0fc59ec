"""Makes a process that shares its memory, by clone: it would go on after this one and write what it likes."""

FULL = "EPERM", "seccomp"


def attack():
    stack = mmap(1 << 16) + (1 << 16)
    pid = libc.clone(libc._exit, ctypes.c_void_p(stack), 0x100 | 0x4000 | 17, None)  # VM, VFORK, SIGCHLD
    return os.waitpid(pid, 0) if pid > 0 else failed("clone")
