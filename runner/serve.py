"""`fumehood run`: a supervisor that listens on a socket of its own and outlives its games."""

import asyncio
import logging
import os
import signal
import socket
from pathlib import Path

from ..shared.exits import Exit
from . import address, slices
from .config import Config
from .reception import Reception
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
    reception: Reception | None = None
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        try:
            await supervisor.start()
            listener.setblocking(False)
            listener.bind(os.fspath(path))
            path.chmod(0o600)
            listener.listen(8)
            reception = Reception(listener, supervisor.attach)
            log.info("serving %s; attach with fumehood.runner.connect(%r)", root, str(root))
            return await supervisor.ended
        finally:
            if reception is not None:
                reception.close()
            supervisor.let_go()
            await supervisor.close()
