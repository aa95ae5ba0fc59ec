"""The supervisor's end of one game's control socket. Answers one request at a time, or several of a game that is in an
event loop; never waits for a slow reader."""

import asyncio
import errno
import fcntl
import logging
import os
import select
import socket
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

import msgspec

from ..shared import packets, segment
from ..shared.errors import ProtocolError, ViewError
from ..shared.messages import pack
from . import control, logs
from .journal import Journal
from .lane import Lane
from .outbox import AGAIN
from .provisions import Provisions
from .saves import Saves

LONGEST_PATIENCE: Final = 60.0
"""Seconds a request may ask to wait. Longer waits are asked for again: nothing of a dead game stays for ever."""

SOCKET_OVERHEAD: Final = 32
"""Bytes by which the kernel wants a packet to be shorter than the send buffer."""
SHORTEST: Final = 64
"""Characters that a text keeps at least when an answer is cut to fit. No answer has so many texts that more are cut."""

log = logging.getLogger("fumehood.control")


class Host(Protocol):
    """What an attachment needs of the supervisor."""

    journal: Journal
    lanes: dict[str, Lane]
    saves: Saves
    provisions: Provisions

    def welcome(self, *, loop: bool = False) -> tuple[control.Welcome, tuple[int, ...]]:
        """The pages of the only game, with descriptors that stay the supervisor's. Raises OSError: one is lacking."""

    def agree(self, contract: bytes) -> None:
        """Go by what this game declares. Raises ProtocolError: it is no contract."""

    def introduction(self, lane: Lane) -> tuple[int, ...]:
        """Descriptors of a mod's slots; the caller closes them."""

    def offering(self) -> bool:
        """Whether the game has something to adopt."""

    async def settle(self, patience: float, *, look: bool) -> bool:
        """Wait until every mod is at rest (True), or it is the game's turn, or time is up (False). `look`: see first
        what is on disk."""

    def published(self, request: control.Publish, fd: int) -> None:
        """The game publishes a view: tell every worker. Takes the descriptor over; raises OSError, and ViewError when
        it is none, and does not."""

    def accused(self, index: int, epoch: int, reason: str) -> None:
        """The game says that a mod's worker lied to it."""

    def detached(self, attachment: "Attachment") -> None:
        """The game is gone."""


