"""Lists the host's mounts by number, without /proc."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "listmount"}


def attack():
    found = (ctypes.c_uint64 * 64)()
    return syscall("listmount", struct.pack("IIQQQ", 32, 0, 2**64 - 1, 0, 0), found, 64, 0)  # LSMT_ROOT
