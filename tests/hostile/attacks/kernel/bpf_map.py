"""Makes a map for programs that run in the kernel."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"ENOSYS": "bpf", "EPERM": "CAP_BPF"}


def attack():
    return syscall("bpf", 0, struct.pack("IIIII", 2, 4, 8, 1, 0).ljust(128, b"\0"), 128)  # an array of one
