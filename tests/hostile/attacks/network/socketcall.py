"""Makes a socket by the 32-bit socketcall, whose number means something else to a filter for x86_64."""

FULL = "SIGSYS|NotImplementedError", "seccomp"
LACKING = {"NotImplementedError": "an x86_64 processor", "status -11": "32-bit calls"}


def attack():
    words = mmap(4096, 3, 0x62)  # below 2**32
    ctypes.memmove(words, struct.pack("III", 2, 1, 0), 12)
    return i386(102, 1, words)
