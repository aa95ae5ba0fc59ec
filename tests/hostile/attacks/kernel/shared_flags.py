"""Makes the supervisor's end wait by setting O_NONBLOCK and O_ASYNC by ioctl, where fcntl is not allowed to."""

FULL = "ENOTTY", "seccomp"


def attack():
    with upwards() as up:
        syscall("ioctl", up.fileno(), 0x5421, struct.pack("i", 0))  # FIONBIO
        return syscall("ioctl", up.fileno(), 0x5452, struct.pack("i", 1))  # FIOASYNC
