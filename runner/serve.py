"""`fumehood run`: a supervisor that listens on a socket of its own and outlives its games."""

import asyncio
import logging
import os
import signal
import socket
import struct
from pathlib import Path

from ..shared.exits import Exit
from . import address, slices
from .config import Config
from .supervisor import Supervisor, end_on_signals, raise_descriptor_limit

log = logging.getLogger("fumehood")


def serve(root: Path, config: Config) -> int:
    """Serve `root` until Ctrl-C or SIGTERM; returns the exit status.

    Raises AlreadyAttached, ConfigError, MachineError before anything was started.
    """
    raise_descriptor_limit()
    slices.lengthen()
    path, lock = address.claim(root)
    try:
        return asyncio.run(_serve(root, config, path))
    finally:
        address.abandon(path, lock)


async def _serve(root: Path, config: Config, path: Path) -> Exit:
    supervisor = Supervisor(root, config)
    end_on_signals(supervisor, (signal.SIGINT, signal.SIGTERM))
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        try:
            await supervisor.start()
            listener.setblocking(False)
            listener.bind(os.fspath(path))
            path.chmod(0o600)
            listener.listen(8)
            loop.add_reader(listener, _accept, listener, supervisor)
            log.info("serving %s; attach with fumehood.runner.connect(%r)", root, str(root))
            return await supervisor.ended
        finally:
            loop.remove_reader(listener)
            supervisor.let_go()
            await supervisor.close()


def _accept(listener: socket.socket, supervisor: Supervisor) -> None:
    try:
        sock, _ = listener.accept()
    except OSError:
        return
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if uid not in (os.getuid(), 0):
        log.warning("uid %d may not attach", uid)
        sock.close()
        return
    sock.setblocking(False)
    supervisor.attach(sock)
