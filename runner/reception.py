"""Who knocks at `fumehood run`: each is asked for its credentials, and let in once it has something to say.

A client that connects and is silent takes nobody's place: it waits here, among few, and not for long. Whom the folder's
mode should have kept out is turned away by the kernel's word on who it is. Runs in the supervisor, on its loop.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from typing import Final

from . import address

HELLO_PATIENCE: Final = 2.0
"""Seconds that a client gets until its first packet, and to say hello in it. A game has its hello ready; longer: one
that is silent is kept for longer."""
MOST_SILENT: Final = 16
"""Clients that may be silent at a time; past it the one that was longest is let go. More: more descriptors for nobody;
fewer: a game that is slow to speak, on a loaded machine, is let go for others."""
BREATHER: Final = 0.5
"""Seconds without a look at who knocks, when there is no descriptor for one more. Shorter: the loop turns in vain."""

log = logging.getLogger("fumehood.control")


class Reception:
    """Accepts at one listening socket until it is closed. One event loop."""

    def __init__(self, listener: socket.socket, admit: Callable[[socket.socket, float], None]) -> None:
        """`admit(sock, patience)`: takes over the socket of one that has something to say; the rest of its hello has to
        come within `patience` seconds. The listener stays the caller's."""
        self._listener = listener
        self._admit = admit
        self._loop = asyncio.get_running_loop()
        self._silent: dict[socket.socket, asyncio.TimerHandle] = {}
        """Oldest first."""
        self._breather: asyncio.TimerHandle | None = None
        self._open()

    def _open(self) -> None:
        self._breather = None
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError, InterruptedError):
            return  # it went again
        except OSError as error:  # no descriptor or no memory: it goes on knocking, and would keep us busy
            log.warning("nobody can attach just now: %s", error.strerror)
            self._loop.remove_reader(self._listener)
            self._breather = self._loop.call_later(BREATHER, self._open)
            return
        if (uid := address.peer(sock)) not in (os.getuid(), 0):
            log.warning("uid %d may not attach", uid)
            sock.close()
            return
        sock.setblocking(False)
        if len(self._silent) >= MOST_SILENT:
            self._dismiss(next(iter(self._silent)))
        self._silent[sock] = self._loop.call_later(HELLO_PATIENCE, self._dismiss, sock)
        self._loop.add_reader(sock, self._spoke, sock)

    def _spoke(self, sock: socket.socket) -> None:
        try:
            said = sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:  # it went, or sent a packet of nothing
            self._dismiss(sock)
            return
        self._forget(sock)
        self._admit(sock, HELLO_PATIENCE)

    def _forget(self, sock: socket.socket) -> None:
        self._silent.pop(sock).cancel()
        self._loop.remove_reader(sock)

    def _dismiss(self, sock: socket.socket) -> None:
        self._forget(sock)
        sock.close()

    def close(self) -> None:
        """Take nobody in any more."""
        if self._breather is not None:
            self._breather.cancel()
        self._loop.remove_reader(self._listener)
        for sock in list(self._silent):
            self._dismiss(sock)
