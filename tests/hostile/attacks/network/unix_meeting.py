"""Opens a place in its scratch where other processes of this user meet it, and would be handed descriptors."""

FULL = "EPERM", "seccomp"


def attack():
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind("meeting")
        server.listen(1)
        os.unlink("meeting")
        return server.getsockname()
