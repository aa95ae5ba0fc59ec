"""Lists the numbers of all mounts, without a /proc."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "listmount", "EPERM": "a mount namespace of its own root"}


def attack():
    found = (ctypes.c_uint64 * 64)()
    count = syscall("listmount", struct.pack("IIQQ", 24, 0, 2**64 - 1, 0), found, 64, 0)
    return found[:count]
