"""The helpers that a game ships into its mods: opaque pickles, kept here and handed to every worker, now and later.

Code travels inwards only: the game makes the bytes, confined workers open them, the supervisor never does. All of them
lie in one sealed memfd, which is made anew when one is provided; a worker reads the part that it uses, when it does.

A worker has at most one hand-over to acknowledge: a game that provides in a loop would else fill the socket of one that
is busy. Who is behind gets the newest when it has answered.
"""

import logging
import os
import time
from collections.abc import Callable
from typing import Final, Protocol

from ..shared import segment
from ..shared.messages import Helpers
from . import control
from .lane import Lane
from .seat import Seat
from .worker_process import WorkerProcess

MOST_HELPERS: Final = 64
LONGEST_PATIENCE: Final = 10.0
"""Seconds that a game may wait for mods which are busy."""

log = logging.getLogger("fumehood")


class Host(Protocol):
    """What is needed of the supervisor."""

    lanes: dict[str, Lane]

    async def change(self, patience: float) -> None:
        """Wait until some mod may have come to rest, at most `patience` seconds."""

    def settle_changed(self) -> None:
        """Wake those who wait for that."""


class Provisions:
    """Every helper there is, by name. One event loop."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._helpers: dict[str, tuple[int, bytes]] = {}
        """With the generation in which each was provided."""
        self._generation = 0
        self._fd = -1
        self._message = Helpers(0, [])

    async def answer(self, request: control.Provide, data: bytes, send: Callable[..., None]) -> None:
        """Take a helper in, and answer once every mod that is live has it, or has been busy for too long."""
        more = request.name not in self._helpers and len(self._helpers) >= MOST_HELPERS
        if more or len(data) > control.MOST_HELPER:
            most = f"{MOST_HELPERS} helpers of {control.MOST_HELPER} bytes each"
            text = f"provide({request.name!r}): a game may provide {most}"
            send(control.Refusal("UsageError", text, request.id))
            return
        try:
            self._put(request.name, data)
        except OSError as error:
            send(control.Refusal("MachineError", f"provide({request.name!r}): {error}", request.id))
            return
        generation = self._generation
        until = time.monotonic() + min(LONGEST_PATIENCE, request.patience)
        for seat, worker in self._workers():
            self.equip(seat, worker)
        while self._behind(generation) and (left := until - time.monotonic()) > 0:
            await self._host.change(left)
        send(control.Done(request.id))

    def equip(self, seat: Seat, worker: WorkerProcess) -> None:
        """Hand all helpers to a worker that lacks the newest, unless it has yet to take what it was handed before."""
        if seat.provided == self._generation or seat.provided != seat.equipped:
            return
        try:  # a description of its own: what all shared would have a position that each can see and move
            fd = segment.read_only(self._fd)
        except OSError as error:
            log.error("a worker cannot be handed the game's helpers: %s", error)
            return
        seat.provided = self._generation
        try:
            worker.send(self._message, (fd,))
        finally:
            os.close(fd)
        if seat.worker is not None and seat.slot is not None:  # else it waits at its socket
            seat.slot.announce_command()

    def equipped(self, seat: Seat, generation: int) -> None:
        """A worker says that it has them. Heard once for each time it was handed any."""
        if seat.worker is None or generation != seat.provided or seat.equipped == generation:
            return
        seat.equipped = generation
        self.equip(seat, seat.worker)
        self._host.settle_changed()

    def _put(self, name: str, data: bytes) -> None:
        if name in self._helpers and self._helpers[name][1] == data:
            return
        helpers = {**self._helpers, name: (self._generation + 1, data)}
        fd = segment.frozen("helpers", b"".join(each for _, each in helpers.values()))
        self.close()
        self._helpers, self._fd = helpers, fd
        self._generation += 1
        entries, offset = [], 0
        for each, (since, part) in helpers.items():
            entries.append((each, since, offset, len(part)))
            offset += len(part)
        self._message = Helpers(self._generation, entries)

    def _workers(self) -> list[tuple[Seat, WorkerProcess]]:
        seats = [seat for lane in self._host.lanes.values() for seat in lane.seats.values()]
        return [(seat, seat.worker) for seat in seats if seat.worker is not None]

    def _behind(self, generation: int) -> bool:
        live = [lane.active_seat() for lane in self._host.lanes.values()]
        return any(seat is not None and seat.equipped < generation for seat in live)

    def close(self) -> None:
        """Let go of the memory; workers hold what they have."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
