"""Finds a secret on the stack as execve left it, whatever was cleared since: from the arguments to the program's name."""

FULL = "LookupError", "clean environment"


def attack():
    libc.getauxval.restype = ctypes.c_ulong
    libc.getauxval.argtypes = [ctypes.c_ulong]
    top = libc.getauxval(31)  # AT_EXECFN: above all of the environment
    bottom = libc.getauxval(25)  # AT_RANDOM: below the arguments
    stack = ctypes.string_at(bottom, top - bottom)
    if HOST["words"].encode() not in stack:
        raise LookupError(f"it is not in {len(stack)} bytes")
    return stack
