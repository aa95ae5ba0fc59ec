"""The game's API for asyncio: the names of `fumehood.runner`; what waits there is awaited here. Starts no thread.

::

    from fumehood.runner import aio

    async with aio.launch("mods/", api=api) as mods:
        price = await mods["economy"].call("price", "iron", timeout=0.5)
        report = await mods.emit("tick", 0.1, budget=0.05)
        mods.apply()

One event loop owns the mods. Calls may be made concurrently, of one mod too; a worker answers one after the other.
"""

import asyncio
import errno
import os
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Generator, Sequence
from types import TracebackType
from typing import Any, Final, Literal

from ..shared.errors import MachineError, SupervisorDied
from ..shared.messages import pack
from ..shared.policy import Confinement, Limits
from . import amounts
from . import config as settings
from .aio_mod import Mod
from .aio_mods import Mods
from .api import Api
from .debounce import RELOAD_INTERVAL
from .launch import (
    START_PATIENCE,
    check_peer,
    nobody_serves,
    packed_contract,
    prepare,
    reach,
    spawn,
)
from .loop_link import LoopLink
from .reaping import ended

__all__ = ["Api", "Limits", "Mod", "Mods", "connect", "launch"]

CROWDED: Final = 0.01
"""Seconds until a supervisor is asked again to which more are connecting than it has room for."""


class Opening:
    """What `launch` and `connect` return: ``async with`` it, or ``await`` it and `close` the Mods."""

    def __init__(self, begin: Callable[[], Coroutine[Any, Any, Mods]]) -> None:
        self._begin = begin
        self._mods: Mods | None = None

    def __await__(self) -> Generator[Any, None, Mods]:
        return self._begin().__await__()

    async def __aenter__(self) -> Mods:
        self._mods = await self._begin()
        return self._mods

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._mods is not None:
            await self._mods.close()


def launch(
    root: str | os.PathLike[str],
    *,
    api: Api | None = None,
    packages: Sequence[str] = (),
    confinement: Confinement | Literal["full", "reduced"] = "full",
    limits: Limits | None = None,
    watcher: Literal["auto", "native", "polling"] = "auto",
    most_mods: int = settings.MOST_MODS,
    deterministic: int | None = None,
    log_level: Literal["debug", "info", "warning", "error"] = "info",
    log_format: Literal["text", "json"] = "text",
    log_to: int | None = None,
    reload_interval: float = RELOAD_INTERVAL,
    timeout: float = START_PATIENCE,
) -> Opening:
    """As `fumehood.runner.launch`: ``async with aio.launch("mods/") as mods``, or ``mods = await aio.launch("mods/")``.

    The loop goes on while the supervisor starts; it stands still for the few milliseconds in which the process is made.
    Raises as `launch` does, when it is awaited.
    """

    async def begin() -> Mods:
        options = {
            "packages": packages,
            "confinement": confinement,
            "limits": limits,
            "watcher": watcher,
            "most_mods": most_mods,
            "deterministic": deterministic,
            "log_level": log_level,
            "log_format": log_format,
        }
        setup = prepare(root, api, options, reload_interval)
        deadline = time.monotonic() + amounts.seconds(timeout, "timeout")
        sock, process = spawn(log_to)
        mods = None
        try:
            sock.send(pack(setup), socket.MSG_NOSIGNAL)
            mods = await _attached(sock, deadline, setup.contract, api)
            mods.process = process
            await mods.settle(max(0.0, deadline - time.monotonic()))
        except BaseException as error:
            try:
                if mods is not None:
                    await mods.close()
            finally:
                sock.close()
                await ended(process)
            if isinstance(error, MachineError) or not isinstance(error, SupervisorDied | OSError):
                raise
            code = process.returncode
            said = f"; it ended with status {code}" if code not in (0, -signal.SIGKILL) else ""
            raise SupervisorDied(f"the supervisor did not start{said}: {error}") from None
        return mods

    return Opening(begin)


def connect(target: str | os.PathLike[str], *, api: Api | None = None, timeout: float = 10.0) -> Opening:
    """As `fumehood.runner.connect`: ``async with aio.connect("mods/") as mods``. Raises as that does, when awaited."""

    async def begin() -> Mods:
        deadline = time.monotonic() + amounts.seconds(timeout, "timeout")
        contract = packed_contract(api)
        path, sock = reach(target)
        try:
            sock.setblocking(False)
            while (error := sock.connect_ex(path)) == errno.EAGAIN and time.monotonic() < deadline:
                await asyncio.sleep(CROWDED)
            if error:
                raise nobody_serves(target, path, OSError(error, os.strerror(error)))
            check_peer(sock, path)
            mods = await _attached(sock, deadline, contract, api)
        except BaseException:
            sock.close()
            raise
        try:
            await mods.settle(max(0.0, deadline - time.monotonic()))
        except BaseException:
            await mods.close()
            raise
        return mods

    return Opening(begin)


async def _attached(sock: socket.socket, deadline: float, contract: bytes, api: Api | None) -> Mods:
    link = LoopLink(sock)
    try:
        welcome, fds = await link.greet_awaited(deadline, contract)
        return Mods(link, welcome, fds, api)
    except BaseException:
        link.close()
        raise
