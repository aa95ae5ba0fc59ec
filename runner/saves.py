"""The supervisor's answers to `Mods.save` and `Mods.load`: one of them at a time, on its way while the game adopts.

The game has to take what is on offer while it waits, so its question is answered "look, then ask again" as often as
that comes; the work itself goes on. It has a deadline of its own, and ends when the game goes or begins another.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from ..shared import segment
from ..shared.errors import ProtocolError
from ..shared.messages import pack, unpacker
from . import control
from .lane import Lane
from .loading import load
from .savefile import SavedMod
from .saving import save

LONGEST_TIMEOUT: Final = 60.0
"""Seconds that one may take. Longer: what a game asks for and forgets goes on for as long."""
log = logging.getLogger("fumehood.control")

_unpack: Final = unpacker(list[SavedMod], "the game (a save)")


class Host(Protocol):
    """What is needed of the supervisor."""

    lanes: dict[str, Lane]

    def offering(self) -> bool:
        """Whether the game has something to adopt."""

    async def change(self, patience: float) -> None:
        """Wait until some mod may have come to rest, at most `patience` seconds."""

    def settle_changed(self) -> None:
        """Wake those who wait for that."""


class Saves:
    """The one save or load that is under way. One event loop."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._work: asyncio.Task[list[Any]] | None = None

    async def answer(self, request: control.Save | control.Load, attached: bytes, send: Callable[..., None]) -> None:
        """`attached`: what came with the request; `send`: as Attachment sends."""
        if request.begin:
            self.drop()
            until = time.monotonic() + max(0.0, min(LONGEST_TIMEOUT, request.timeout))
            try:
                work = self._begin(request, attached, until)
            except ProtocolError as error:
                send(control.Refusal("SaveError", str(error), request.id))
                return
            self._work = asyncio.get_running_loop().create_task(work)
            self._work.add_done_callback(lambda _: self._host.settle_changed())
        while (task := self._work) is not None and not task.done():
            if self._host.offering():
                send(control.Done(request.id, rest=False))
                return
            await self._host.change(LONGEST_TIMEOUT)
        self._work = None
        if task is not None and (fault := task.exception()) is not None:
            log.critical("a fault of ours, please report it", exc_info=fault)
            text = f"a fault of the supervisor's, see its log: {fault}"
            send(control.Refusal("ProtocolError", text, request.id))
            return
        if task is not None:
            try:
                self._deliver(request.id, task.result(), send)
            except OSError as error:
                send(control.Refusal("MachineError", f"the save cannot be handed over: {error}", request.id))
                return
        send(control.Done(request.id))

    def _begin(self, request: control.Save | control.Load, attached: bytes, until: float) -> Any:  # a coroutine
        if isinstance(request, control.Save):
            return save(self._host.lanes.values(), until)
        return load(self._host.lanes, _unpack(attached), until)

    def _deliver(self, identity: int, results: list[Any], send: Callable[..., None]) -> None:
        if results and isinstance(results[0], SavedMod):
            data = pack(results)
            fd = segment.frozen("save", data)
            try:
                send(control.Saved(identity, len(data)), (os.dup(fd),), close=True)
            finally:
                os.close(fd)
            return
        for result in results:
            send(control.LoadItem(identity, result))

    def drop(self) -> None:
        """Nobody waits for it any more. What was offered already goes its way."""
        if self._work is not None:
            self._work.cancel()
            self._work = None
