"""Asks the kernel's audit for its state, and could switch it off."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"EPROTONOSUPPORT": "audit", "ECONNREFUSED": "audit, in this namespace"}


def attack():
    import socket

    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9) as audit:
        audit.settimeout(1)
        audit.sendto(struct.pack("IHHII", 16, 1000, 5, 1, 0), (0, 0))  # AUDIT_GET, with an answer asked for
        return audit.recv(1000)
