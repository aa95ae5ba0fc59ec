"""A worker's whole life after its confinement: what it is told, in which order, and the ring it reads in between.

::

    spare ──Assign──▶ candidate ──Rehearse──▶ offered ──Start──▶ live ──ring ended──▶ standby ──Start──▶ live …
                          └────── Unfit ──────────┴───────────────┘      Retire, at any time: the end

While it is not live a worker blocks in its socket: the game may already be writing into its ring, which is not to be
read before Start. While it is live it waits on its ring alone, whose bell also tells of commands.

Everything a mod does happens in this one thread, between two looks at the ring: handlers, hooks, pickling its state.
"""

import os
import socket
import time
import traceback
from enum import Enum, auto
from functools import partial
from typing import Any, Final, NoReturn

from ..shared import segment
from ..shared._ring import CorruptRing, Segment
from ..shared.contract import unpack_contract
from ..shared.errors import ProtocolError, StateError
from ..shared.exits import Exit
from ..shared.messages import (
    MOST_CARRIED,
    Agree,
    Assign,
    Carried,
    Checkpoint,
    Checkpointed,
    Command,
    Diagnostic,
    Drained,
    Entered,
    Equipped,
    Fault,
    Helpers,
    Live,
    Ready,
    Rehearse,
    Retire,
    Start,
    Stop,
    Unfit,
    View,
    pack,
    unpacker,
)
from ..shared.states import Stage
from . import api, crossed, determinism, handover, provided, views
from .agreed import Agreed
from .answers import make_answering
from .candidate import Mod, prepare
from .diagnostics import describe
from .faults import Faults
from .link import Link, protocol_error
from .loader import ROOT
from .logs import LineSender, redirect
from .serving import Serving
from .windows import Windows

BALLAST: Final = 2 * 1024 * 1024
"""Address space kept to be given back when memory is used up, so that the last report can be made. Never touched, so
it costs no memory; smaller than two of Python's arenas might give nothing back that can be used."""

_unpack_snapshot: Final = unpacker(list[dict[str, bytes]], "the supervisor (snapshot)")
_unpack_frames: Final = unpacker(list[bytes], "the supervisor (inheritance)")


class Phase(Enum):
    SPARE = auto()
    CANDIDATE = auto()
    OFFERED = auto()
    LIVE = auto()
    STANDBY = auto()
    UNFIT = auto()


def run(sock: socket.socket, scratch: str) -> NoReturn:
    """In a confined worker, after it said Confined: obey until the end. Ends the process, with an `Exit` status.

    `sock`: the command socket. `scratch`: an empty folder of its own, absolute, where the mod's files are laid.
    """
    worker = Worker(sock, scratch)
    try:
        worker.obey_for_ever()
    except MemoryError as error:
        worker.perish(error)
    except CorruptRing as error:
        protocol_error(f"the ring cannot be read: {error}")
    except BaseException:  # noqa: BLE001  # the last line of defence: nothing may return into the zygote's code
        os.write(2, traceback.format_exc().encode(errors="backslashreplace"))
        os._exit(Exit.INTERNAL)