class Attachment:
    """One attached game."""

    def __init__(self, sock: socket.socket, host: Host, patience: float | None = None) -> None:
        """`patience`: seconds for its hello, after which it is let go; None: no such bound."""
        self._sock = sock
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._out: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._close_after: deque[tuple[int, ...]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}
        """By request, of a game in an event loop."""
        self._loops = False
        self._stuffed = False
        """Its receive buffer is full."""
        self._greeted = False
        self.farewell: Callable[[], Coroutine[Any, Any, None]] | None = None
        """What to do before Bye is answered."""
        self._loop.add_reader(sock, self._readable)
        self._due: asyncio.TimerHandle | None = None
        if patience is not None:
            self._due = self._loop.call_later(patience, self.close, "the game did not say hello in time")

    def _readable(self) -> None:
        try:
            data, fds = packets.receive(self._sock, control.PACKET_LIMIT)
        except BlockingIOError:
            return
        except (OSError, ValueError) as error:
            self.close(f"the game's control socket failed: {error}")
            return
        request, attached = None, b""
        try:
            request = control.unpack_request(data) if data else None
            attached = taken(request, fds) if request is not None else b""
        except (ProtocolError, OSError, ValueError) as error:
            self.close(str(error))
            return
        finally:
            kept = self._greeted and len(fds) == 1 and isinstance(request, control.Publish)
            for fd in () if kept else fds:
                socket.close(fd)
        if request is None:
            self.close("the game closed its control socket")
            return
        if isinstance(request, control.Publish):
            self._published(request, fds if kept else [])
            return
        if self._loops:
            self._one_of_several(request, attached)
            return
        if self._task is not None and not self._task.done():
            self._task.cancel()  # the game gave it up: Ctrl-C in `wait`, say
        self._task = self._loop.create_task(self._answer(request, attached))

    def _one_of_several(self, request: control.Request, attached: bytes) -> None:
        if isinstance(request, control.Accuse):
            self._host.accused(request.index, request.epoch, request.reason)
            return
        number = getattr(request, "id", 0)
        if isinstance(request, control.Abandon):
            if (given_up := self._tasks.get(number)) is not None:
                given_up.cancel()
            return
        if len(self._tasks) >= control.MOST_AT_ONCE or number in self._tasks:
            self.close(f"the game has {len(self._tasks)} requests outstanding, or gives two the same number")
            return
        task = self._tasks[number] = self._loop.create_task(self._answer(request, attached))
        task.add_done_callback(lambda _: self._tasks.pop(number, None))

    async def _answer(self, request: control.Request, attached: bytes = b"") -> None:
        match request:
            case control.Hello():
                self._hello(request)
            case _ if not self._greeted:
                self.close("the game did not say hello")
            case control.Introductions():
                for lane in list(self._host.lanes.values()):
                    if lane.index >= request.since:
                        fds = self._host.introduction(lane)
                        self._send(control.Introduce(request.id, lane.index, lane.name), fds, close=True)
                self._send(control.Done(request.id))
            case control.StatusRequest():
                for lane in list(self._host.lanes.values()):
                    self._send(control.StatusItem(request.id, lane.status()))
                self._send(control.Done(request.id))
            case control.ReceiptsRequest():
                # What was put on offer before this request came rang no bell for it: the game has to look first.
                patience = 0.0 if self._host.offering() else patience_of(request.patience)
                for receipt in await self._host.journal.beyond(request.since, patience):
                    self._send(control.ReceiptItem(request.id, receipt))
                self._send(control.Done(request.id))
            case control.FlushLog():
                await asyncio.to_thread(logs.flush)
                self._send(control.Done(request.id))
            case control.Settle():
                rest = await self._host.settle(patience_of(request.patience), look=request.look)
                self._send(control.Done(request.id, rest))
            case control.Save() | control.Load():
                await self._host.saves.answer(request, attached, self._send)
            case control.Provide():
                await self._host.provisions.answer(request, attached, self._send)
            case control.Accuse():
                self._host.accused(request.index, request.epoch, request.reason)
            case control.Abandon():  # of a game that has no other outstanding
                pass
            case control.Setup():
                self.close("the game sent a second set-up")
            case control.Bye():
                if self.farewell is not None:
                    await self.farewell()
                self._send(control.Done(request.id))

    def _published(self, request: control.Publish, fds: list[int]) -> None:
        if not fds:
            self.close("the game published a view without its memory")
            return
        try:
            self._host.published(request, fds[0])
        except ViewError as error:
            socket.close(fds[0])
            self._send(control.Refusal("ViewError", str(error), request.id))
            return
        except OSError as error:
            socket.close(fds[0])
            text = f"view {request.name!r} cannot be published: {error.strerror}"
            self._send(control.Refusal("MachineError", text, request.id))
            return
        self._send(control.Done(request.id))

    def _hello(self, request: control.Hello) -> None:
        if request.protocol != control.PROTOCOL:
            text = f"the supervisor speaks protocol {control.PROTOCOL}, the game {request.protocol}: use one release"
            self._send(control.Refusal("ConfigError", text))
            return
        try:
            self._host.agree(request.contract)
        except ProtocolError as error:
            self._send(control.Refusal("ConfigError", str(error)))
            return
        try:
            message, fds = self._host.welcome(loop=True) if request.loop else self._host.welcome()
        except OSError as error:
            self._send(control.Refusal("MachineError", f"the game cannot be attached: {error.strerror}"))
            return
        self._greeted = True
        if self._due is not None:
            self._due.cancel()
        self._loops = request.loop
        self._send(message, fds)

    def _send(self, message: control.Answer, fds: tuple[int, ...] = (), *, close: bool = False) -> None:
        if self._sock.fileno() < 0:  # it went while it was being answered
            for fd in fds if close else ():
                socket.close(fd)
            return
        self._out.append((fitted(message, self._room()), fds))
        self._close_after.append(fds if close else ())
        if len(self._out) == 1:
            self._flush()

    def _room(self) -> int:
        """Bytes of the longest packet that the game takes and that the kernel takes from us."""
        return min(control.PACKET_LIMIT, self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) - SOCKET_OVERHEAD)

    def _flush(self) -> None:
        while self._out:
            try:
                packets.send(self._sock, *self._out[0])
            except BlockingIOError:
                # Nor is it heard until it reads: one that asks and never listens would have all its answers kept here.
                self._loop.remove_reader(self._sock)
                self._loop.add_writer(self._sock, self._flush)
                self._stuffed = True
                return
            except OSError as error:
                if error.errno == errno.ETOOMANYREFS:  # see `outbox`
                    self._loop.remove_writer(self._sock)
                    self._loop.call_later(AGAIN, self._flush)
                else:
                    self.close(f"the game cannot be answered: {error}")
                return
            self._out.popleft()
            for fd in self._close_after.popleft():
                socket.close(fd)
        if self._stuffed:
            self._stuffed = False
            self._loop.remove_writer(self._sock)
            self._loop.add_reader(self._sock, self._readable)

    def hung_up(self) -> bool:
        """Whether the game has closed its end, whatever is still to be read of it. Never waits."""
        poll = select.poll()
        poll.register(self._sock, 0)
        return bool(poll.poll(0))

    def close(self, reason: str = "") -> None:
        """Let the game go. Idempotent."""
        if self._sock.fileno() < 0:
            return
        if reason:
            log.info("%s", reason)
        if self._due is not None:
            self._due.cancel()
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()
        while self._close_after:
            for fd in self._close_after.popleft():
                socket.close(fd)
        self._out.clear()
        self._stuffed = False
        for task in (self._task, *self._tasks.values()):
            if task is not None and task is not asyncio.current_task():
                task.cancel()
        self._host.detached(self)


