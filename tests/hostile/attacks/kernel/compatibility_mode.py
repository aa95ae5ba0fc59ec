"""Becomes a 32-bit program in the middle of its life, by a far return into a library's page that mremap moved down."""

FULL = "SIGSYS|NotImplementedError", "seccomp"
LACKING = {"NotImplementedError": "an x86_64 processor", "ENOSYS": "32-bit calls"}


def attack():
    pop, far, call = standing(b"\x58\xc3"), standing(b"\xcb"), standing(b"\xcd\x80", last=True)
    low = mmap(8192, 0, 0x62)  # two pages, below 2**32
    libc.mremap.restype = ctypes.c_void_p
    words = [ctypes.c_void_p(call & ~4095), ctypes.c_size_t(4096), ctypes.c_size_t(4096), 3, ctypes.c_void_p(low)]
    if libc.mremap(*words) != low:
        failed("mremap")
    return wrote(pop, far, low + call % 4096 | 0x23 << 32)
