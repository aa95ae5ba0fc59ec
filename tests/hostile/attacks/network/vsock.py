"""Makes a socket to the machine that this one runs in: no network namespace holds that back."""

FULL = "EPERM", "seccomp"
LACKING = {"EAFNOSUPPORT": "vsock", "EADDRNOTAVAIL": "a transport for vsock", "ENODEV": "a transport for vsock"}


def attack():
    import socket

    with socket.socket(40, socket.SOCK_STREAM) as caller:
        return caller.fileno()
