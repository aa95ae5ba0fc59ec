"""Writes into another process's memory."""

FULL = "EPERM", "seccomp"
LACKING = {"EPERM": "tracing of others (Yama)"}


def attack():
    what = ctypes.create_string_buffer(8)
    here, there = struct.pack("QQ", ctypes.addressof(what), 8), struct.pack("QQ", mapped(HOST["victim"], "rw"), 8)
    return syscall("process_vm_writev", HOST["victim"], here, 1, there, 1, 0)
