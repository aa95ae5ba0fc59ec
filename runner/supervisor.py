"""The supervisor process: one asyncio loop that owns every policy decision. Trusted; never opens what a mod made.

::

    FolderSource ──snapshots──▶ Supervisor ──▶ one Lane per mod ──▶ Nursery (zygote, workers)
                                    │               │
    game ◀── Attachment (control) ──┘               └──▶ Switchboard, Slots (shared memory)

Under `launch` it is a child of the game, talks over the socketpair it inherited, and ends with the game. Under
`fumehood run` it listens on a socket, and the mods outlive the game.
"""

import asyncio
import contextlib
import errno
import gc
import logging
import os
import resource
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from ..shared import segment
from ..shared.errors import ViewError
from ..shared.exits import Exit
from ..shared.messages import Diagnostic, Retire, View, pack
from ..shared.policy import Confinement, Intensity, Limits, Probation
from . import control, monitor
from .attachment import Attachment
from .config import Config
from .debounce import RELOAD_INTERVAL
from .journal import Journal
from .lane import Lane
from .nursery import Nursery
from .order import Needs, load_order, required_by
from .orphans import Orphans
from .provisions import Provisions
from .saves import Saves
from .shelf import Shelf
from .slots import Slot, Slots
from .snapshot import Library, Snapshot
from .source import FolderSource, Settled, Timing
from .switchboard import BOARD_BYTES, PAGE_BYTES, SESSION, WORST_NS, Switchboard
from .terms import Terms
from .text import escape
from .turns import Turns

CHECKPOINT_PERIOD: Final = 1.0
"""Seconds between two checkpoints of a mod that did something. Shorter: less is lost in a crash; longer: less work."""
FIRST_VERDICTS: Final = 30.0
"""Seconds the mods that are there at the start get for their verdicts; what takes longer goes on afterwards."""
LOOK_PATIENCE: Final = 5.0
"""Seconds for a look at the whole tree that a game waits for; 1000 mods take 30 ms. Less than link.PATIENCE."""
SPARE_DESCRIPTORS: Final = 64
"""What is left free for who is there when a new name takes its descriptors, which it keeps. Fewer: candidates find none
where many come at once; more: fewer names."""
WORKERS_DESCRIPTORS: Final = 8
"""Likewise for each mod that is there: four for its worker, and as many for its way back."""
GOODBYE: Final = 0.5
"""Seconds the mods together get for on_unload when everything ends."""

log = logging.getLogger("fumehood")