class Worker:
    """One version of one mod, from its assignment to its end."""

    mod: Mod
    ring: Serving

    def __init__(self, sock: socket.socket, scratch: str) -> None:
        self.link = Link(sock)
        self.scratch = scratch
        self.base = f"{scratch}/{ROOT}/"
        self.faults = Faults(self.link)
        self.windows = Windows(self.pull_views)
        views.connect(self.windows)
        self.phase = Phase.SPARE
        self.stage = Stage.SNAPSHOT
        self._ballast: bytes | None = bytes(BALLAST)
        self._last_words = pack(Fault("", 1, Diagnostic(Stage.RUN, "MemoryError", "out of memory")))

    def obey_for_ever(self) -> NoReturn:
        while True:
            self.obey(wait=True)
            if self.phase is Phase.LIVE:
                if not self.ring.stopped:
                    self.ring.serve(self.obey_all)
                self.drain()

    def obey_all(self) -> None:
        while self.obey(wait=False):
            pass

    def obey(self, *, wait: bool) -> bool:
        """Do what the next command says; False when there is none."""
        received = self.link.receive(wait=wait)
        if received is None:
            return False
        command, fds = received
        match command, self.phase:
            case View(), _:
                self.take_view(command, fds)
            case Assign(), Phase.SPARE:
                self.assign(command, _expect(command, fds, 4 + command.alarm))
            case Rehearse(), Phase.CANDIDATE:
                self.rehearse(command, _expect(command, fds, int(command.state.attached)))
            case Start(), Phase.OFFERED | Phase.STANDBY:
                self.start(command, _expect(command, fds, command.state.attached + (command.inherited > 0)))
            case Agree(), _:
                self.agree(command.contract)
            case Checkpoint(), _:
                self.checkpoint(command)
            case Stop(), _:
                self.ring.stop()
            case Retire(), _:
                self.retire()
            case Helpers(), _:
                provided.take(provided.helpers, command.entries, *_expect(command, fds, 1))
                self.link.tell(Equipped(command.generation))
            case ((Rehearse() | Start()), Phase.UNFIT):
                for fd in fds:  # it crossed our Unfit
                    os.close(fd)
            case _:
                protocol_error(f"{type(command).__name__} to a worker that is {self.phase.name.lower()}")
        if self.windows.held:
            self.windows.settle()
        return True

    def take_view(self, command: View, fds: list[int]) -> None:
        """Note what the game publishes."""
        try:
            self.windows.take(command, *_expect(command, fds, 1))
        except (OSError, ValueError) as error:
            protocol_error(f"a view cannot be taken in: {error}")

    def pull_views(self) -> None:
        """Take in the views that are announced at the socket, amid a handler too; the rest waits its turn."""
        while (received := self.link.receive(wait=False, fresh=True)) is not None:
            command, fds = received
            if isinstance(command, View):
                self.take_view(command, fds)
            else:
                self.link.early.append(received)

    def assign(self, command: Assign, fds: list[int]) -> None:
        """Become a candidate: map the rings, read the snapshot, let go of their descriptors, load the mod."""
        down_fd, up_fd, snapshot_fd, self.state_fd, *alarm = fds
        try:
            down = Segment(down_fd, command.ring_segment, writable=False)
            up = Segment(up_fd, command.ring_segment, writable=True)
            crossed.hold_to(command.limits, self.scratch)
            self.lines = LineSender(self.link, command.limits.log_lines)
            query_ns = int(command.limits.query_timeout * 1e9)
            self.ring = Serving(up, down, self.link, self.faults, self.lines, self.windows, query_ns)
            self.ring.port.alarm(alarm[0] if alarm else -1)
            self.windows.bind(up)
            snapshot = _unpack_snapshot(segment.read_all(snapshot_fd, command.snapshot))
            self.state_limit = min(command.limits.state_bytes, os.fstat(self.state_fd).st_size)
        except (ProtocolError, CorruptRing, OSError, ValueError) as error:
            protocol_error(f"Assign cannot be done: {error}")
        for fd in (down_fd, up_fd, snapshot_fd):
            os.close(fd)
        self.consoles = redirect(self.lines, self.base)
        agreed = self.agree(command.contract)
        self.seeded = bool(command.seed)
        if self.seeded:
            determinism.install(command.seed, command.mod, command.digest, self.ring.note_clock)
        try:
            self.mod = prepare(command, snapshot, self.scratch, self.enter, agreed)
        except BaseException as error:  # noqa: BLE001  # whatever a mod raises while it loads is why it is refused
            self.refuse(error)
            return
        self.ring.answering = make_answering(
            self.mod.handlers, self.faults, self.base, self.ring.port.limit, api.parameters_of
        )
        self.link.tell(self.mod.bound)
        self.phase = Phase.CANDIDATE

    def agree(self, contract: bytes) -> Agreed | None:
        """Go by what the game declares, if it declares anything."""
        try:
            agreed = Agreed(unpack_contract(contract)) if contract else None
        except ProtocolError as error:
            protocol_error(str(error))
        api.agree(agreed)
        return agreed

    def enter(self, stage: Stage) -> None:
        self.stage = stage
        self.link.tell(Entered(stage))

    def rehearse(self, command: Rehearse, fds: list[int]) -> None:
        """Take a copy of the state in and throw it away: it loads, and migrates."""
        self.enter(Stage.REHEARSE)
        began = time.perf_counter_ns()
        try:
            self.restored(fds, command.state)
        except BaseException as error:  # noqa: BLE001  # as in assign()
            self.refuse(error)
            return
        self.walk_through()
        self.phase = Phase.OFFERED
        self.link.tell(Ready(_microseconds_since(began)))

    def walk_through(self) -> None:
        """Take the steps of a start that have no effect yet: a page that a fork writes to for the first time is copied,
        18 of them here at 2 to 4 us each, and now no call waits for that. The ring is empty: nobody was offered it."""
        self.ring.hold_intents()
        api.connect_game(self.ring.speak, self.ring.ask)
        self.ring.release_intents()
        api.connect_game(None)
        self.ring.inherit([], self.obey_all)
        pack(Live(time.monotonic_ns(), 0.0, 0.0))
        self.ring.handle_waiting(self.obey_all)

    def start(self, command: Start, fds: list[int]) -> None:
        """Go live: state, on_load, what a predecessor left undone, and then the ring."""
        if self.seeded:
            determinism.begin(command.life)
            determinism.set_clock(command.clock)
        self.stage = Stage.RESTORE
        self.ring.forget_inheritance()
        state_fds, frame_fds = (fds[:1], fds[1:]) if command.state.attached else ([], fds)
        try:
            frames = _unpack_frames(_read(frame_fds[0], command.inherited_size)) if frame_fds else []
        except (ProtocolError, OSError, ValueError) as error:
            protocol_error(f"Start's inheritance cannot be read: {error}")
        began = time.perf_counter_ns()
        try:
            new = self.restored(state_fds, command.state)
            api.state.clear()
            api.state.update(new)
        except BaseException as error:  # noqa: BLE001  # as in assign()
            before = self.phase
            self.refuse(error)
            self.phase = before  # another Start may bring an older state
            return
        restore_us = _microseconds_since(began)
        began = time.perf_counter_ns()
        if not self.loaded():
            return
        on_load_us = _microseconds_since(began)
        self.phase = Phase.LIVE
        if frames:
            self.enter(Stage.RUN)
        self.ring.inherit(frames, self.obey_all)
        if not self.ring.stopped:
            self.link.hold(Live(time.monotonic_ns(), restore_us, on_load_us))
            self.ring.handle_waiting(self.obey_all)
            self.link.flush()

    def loaded(self) -> bool:
        """Run on_load. What it says reaches the game only if it succeeds. False: it failed, and that was reported."""
        self.ring.hold_intents()
        api.connect_game(self.ring.speak, self.ring.ask)
        if self.mod.on_load is not None:
            self.enter(Stage.ON_LOAD)
            try:
                self.mod.on_load()
            except BaseException as error:  # noqa: BLE001  # as in assign()
                api.connect_game(None)
                self.refuse(error)
                return False
        self.ring.release_intents()
        return True

    def restored(self, fds: list[int], state: Carried) -> Any:  # a mapping of anything
        """Load and migrate the saved state; without one, a new empty mapping."""
        if not state.size:
            return {}
        try:
            data = _read(fds[0], state.size) if state.attached else state.data
        except (OSError, ValueError) as error:
            protocol_error(f"the state cannot be read: {error}")
        return handover.migrate(handover.load(data), state.version, self.mod.state_version, self.mod.migrate)

    def refuse(self, error: BaseException) -> None:
        self.phase = Phase.UNFIT
        self.flush_texts()
        self.link.tell(Unfit(describe(self.stage, error, self.base)))

    def drain(self) -> None:
        """The game went on elsewhere: hand the state over, and become the standby."""
        self.leave()
        state, error = self.save()
        self.flush_texts()
        self.link.tell(Drained(state, error))
        self.phase = Phase.STANDBY

    def leave(self) -> None:
        """Run on_unload; it may still speak to the game."""
        try:
            if self.mod.on_unload is not None:
                self.mod.on_unload()
        except MemoryError:
            raise
        except BaseException as error:  # noqa: BLE001  # as in assign()
            self.faults.note("on_unload", partial(describe, Stage.RUN, error, self.base))
        api.connect_game(None)

    def checkpoint(self, command: Checkpoint) -> None:
        """Only a live mod has a state of its own: a standby's bytes in the memfd may be read at this moment."""
        state, error = self.save() if self.phase is Phase.LIVE else (Carried(), "it is not live")
        self.link.tell(Checkpointed(command.serial, state, error))

    def retire(self) -> NoReturn:
        state, error = Carried(), ""
        if self.phase is Phase.LIVE:
            self.leave()
            state, error = self.save()
        if self.phase is not Phase.SPARE:
            self.flush_texts()
        self.link.tell(Drained(state, error))
        os._exit(Exit.WORKER_RETIRED)

    def save(self) -> tuple[Carried, str]:
        """The state as bytes, a long one written into its memfd; or nothing, and why."""
        version = self.mod.state_version
        try:
            data = handover.dump(api.state, self.state_limit)
            if len(data) <= MOST_CARRIED:
                return Carried(len(data), version, data), ""
            position = 0
            while position < len(data):
                position += os.pwrite(self.state_fd, data[position:], position)
        except (StateError, OSError) as error:
            return Carried(version=version), str(error)
        return Carried(len(data), version), ""

    def flush_texts(self) -> None:
        """Before what ends a phase: lines begun, failures merged, lines dropped."""
        for console in self.consoles:
            console.finish()
        self.faults.flush(all_at_once=True)
        self.lines.finish()

    def perish(self, error: MemoryError) -> NoReturn:
        """The address space is used up: say so if it can be said, and end. The message in progress is not done."""
        self._ballast = None
        try:
            self.link.offer(pack(Fault("", 1, describe(Stage.RUN, error, self.base))))
        except MemoryError:
            self.link.offer(self._last_words)
        finally:
            os._exit(Exit.WORKER_MEMORY)


def _expect(command: Command, fds: list[int], count: int) -> list[int]:
    if len(fds) != count:
        protocol_error(f"{type(command).__name__} came with {len(fds)} descriptors instead of {count}")
    return fds


def _read(fd: int, size: int) -> bytes:
    try:
        return segment.read_all(fd, size)
    finally:
        os.close(fd)


def _microseconds_since(began: int) -> float:
    return (time.perf_counter_ns() - began) / 1000
