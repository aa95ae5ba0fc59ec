"""Reads another process's memory: the zygote's, whose addresses are its own."""

FULL = "EPERM", "seccomp"
LACKING = {"EPERM": "tracing of others (Yama)"}


def attack():
    into = ctypes.create_string_buffer(8)
    here, there = struct.pack("QQ", ctypes.addressof(into), 8), struct.pack("QQ", mapped(HOST["zygote"]), 8)
    return syscall("process_vm_readv", HOST["zygote"], here, 1, there, 1, 0)
