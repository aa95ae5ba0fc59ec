"""Makes a thread by clone itself, past the C library and Python, which never hear of it."""

FULL = "EPERM", "seccomp"


def attack():
    stack = mmap(1 << 16) + (1 << 16)
    flags = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000  # VM, FS, FILES, SIGHAND, THREAD, SYSVSEM
    return libc.clone(libc.getpid, ctypes.c_void_p(stack), flags, None) > 0 or failed("clone")
