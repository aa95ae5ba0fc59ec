"""Writes over a function of the C library through /proc/self/mem, which no page's protection stops."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    address = ctypes.cast(libc.lcong48, ctypes.c_void_p).value
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(address)
        memory.write(RETURN)
    return libc.lcong48()
