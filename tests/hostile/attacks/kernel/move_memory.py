"""Moves another process's memory between the machine's nodes, or learns where it lies."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "NUMA", "EPERM": "tracing of others (Yama)", "EACCES": "NUMA"}


def attack():
    pages, where = struct.pack("Q", mapped(HOST["victim"], "rw")), ctypes.create_string_buffer(4)
    return syscall("move_pages", HOST["victim"], 1, pages, None, where, 0)
