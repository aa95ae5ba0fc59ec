"""Finds a secret in the environment that it was started with, by the C library's own list."""

FULL = "LookupError", "clean environment"
QUICK = True


def attack():
    entries, index = ctypes.POINTER(ctypes.c_char_p).in_dll(libc, "environ"), 0
    while entry := entries[index]:
        if HOST["words"].encode() in entry:
            return entry
        index += 1
    raise LookupError(f"it is none of {index}")
