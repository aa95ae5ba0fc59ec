"""Looks among its descriptors for a socket other than its own: the zygote's, or a neighbour's."""

FULL = "EBADF", "descriptors"
QUICK = True

import socket
import stat


def attack():
    if not confined():
        kept = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # noqa: F841 (there to be found)
    own, trouble = grip()["Link"]._fd if confined() else -1, None
    for fd in range(3, 1024):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode) and fd != own:
                return fd
        except OSError as error:
            trouble = error
    raise trouble