class Supervisor:
    """Everything of one watched root. Make it, `start` it, let games attach, `close` it; all on one event loop."""

    def __init__(
        self, root: Path, config: Config, contract: bytes = b"", reload_interval: float = RELOAD_INTERVAL
    ) -> None:
        """`contract`: what the game declares, packed; empty: nothing. `reload_interval`: see `launch`.

        Raises OSError when shared memory cannot be had, ProtocolError: it is no contract.
        """
        self.terms = Terms(contract)
        self.seed = "" if config.deterministic is None else str(config.deterministic)
        self.limits: Limits = config.limits
        self.probation = Probation()
        self.intensity = Intensity()
        self.confinement: Confinement = config.confinement
        self.journal = Journal()
        self.switchboard = Switchboard()
        self.shelf = Shelf()
        self.lanes: dict[str, Lane] = {}
        self._orphans = Orphans()
        self._places: dict[str, Needs] = {}
        """What each mod's newest snapshot says about its place in the load order."""
        self.attached = False
        self.switchboard.close_news()
        self.looked_at = 0.0
        self.turns = Turns(max(1, (os.cpu_count() or 1) - 1))
        self.ended: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self.saves = Saves(self)
        self.provisions = Provisions(self)
        self._attachment: Attachment | None = None
        self._sessions = 0
        self._started = False
        self._closed = False
        self._packages = list(config.packages)
        self._settling: set[asyncio.Future[None]] = set()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._tasks: list[asyncio.Task[None]] = []
        self.nursery = Nursery(
            confinement=config.confinement,
            packages=config.packages,
            limits=config.limits,
            on_lost=self._lost_zygote,
            hash_seed=config.deterministic,
        )
        self.source = FolderSource(
            root,
            self,
            watcher=config.watcher.value,
            limits=config.limits,
            most_mods=config.most_mods,
            timing=Timing(min_interval=reload_interval),
        )

    async def start(self) -> None:
        """Zygote up, first scan done, every mod with a verdict. Raises MachineError, ConfigError."""
        asyncio.get_running_loop().add_reader(self._bell, self._rung)
        await self.nursery.start()
        await self.source.start()
        # Mods that may ask their game have to wait for it: it attaches, and waits for the verdicts itself.
        first = self._first_verdicts()
        if self.terms.contract is not None and self.terms.contract.queries:
            self._tasks.append(asyncio.create_task(first))
        else:
            await first
        self.looked_at = time.monotonic()
        self._tasks += [
            asyncio.create_task(self._every(monitor.PERIOD, self._patrol)),
            asyncio.create_task(self._every(CHECKPOINT_PERIOD, self._checkpoint)),
        ]
        gc.freeze()  # what is here now stays: collections need not walk it again

    async def _first_verdicts(self) -> None:
        await self.settle(FIRST_VERDICTS, look=False)
        self._started = True

    # ── the source's sink ─────────────────────────────────────────────────────────────────────────────────────────────

    def drafted(self, key: str, snapshot: Snapshot) -> None:
        """See source.Sink."""
        if (lane := self._lane(key)) is not None:
            self._places[key] = Needs(snapshot.manifest.order, snapshot.manifest.requires)
            lane.drafted(snapshot, self._cause())

    def settled(self, batch: tuple[Settled, ...]) -> None:
        """See source.Sink: each mod of a batch is activated once, in order. A renamed one takes its state along."""
        now = time.monotonic()
        for item in batch:
            if item.digest is None and item.key in self.lanes:
                self._orphans.add(self.lanes[item.key], now)
        for item in batch:
            if item.digest and (lane := self._lane(item.key)) is not None and lane.life.active is None:
                lane.moved_from = self._orphans.claim(lane, item.digest, now) or lane.moved_from
        for item in batch:
            if item.digest is None and item.key not in self.lanes:
                continue
            if (lane := self._lane(item.key)) is not None:
                lane.settled(item.digest, self._cause() if item.digest else "deleted")
            if item.digest is None:
                self._places.pop(item.key, None)
        self.rank()

    def rank(self) -> None:
        """See lane.House: by the manifests of what is live, or else of what is about to be."""
        places = {lane.name: place for lane in self.lanes.values() if (place := lane.place()) is not None}
        self.switchboard.rank([self.lanes[name].index for name in load_order(places)])

    def unreadable(self, key: str, diagnostic: Diagnostic) -> None:
        """See source.Sink."""
        if (lane := self._lane(key)) is not None:
            lane.unreadable(diagnostic, self._cause())

    def rested(self) -> None:
        """See source.Sink."""
        self.settle_changed()

    def troubled(self, message: str) -> None:
        """See source.Sink."""
        log.warning("%s", message)

    def _cause(self) -> str:
        return "save" if self._started else "startup"

    def _lane(self, key: str) -> Lane | None:
        lane = self.lanes.get(key)
        if lane is None:
            try:
                slots = Slots(self.limits.ring_bytes, watched=self.shelf.lent > 0)
                self._leave_room(slots)
            except OSError as error:
                log.error("%s: cannot be taken in: %s", key, error.strerror)
                return None
            try:
                lane = self.lanes[key] = Lane(key, self.switchboard.add_mod(), slots, self)
            except ValueError as error:
                slots.close()
                log.error("%s: cannot be taken in: %s", key, error)
        return lane

    def _leave_room(self, slots: Slots) -> None:
        """Let a new name keep its descriptors if enough are left for the mods that are there: without one no process is
        born. Raises OSError: there are not, and the slots are closed."""
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        used = slots.highest()  # about: they are given out from the lowest on
        if most != resource.RLIM_INFINITY and used + SPARE_DESCRIPTORS + WORKERS_DESCRIPTORS * len(self._places) > most:
            slots.close()
            text = "too few descriptors would be left for the others, since each name that there ever was keeps its own"
            raise OSError(errno.EMFILE, f"{text}: raise the limit of {most} (ulimit -n), or start the supervisor anew")

    # ── the game ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def attach(self, sock: socket.socket, patience: float | None = None) -> None:
        """Take a game's control socket. A second game is refused while the first is attached. `patience`: seconds for
        its hello; None: as long as it likes."""
        if self._attachment is not None and self._attachment.hung_up():  # its end and this beginning came together
            self._attachment.close("the game closed its control socket")
        if self._attachment is not None:
            with contextlib.suppress(OSError), sock:
                refusal = control.Refusal("AlreadyAttached", "another game is attached to these mods: close it first")
                sock.send(pack(refusal), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            return
        self._attachment = Attachment(sock, self, patience)
        self._attachment.farewell = self.on_farewell

    def welcome(self, *, loop: bool = False) -> tuple[control.Welcome, tuple[int, ...]]:
        """Open a session for the attached game. `loop`: it waits in an event loop. Raises OSError: no descriptor."""
        if not loop:
            self.switchboard.close_news()  # of a game before this one: it decides what comes with an introduction
        news = (self.switchboard.open_news(),) if loop else ()
        self._sessions += 1
        self.attached = True
        self.switchboard.page.store64(SESSION, self._sessions)
        size = segment.ring_segment_size(self.limits.ring_bytes)
        message = control.Welcome(self._sessions, size, BOARD_BYTES, PAGE_BYTES, self._packages, bool(self.seed))
        board = self.switchboard
        logging.getLogger("fumehood.control").info("a game attached")
        return message, (board.board_read_only, board.page_fd, self._bell, *news)

    def agree(self, contract: bytes) -> None:
        """See attachment.Host. Mods that do not fit another contract go down, those that fit it now are tried again."""
        if contract != self.terms.packed:
            self.terms = Terms(contract)
            for lane in self.lanes.values():
                lane.agree()

    def introduction(self, lane: Lane) -> tuple[int, ...]:
        """Four writable `down`, four read-only `up`, for a game in a loop the mod's alarm; the caller closes them."""

        def read_only(slot: Slot) -> int:
            return segment.read_only(slot.up_fd)

        slots = lane.tenancy.slots.slots
        alarm = (os.dup(lane.tenancy.slots.alarm),) if self.switchboard.news >= 0 else ()
        return tuple(os.dup(slot.down_fd) for slot in slots) + tuple(map(read_only, slots)) + alarm

    def detached(self, attachment: Attachment) -> None:
        """The game is gone: adopt in its place what it left on offer."""
        if attachment is not self._attachment:
            return
        self._attachment = None
        self.attached = False
        self.looked_at = 0.0
        self.saves.drop()
        for lane in () if self._closed else self.lanes.values():
            lane.look()
            lane.adopt_for_absent_game()
        if self.on_detached is not None:
            self.on_detached()

    on_farewell: Callable[[], Coroutine[Any, Any, None]] | None = None
    """What to clear away before a game's Bye is answered."""
    on_detached: Callable[[], None] | None = None
    """What else to do when a game leaves: `launch` ends the supervisor."""

    def offering(self) -> bool:
        """See attachment.Host."""
        return any(lane.life.offers for lane in self.lanes.values())

    async def settle(self, patience: float, *, look: bool) -> bool:
        """See attachment.Host."""
        deadline = time.monotonic() + patience
        if look and not await self.source.look(max(patience, LOOK_PATIENCE)):
            return False  # with a patience of 0 too the answer has to be about what is on disk
        while True:
            lanes = [lane for lane in self.lanes.values() if not lane.at_rest()]
            if not lanes and self.source.at_rest():
                return True
            left = deadline - time.monotonic()
            if left <= 0 or any(lane.life.offers for lane in lanes):
                return False
            await self.change(left)

    async def await_required(self, name: str, snapshot: Snapshot) -> str:
        """See lane.House: until every mod that this one requires is at rest, or one of them takes too long."""
        deadline = time.monotonic() + self.limits.load_timeout
        required = [self.lanes[other] for other in required_by(name, self._places) if other in self.lanes]
        while not all(lane.at_rest() for lane in required) and (left := deadline - time.monotonic()) > 0:
            await self.change(left)
        return next((library.key for library in snapshot.libraries if self._is_refused(library)), "")

    def _is_refused(self, library: Library) -> bool:
        """Whether these very files of a mod were refused."""
        lane = self.lanes.get(library.key)
        bad = [lane.snapshots.get(digest) for digest in lane.life.versions.quarantine] if lane is not None else []
        return any(snapshot is not None and snapshot.files == library.files for snapshot in bad)

    async def change(self, patience: float) -> None:
        """See lane.House."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._settling.add(waiter)
        try:
            await asyncio.wait([waiter], timeout=patience)
        finally:
            self._settling.discard(waiter)

    def published(self, request: control.Publish, fd: int) -> None:
        """See attachment.Host."""
        view = View(request.name, request.place, request.generation, request.buffers, request.stride)
        if why := self.shelf.why_not(view, fd):
            raise ViewError(f"view {escape(request.name, 200)!r} cannot be published: {why}")
        for lane in () if self.shelf.lent else self.lanes.values():
            lane.tenancy.slots.hold_pins()
        self.shelf.put(view, fd, [seat for lane in self.lanes.values() for seat in lane.seats.values()])

    def accused(self, index: int, epoch: int, reason: str) -> None:
        """See attachment.Host. A game that still stands on that epoch is believed: it is the trusted one."""
        for lane in self.lanes.values():
            if lane.index == index:
                lane.accused(epoch, reason)

    def settle_changed(self) -> None:
        """Some mod may have come to rest: whoever waits for that looks again."""
        for waiter in self._settling:
            if not waiter.done():
                waiter.set_result(None)

    def worst_frame_ms(self) -> float:
        """The game's longest emit since its last adoption, as the game tells it."""
        return self.switchboard.page.load64(WORST_NS) / 1e6

    def _rung(self) -> None:
        """The game adopted something: look which."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        left = [lane for lane in self.lanes.values() if lane.look()]
        if len(left) == 1:
            left[0].listen()

    # ── periods ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _every(self, period: float, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(period)
            await act()

    async def _checkpoint(self) -> None:
        for lane in list(self.lanes.values()):
            lane.checkpoint()

    async def _patrol(self) -> None:
        for lane in list(self.lanes.values()):
            lane.patrol(time.monotonic())
        self.looked_at = time.monotonic()

    def _lost_zygote(self, reason: str) -> None:
        """Without its zygote nothing can be confined any more: end, so that nothing is left half alive."""
        if not self.ended.done():
            log.critical("the zygote is gone (%s): ending", reason)
            self.ended.set_result(Exit.LOST_ZYGOTE)

    # ── the end ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def close(self) -> None:
        """on_unload for every live mod, within GOODBYE; then leave nothing: no process, mapping or descriptor."""
        self._closed = True
        self.saves.drop()
        await self.source.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        leaving = []
        for lane in self.lanes.values():
            seat = lane.active_seat()
            if seat is not None and seat.worker is not None and seat.slot is not None:
                seat.worker.on_exit = None
                seat.worker.send(Retire(), ())
                seat.slot.announce_command()
                leaving.append(seat.worker.exited)
        if leaving:
            await asyncio.wait(leaving, timeout=GOODBYE)
        for lane in self.lanes.values():
            await lane.close()
        await self.nursery.close()
        asyncio.get_running_loop().remove_reader(self._bell)
        os.close(self._bell)
        self.shelf.close()
        self.provisions.close()
        self.switchboard.close()

    def let_go(self) -> None:
        """Close the game's socket, last of all: the game may be waiting for its end."""
        if self._attachment is not None:
            self.on_detached = None
            attachment, self._attachment = self._attachment, None
            attachment.close()


def raise_descriptor_limit() -> None:
    """Take as many descriptors as the machine allows: a mod needs about 14 here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def end_on_signals(supervisor: Supervisor, signals: tuple[signal.Signals, ...]) -> None:
    """Signals only ring a bell: the first one ends the supervisor in good order."""

    def ring() -> None:
        if not supervisor.ended.done():
            supervisor.ended.set_result(Exit.OK)

    for number in signals:
        asyncio.get_running_loop().add_signal_handler(number, ring)
