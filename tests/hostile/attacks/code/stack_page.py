"""Makes its stack executable."""

FULL = "EPERM", "seccomp"


def attack():
    end = ctypes.c_void_p.in_dll(libc, "__libc_stack_end").value
    return syscall("mprotect", end & ~4095, 4096, 7)
