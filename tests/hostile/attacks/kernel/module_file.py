"""Loads a kernel module from a file that it wrote."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"ENOSYS": "modules", "EPERM": "CAP_SYS_MODULE, or the kernel is locked down"}


def attack():
    with open("module.ko", "w+b") as file:
        file.write(bytes(100))
        file.flush()
        return past("ENOEXEC", "finit_module", os.open("module.ko", os.O_RDONLY), b"", 0)
