"""Has the kernel compute a hash: its crypto code, driven from a socket."""

FULL = "EPERM", "seccomp"
LACKING = {"EAFNOSUPPORT": "the kernel's crypto sockets", "ENOENT": "sha256"}


def attack():
    import socket

    with socket.socket(38, socket.SOCK_SEQPACKET) as crypto:
        crypto.bind(("hash", "sha256"))
        with crypto.accept()[0] as hashing:
            hashing.sendall(b"anything")
            return hashing.recv(32)
