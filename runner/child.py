"""The supervisor process under `launch`, which starts it by its place. Ends with the game's socket."""

import asyncio
import contextlib
import logging
import signal
import socket
from pathlib import Path
from typing import Final

from ..shared.errors import FumehoodError, ProtocolError
from ..shared.exits import Exit
from ..shared.messages import pack
from . import control, logs, slices
from .config import LogLevel
from .supervisor import Supervisor, end_on_signals, raise_descriptor_limit

SETUP_PATIENCE: Final = 30.0
"""Seconds the game gets to say what to serve; it has the words ready."""

log = logging.getLogger("fumehood")


def refuse(sock: socket.socket, error: BaseException) -> None:
    """Tell the game why there will be no mods."""
    kind = type(error).__name__ if isinstance(error, FumehoodError) else "MachineError"
    with contextlib.suppress(OSError):
        sock.send(pack(control.Refusal(kind, str(error)[:8000])), socket.MSG_NOSIGNAL)


async def serve(sock: socket.socket, setup: control.Setup) -> Exit:
    """Serve one game until it leaves, dies, or something of ours is lost."""
    supervisor = Supervisor(Path(setup.root), setup.config, setup.contract, setup.reload_interval)
    end_on_signals(supervisor, (signal.SIGTERM,))

    def left() -> None:
        if not supervisor.ended.done():
            supervisor.ended.set_result(Exit.OK)

    closed = False

    async def close() -> None:
        nonlocal closed
        if not closed:
            closed = True
            await supervisor.close()

    supervisor.on_detached = left
    try:
        try:
            await supervisor.start()
        except (FumehoodError, OSError) as error:
            refuse(sock, error)
            return Exit.UNAVAILABLE
        sock.setblocking(False)
        supervisor.on_farewell = close
        supervisor.attach(sock)
        return await supervisor.ended
    finally:
        await close()
        supervisor.let_go()


def main(fd: int) -> int:
    """Read the set-up from the inherited socket, serve, and return the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the game's; we end with it
    raise_descriptor_limit()
    slices.lengthen()
    with socket.socket(fileno=fd) as sock:
        sock.set_inheritable(False)
        sock.settimeout(SETUP_PATIENCE)
        try:
            setup = control.unpack_request(sock.recv(control.PACKET_LIMIT))
        except (OSError, ProtocolError) as error:
            refuse(sock, error)
            return Exit.CONFIG
        if not isinstance(setup, control.Setup):
            return Exit.CONFIG
        logger = logs.set_up(setup.config.log_format, setup.config.log_level)
        if setup.config.log_level is not LogLevel.DEBUG:
            logger.getChild("control").setLevel(logging.WARNING)  # the game knows when it comes and goes
        return asyncio.run(serve(sock, setup))