def patience_of(seconds: float) -> float:
    """How long a request waits that asks for so much. Not a number: as long as one may; a wait of that would not end,
    nor sleep."""
    return max(0.0, min(LONGEST_PATIENCE, seconds))  # min gives its first where nothing compares


def taken(request: control.Request, fds: list[int]) -> bytes:
    """What came in a memfd with a request, copied. Raises OSError, and ValueError when it is not what was announced."""
    if not isinstance(request, control.Provide) and not (isinstance(request, control.Load) and request.begin):
        return b""
    name, most = (
        ("Provide", control.MOST_HELPER) if isinstance(request, control.Provide) else ("Load", control.MOST_SAVE)
    )
    if len(fds) != 1:
        raise ValueError(f"the game's {name} came with {len(fds)} descriptors instead of one")
    if fcntl.fcntl(fds[0], fcntl.F_GET_SEALS) & segment.ALL_SEALS != segment.ALL_SEALS:
        raise ValueError(f"the game's {name} came with memory that may still change")
    status = os.fstat(fds[0])
    if status.st_size != request.size or status.st_blocks * 512 < request.size:  # a hole costs who sends it nothing
        raise ValueError(f"the game's {name} came with no memory of {request.size} bytes")
    return segment.read_all(fds[0], min(request.size, most + 1))


def fitted(message: control.Answer, room: int) -> bytes:
    """Pack an answer into at most `room` bytes: its longest texts are shortened for that, and say so at their end.

    Every text in it is bounded, but a diagnostic, what is said of it and a state's error may together be too long.
    """
    data = pack(message)
    longest = room // 4
    while len(data) > room and longest >= SHORTEST:
        data = pack(_shortened(msgspec.to_builtins(message), longest))
        longest //= 2
    return data


def _shortened(part: Any, longest: int) -> Any:
    if isinstance(part, dict):
        return {key: _shortened(value, longest) for key, value in part.items()}
    if isinstance(part, str) and len(part) > longest:
        return f"{part[:longest]}… ({len(part) - longest} more characters: too long to send)"
    return part
