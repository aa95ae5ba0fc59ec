"""Datagrams with descriptors over SEQPACKET sockets: one packet is one message; nothing is ever half read."""

import array
import os
import socket
from typing import Final

MOST_DESCRIPTORS: Final = 16


def send(sock: socket.socket, data: bytes, fds: tuple[int, ...] = ()) -> None:
    """Send one packet, never blocking. Raises BlockingIOError (the peer does not read), OSError (it is gone)."""
    if not fds:
        sock.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        return
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
    sock.sendmsg([data], ancillary, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def receive(sock: socket.socket, limit: int, *, wait: bool = False) -> tuple[bytes, list[int]]:
    """Take one packet and its descriptors (close-on-exec). An empty packet means that the peer closed.

    Blocks only with `wait`. Raises BlockingIOError when there is none and not `wait`; ValueError when it was longer
    than `limit` or carried more than MOST_DESCRIPTORS descriptors (those that came are closed); OSError.
    """
    ask = socket.MSG_CMSG_CLOEXEC | (0 if wait else socket.MSG_DONTWAIT)
    room = socket.CMSG_SPACE(MOST_DESCRIPTORS * array.array("i").itemsize)
    data, ancillary, flags, _ = sock.recvmsg(limit, room, ask)
    fds = array.array("i")
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
    cut = flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC)
    if cut or not data:  # an empty packet is the end for every caller: what it carries would be left open
        for fd in fds:
            os.close(fd)
        fds = array.array("i")
    if cut:
        raise ValueError(f"a packet was longer than {limit} bytes or carried too many descriptors")
    return data, list(fds)
