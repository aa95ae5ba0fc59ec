"""The game's end of the control socket: one request at a time, every wait with a deadline."""

import contextlib
import errno
import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from ..shared import errors, packets
from ..shared.messages import pack
from . import control
from .records import ModStatus, Receipt

MEANWHILE: Final = 0.002
"""Seconds between two looks for queries of mods while the supervisor is waited for, in a game that answers any: nothing
but its answer wakes that wait. Shorter: a busier game; longer: mods wait for longer."""
PATIENCE: Final = 10.0
"""Seconds the supervisor gets for an ordinary answer. It answers in microseconds; a loaded machine takes longer."""


class Link:
    """The game's connection to its supervisor. One thread."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._id = 0
        self._pending = 0
        """Id of a request whose answer is collected by `poll`."""
        self.on_introduced: Callable[[control.Introduce, list[int]], None] = _close_all
        """Called with each mod to get to know, and with descriptors that are now its own to close."""
        self.fresh = False
        """Whether it was called: for whoever looks at new mods to say no again."""

    meanwhile: Callable[[], None] | None = None
    """Called now and then while the supervisor is waited for: mods may wait for the game."""

    def greet(self, deadline: float, contract: bytes = b"") -> tuple[control.Welcome, list[int]]:
        """Say hello, and what the game declares (packed); returns Welcome and its descriptors. `deadline`: monotonic
        seconds.

        Raises what the supervisor refuses with (AlreadyAttached, ConfigError, MachineError), SupervisorDied.
        """
        with contextlib.suppress(errors.SupervisorDied):  # it may have refused us already, and says why: read that
            self._send(control.Hello(control.PROTOCOL, contract))
        answer, fds = self._receive(deadline)
        if not isinstance(answer, control.Welcome):
            raise errors.ProtocolError(f"the supervisor answered hello with {type(answer).__name__}")
        return answer, fds

    def begin_introductions(self, since: int) -> None:
        """Ask for every mod with an index from `since` on; `poll` collects the answer, so that a frame never waits."""
        if not self._pending:
            request = control.Introductions(self._next(), since)
            self._send(request)
            self._pending = request.id

    @property
    def pending(self) -> bool:
        """Whether introductions are on their way, or have come and were not looked at."""
        return self._pending != 0 or self.fresh

    def poll(self, most: int = 2**31) -> None:
        """Introduce what has come of begin_introductions, at most so many; never waits.

        One at a time: eight descriptors each of a thousand mods would be more than a process may hold. Raises
        SupervisorDied, ProtocolError.
        """
        while self._pending and most > 0:
            try:
                data, fds = packets.receive(self._sock, control.PACKET_LIMIT)
            except BlockingIOError:
                return
            except OSError:
                data, fds = b"", []
            except ValueError as error:
                raise errors.ProtocolError(f"the supervisor's answer cannot be taken: {error}") from None
            answer = self._decode(data)
            if isinstance(answer, control.Introduce):
                most -= 1
                self.fresh = True
                self.on_introduced(answer, fds)
            elif isinstance(answer, control.Done) and answer.id == self._pending:  # else late, of one given up
                self._pending = 0

    def finish_introductions(self, deadline: float) -> None:
        """Collect the whole answer, waiting up to `deadline` (monotonic seconds)."""
        while self._pending:
            self.poll()
            if self._pending:
                self._wait(deadline)

    def status(self) -> list[ModStatus]:
        """The status of every mod (records.ModStatus)."""
        request = control.StatusRequest(self._next())
        return [answer.status for answer, _ in self._ask(request, time.monotonic() + PATIENCE)]

    def receipts(self, since: int, patience: float) -> list[Receipt]:
        """The receipts above `since`; waits up to `patience` seconds for one, or until there is something to adopt."""
        request = control.ReceiptsRequest(self._next(), since, patience)
        return [answer.receipt for answer, _ in self._ask(request, time.monotonic() + patience + PATIENCE)]

    def flush_log(self) -> None:
        """Return once the supervisor has written what it logged, and what mods had said, before this was asked."""
        for _ in range(2):  # by the second, what workers' sockets held is read
            for _ in self._ask(control.FlushLog(self._next()), time.monotonic() + PATIENCE):
                raise errors.ProtocolError("the supervisor answered FlushLog with an item")

    def settle(self, patience: float, *, look: bool) -> bool:
        """Wait until every mod is at rest; False: adopt what is on offer (or time is up), and ask again. `look`: for
        what is on disk by now, noticed or not; the first time is enough."""
        identity = self._next()
        for _ in self._ask(control.Settle(identity, patience, look), time.monotonic() + patience + PATIENCE):
            raise errors.ProtocolError("the supervisor answered Settle with an item")
        return self._rest

    def publish(self, name: str, place: int, generation: int, buffers: int, each: int, fd: int) -> None:
        """Announce a view's memory; returns when every worker has been told. The descriptor stays the caller's."""
        request = control.Publish(self._next(), name, place, generation, buffers, each)
        for _ in self._ask(request, time.monotonic() + PATIENCE, (fd,)):
            raise errors.ProtocolError("the supervisor answered Publish with an item")

    def exchange(
        self, make: Callable[[int], Any], patience: float, fds: tuple[int, ...] = ()
    ) -> tuple[list[tuple[Any, list[int]]], bool]:
        """Send what `make` makes of an id, with descriptors; they stay the caller's. Returns the answers, each with
        descriptors that are now the caller's, and whether that is all: else adopt what is on offer, and ask again."""
        answers: list[tuple[Any, list[int]]] = []
        try:
            answers.extend(self._ask(make(self._next()), time.monotonic() + patience + PATIENCE, fds))
        except BaseException:
            for answer, given in answers:
                _close_all(answer, given)
            raise
        return answers, self._rest

    def accuse(self, index: int, epoch: int, reason: str) -> None:
        """Say that a worker lied; not answered, and dropped when the supervisor does not read."""
        try:
            packets.send(self._sock, pack(control.Accuse(index, epoch, reason)))
        except OSError:
            return

    def bye(self, patience: float) -> None:
        """Leave; returns when the supervisor has cleared everything away, or is gone, or time is up."""
        try:
            for _ in self._ask(control.Bye(self._next()), time.monotonic() + patience):
                raise errors.ProtocolError("the supervisor answered Bye with an item")
        except errors.SupervisorDied:
            return

    def alive(self) -> bool:
        """Whether the supervisor still holds its end. Never waits."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return not any(events & (select.POLLHUP | select.POLLERR) for _, events in poll.poll(0))

    def close(self) -> None:
        """Hang up, also for a fork that holds the socket too."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self.forget()

    def forget(self) -> None:
        """Close our copies alone: in a fork the other end goes on talking to its parent."""
        self._sock.close()

    _rest = True

    def _next(self) -> int:
        self.finish_introductions(time.monotonic() + PATIENCE)  # one request at a time
        self._id += 1
        return self._id

    def _ask(self, request: Any, deadline: float, given: tuple[int, ...] = ()) -> Iterator[tuple[Any, list[int]]]:
        self._send(request, given)
        while True:
            answer, fds = self._receive(deadline)
            if isinstance(answer, control.Done):
                if answer.id == request.id:
                    self._rest = answer.rest
                    return
                continue  # the late answer to a request that was given up
            if getattr(answer, "id", 0) == request.id:
                yield answer, fds
            else:
                _close_all(answer, fds)

    def _send(self, message: Any, fds: tuple[int, ...] = ()) -> None:
        try:
            packets.send(self._sock, pack(message), fds)
        except OSError as error:
            if error.errno == errno.ETOOMANYREFS:  # see `outbox`; the supervisor is looking for who does not read
                raise errors.MachineError(
                    "no descriptor can be passed just now: this user's processes have too many under way; try again, "
                    "or raise the limit on open files (ulimit -n)"
                ) from None
            raise errors.SupervisorDied(
                f"the supervisor is gone ({error.strerror}); its mods are gone with it"
            ) from None

    def _wait(self, deadline: float) -> None:
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        while not poll.poll(max(0.0, min(deadline - time.monotonic(), self._slice())) * 1e3):
            if self.meanwhile is not None:
                self.meanwhile()
            if time.monotonic() >= deadline:
                raise errors.SupervisorDied("the supervisor did not answer in time")

    def _slice(self) -> float:
        return MEANWHILE if self.meanwhile is not None else float("inf")

    def _receive(self, deadline: float) -> tuple[Any, list[int]]:
        while True:
            try:
                data, fds = packets.receive(self._sock, control.PACKET_LIMIT)
            except BlockingIOError:
                self._wait(deadline)
                continue
            except ConnectionResetError:
                continue  # told once, when it closed without reading all of ours: what it said before can still be read
            except OSError:
                data, fds = b"", []
            except ValueError as error:
                raise errors.ProtocolError(f"the supervisor's answer cannot be taken: {error}") from None
            return self._decode(data), fds

    def _decode(self, data: bytes) -> Any:
        if not data:
            raise errors.SupervisorDied("the supervisor is gone; its mods are gone with it")
        answer = control.unpack_answer(data)
        if isinstance(answer, control.Refusal):
            kind = getattr(errors, answer.kind, errors.SupervisorDied)
            raise kind(answer.message)
        return answer


def _close_all(_: object, fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
