"""Asks the kernel which security modules there are."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "this question"}


def attack():
    names, size = (ctypes.c_uint64 * 32)(), ctypes.c_uint32(256)
    return syscall("lsm_list_modules", names, ctypes.byref(size), 0)
