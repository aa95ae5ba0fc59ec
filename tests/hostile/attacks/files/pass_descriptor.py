"""Sends a descriptor along with a message, for the supervisor to hold."""

FULL = "EPERM", "seccomp"
QUICK = True


def attack():
    import socket

    try:
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=os.dup(3))
    except OSError:
        channel, _other = socket.socketpair()
    return unpunished(channel.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", 0))]))
