"""Has the kernel check and compile a program of its own, as an ordinary user may attach to a socket."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "bpf", "EPERM": "programs of ordinary users"}


def attack():
    code = ctypes.create_string_buffer(struct.pack("BBhiBBhi", 0xB7, 0, 0, 0, 0x95, 0, 0, 0))  # r0 = 0; exit
    free = ctypes.create_string_buffer(b"GPL")
    what = struct.pack("IIQQ", 1, 2, ctypes.addressof(code), ctypes.addressof(free)).ljust(128, b"\0")
    return syscall("bpf", 5, what, 128)
