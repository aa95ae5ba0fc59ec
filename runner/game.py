"""The game's side of everything: `Mods`, made by `launch` or `connect`. Starts no thread, runs no code of a mod's.

A frame in which nothing changed checks one u32 (the switchboard's generation) for all mods. The game looks there when a
frame starts and when it leaves a mod, so that the swap itself runs in the rest of the frame.
"""

import os
import time
import weakref
from collections.abc import Iterator
from threading import get_ident
from types import TracebackType
from typing import Any, NoReturn, Self

from ..shared import payload
from ..shared._ring import Segment
from ..shared.errors import (
    ModFailure,
    ModTimeout,
    ModUnavailable,
    PayloadError,
    QueueFull,
    SupervisorDied,
    UsageError,
    WrongThread,
)
from ..shared.messages import Emit, Emitted, pack
from . import control, game_helpers, game_saves
from .amounts import seconds
from .inbox import LOOK_NS, WAIT_NS
from .link import Link
from .mod import Mod, mod_error
from .records import FrameReport, Intent, LoadReport, ModStatus, Receipt
from .switchboard import COUNT, FRAMES, GENERATION, ORDER, WORST_NS, rank_offset

SESSION_SHIFT = 40
"""Call ids are session << 40 | count: the answers to a game that died are no answers to the next one's calls."""

CPUS = os.cpu_count() or 1
"""An emit to as many mods or more parks at once: spinning would take a CPU that a mod needs to answer."""

MOST_INTRODUCTIONS = 8
"""Mods the game gets to know in one frame: about 0.1 ms each. Fewer: a mod that is new is met later."""

LEAST_NS = 200_000
"""What each mod is listened to in `intents`, even if there are so many that together they take longer than LOOK_NS."""

_alive: "weakref.WeakSet[Mods]" = weakref.WeakSet()


class Mods:
    """All mods of one supervisor, by name; a context manager. One thread of one process owns it.

    `mods[name]`, `name in mods`, iteration over names, `len(mods)`.
    """

    def __init__(self, link: Link, welcome: control.Welcome, fds: list[int]) -> None:
        """For `launch` and `connect`. Takes the descriptors over."""
        board, page, self._bell = fds
        self._link = link
        link.on_introduced = self._meet_one
        self._thread = get_ident()
        self._board = Segment(board, welcome.board_bytes, writable=False)
        self._page = Segment(page, welcome.page_bytes, writable=True)
        for fd in (board, page):
            os.close(fd)
        self._ring_segment = welcome.ring_segment
        self._requests = welcome.session << SESSION_SHIFT
        self._board_load = self._board.load64
        self._board_load32 = self._board.load32
        self._page_store = self._page.store64
        self._page_load = self._page.load64
        self._page_fence = self._page.add32
        self._generation = -1
        self._ordered = -1
        self._table: list[Mod] = []
        self._by_name: dict[str, Mod] = {}
        self._order: list[Mod] = []
        self._handlers: dict[str, list[Mod]] = {}
        self._handlers_stale = False
        self._unsettled: set[Mod] = set()
        """Mods between two workers: what they say is taken whenever the game looks, or neither gets on."""
        self._packages = welcome.packages
        self._worlds: dict[str, int] = {}
        """Mods that were started from a save, and the epoch since which what they say is of that."""
        self._worst_ns = 0
        self._frames = 0
        self._closed = False
        self._on_close: Any = None
        _alive.add(self)

    # ── frames ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def emit(self, event: str, /, *args: Any, budget: float = 0.01) -> FrameReport:
        """Send an event to every mod that handles it, in parallel, and gather answers for at most `budget` seconds.

        Never raises for a mod's fault. A mod that is late still handles the event; its answer is thrown away and its
        intents are kept. Raises PayloadError, MessageTooLarge (args), WrongThread, UsageError (budget).
        """
        if get_ident() != self._thread:
            self._refuse_thread()
        if type(event) is not str:
            raise PayloadError(f"an event's name is text, not {type(event).__name__}")
        started = time.monotonic_ns()
        try:
            deadline = started + int(budget * 1e9)
        except (ValueError, OverflowError, TypeError):
            raise UsageError(f"budget has to be a finite number of seconds, not {budget!r}") from None
        if self._link.pending:
            self._introduce()
        if self._board_load32(GENERATION) != self._generation:
            self._look()
        report = FrameReport({}, [], {})
        if self._handlers_stale:
            self._sort_handlers()
        mods = self._handlers.get(event)
        if mods:
            self._requests = number = self._requests + 1
            try:
                data = pack(Emit(number, event, args))
            except payload.UNPACKABLE:
                raise payload.refused(list(args), f"emit({event!r}): args") from None
            try:
                self._send_and_gather(mods, number, data, event, deadline, report)
            except BaseException:  # Ctrl-C, say: nobody waits for these answers any more
                for mod in mods:
                    mod._inbox.wanted.pop(number, None)
                raise
        self._frames += 1
        took = time.monotonic_ns() - started
        if took > self._worst_ns:
            self._worst_ns = took
            self._page_store(WORST_NS, took)
        self._page_store(FRAMES, self._frames)
        self._look_if_changed()
        return report

    def _send_and_gather(
        self, mods: list[Mod], number: int, data: bytes, event: str, deadline: int, report: FrameReport
    ) -> None:
        """Everything is sent before the first wait: what is published before the first wake-up is nearly free."""
        waiting: list[tuple[Mod, int]] = []
        for mod in mods:
            port = mod._port
            if port is None:
                continue
            try:
                position = port.head
                if port.push(data):
                    mod._inbox.wanted[number] = None  # any look at its ring from now on may find the answer
                    waiting.append((mod, position))
                else:
                    full = QueueFull(f"{mod.name}.{event}: its queue is full", mod=mod.name, event=event)
                    report.failed[mod.name] = full
            except ValueError:
                raise mod._too_large(event, data) from None
        spin = len(waiting) < CPUS
        for mod, position in waiting:
            try:
                reply = mod._await(number, data, position, event, deadline, spin=spin)
                self._gather(mod, reply, event, report)
            except ModTimeout:
                report.late.append(mod.name)
            except ModFailure as failure:
                report.failed[mod.name] = failure

    def _gather(self, mod: Mod, reply: Any, event: str, report: FrameReport) -> None:
        if type(reply) is not Emitted:
            report.failed[mod.name] = mod._error(reply, event)
            return
        if reply.errors:
            report.failed[mod.name] = mod_error(mod.name, event, *reply.errors[0])
        if reply.values or not reply.errors:
            report.results[mod.name] = list(reply.values)

    def intents(self) -> list[Intent]:
        """Take what mods asked for since the last time: in load order, each mod's in its own order.

        Takes a few milliseconds at most: who says more than fits is heard out the next time. Names and fields are a
        mod's words: check them before use.
        """
        if get_ident() != self._thread:
            self._refuse_thread()
        self._look_if_changed()
        taken: list[Intent] = []
        left = LOOK_NS
        share = max(LEAST_NS, left // max(1, len(self._order)))
        more: list[Mod] = []
        for mod in self._order:
            rest = mod._collect(share)
            left -= share - rest
            if rest <= 0:
                more.append(mod)
        for waiting, mod in zip(range(len(more), 0, -1), more, strict=True):  # they share what the others left
            if left <= 0:
                break
            grant = left // waiting
            left -= grant - mod._collect(grant)
        for mod in self._order:
            taken.extend(mod._inbox.intents())
        return game_saves.of_this_world(self, taken) if self._worlds else taken

    # ── mods by name ──────────────────────────────────────────────────────────────────────────────────────────────────

    def __getitem__(self, name: str) -> Mod:
        """The mod of that name, whatever its role. Raises ModUnavailable when there never was one."""
        mod = self._by_name.get(name)
        if mod is None:
            if get_ident() != self._thread:
                self._refuse_thread()
            self._meet()
            mod = self._by_name.get(name)
            if mod is None:
                known = ", ".join(sorted(self._by_name)) or "none"
                raise ModUnavailable(f"there is no mod {name!r}; known: {known}", mod=str(name))
        return mod

    def __contains__(self, name: object) -> bool:
        self._check_thread()
        self._look_if_changed()
        mod = self._by_name.get(name) if isinstance(name, str) else None
        return mod is not None and mod.role != "down"

    def __iter__(self) -> Iterator[str]:
        self._check_thread()
        self._look_if_changed()
        return iter([mod.name for mod in self._order if mod.role != "down"])

    def __repr__(self) -> str:
        if self._closed:
            return "<Mods, closed>"
        live = [f"{mod.name}@{mod.version}" for mod in self._order if mod.version]
        return f"<Mods {', '.join(live) or 'none live'}>"

    def __len__(self) -> int:
        return len(list(iter(self)))

    # ── what the supervisor knows ─────────────────────────────────────────────────────────────────────────────────────

    def status(self) -> list[ModStatus]:
        """Every mod, also those that are down, as the supervisor sees it; by name. Takes about 0.1 ms."""
        self._check_thread()
        self._look_if_changed()
        return sorted(self._link.status(), key=lambda status: status.name)

    def receipts(self, since: int = 0) -> list[Receipt]:
        """The records of all reloads numbered above `since`, oldest first; the supervisor keeps the last 5000."""
        self._check_thread()
        self._look_if_changed()
        return self._link.receipts(_number(since), 0.0)

    def wait(
        self,
        name: str,
        *,
        version: int | None = None,
        digest: str | None = None,
        verdict: str | None = "live",
        since: int = 0,
        timeout: float = 10.0,
    ) -> Receipt:
        """Wait for a receipt of mod `name` and return it: the first above number `since` that fits what is given.

        `verdict` None: any. Adopts what is on offer meanwhile. Raises ModTimeout after `timeout` seconds.
        """
        self._check_thread()
        deadline = time.monotonic() + seconds(timeout, "timeout")
        latest = None
        seen = _number(since)
        while True:
            self._look()
            left = deadline - time.monotonic()
            for receipt in self._link.receipts(seen, max(0.0, min(left, 5.0))):
                seen = receipt.number
                if receipt.mod != name:
                    continue
                latest = receipt
                if (
                    (version is None or receipt.version == version)
                    and (digest is None or receipt.digest == digest)
                    and (verdict is None or receipt.verdict == verdict)
                ):
                    self._look()
                    return receipt
            if left <= 0:
                wanted = ", ".join(f"{k}={v}" for k, v in (("version", version), ("verdict", verdict)) if v is not None)
                last = f"; the last was version {latest.version}, {latest.verdict}" if latest else "; there was none"
                raise ModTimeout(
                    f"no receipt of {name} with {wanted or 'anything'} within {timeout:g} s{last}", mod=name
                )

    def settle(self, timeout: float = 10.0) -> bool:
        """Wait until every mod is at rest: live, down or refused, nothing under way. False: not within `timeout` s."""
        self._check_thread()
        deadline = time.monotonic() + seconds(timeout, "timeout")
        while True:
            self._look()
            left = deadline - time.monotonic()
            if self._link.settle(max(0.0, left)):
                self._look()
                return True
            if left <= 0:
                return False

    def save(self, timeout: float = 5.0) -> bytes:
        """Every mod's state at this point between frames, as opaque bytes for a save slot, within `timeout` seconds
        (60 at most).

        What was sent before is in it, posts too. A mod that does not answer in time, is down, or whose state cannot be
        pickled is saved as it was kept last, or without state: `describe_save(data).stale` says which and why. Raises
        UsageError (timeout), WrongThread, SupervisorDied.
        """
        self._check_thread()
        return game_saves.save(self, timeout)

    def load(self, data: bytes, timeout: float = 10.0) -> LoadReport:
        """Start every mod anew from what `save` returned: the version that is live, the save's state, `migrate` where
        its STATE_VERSION was lower, `on_load`. Takes `timeout` seconds at most (60 at most).

        Posts sent before are handled by the workers that go, or lost and counted; intents said before are dropped and
        counted. Never raises for a mod's fault: a mod whose state does not load goes on with what it had. Raises
        SaveError (`data` is no save), UsageError (timeout), WrongThread, SupervisorDied.
        """
        self._check_thread()
        return game_saves.load(self, data, timeout)

    def provide(self, name: str, helper: object, timeout: float = 1.0) -> None:
        """Ship a function (or any object that cloudpickle takes) by value into every mod, now and later: there it is
        `helpers.NAME`, in a process of its own, with copies of all that it refers to. The name anew replaces it.

        Returns once all live mods have it; one that is busy for longer than `timeout` seconds gets it when it is
        through. At most 64 helpers of 1 MiB. Raises PayloadError and MessageTooLarge (`helper`), UsageError (name,
        timeout, too many), WrongThread, SupervisorDied.
        """
        self._check_thread()
        game_helpers.provide(self, name, helper, timeout)

    def statistics(self) -> dict[str, int]:
        """Counters of this game: frames, worst_frame_ns, dropped_intents, stray_replies."""
        return {
            "frames": self._frames,
            "worst_frame_ns": self._worst_ns,
            "dropped_intents": sum(mod._inbox.dropped_intents for mod in self._table),
            "stray_replies": sum(mod._inbox.stray_replies for mod in self._table),
        }

    # ── the end ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def close(self) -> None:
        """Leave. After `launch`: the supervisor ends and every process with it. After `connect`: the mods go on.

        Idempotent. Runs no longer than a few seconds; what does not end by itself is killed.
        """
        if not self._closed:
            if self._thread >= 0:  # else in a fork: it lets go of its copies, and ends nothing
                self._check_thread()
            self._release()

    def _release(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._thread = -1
        _alive.discard(self)
        try:
            if self._on_close is not None:
                self._on_close(self._link)
        finally:
            self._link.close()
            for mod in self._table:
                mod._close()
            self._page.close()
            self._board.close()
            if self._bell >= 0:
                os.close(self._bell)
            self._table.clear()
            self._order.clear()
            self._unsettled.clear()
            self._by_name.clear()
            self._handlers.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._release()

    # ── the switchboard ───────────────────────────────────────────────────────────────────────────────────────────────

    def _look_if_changed(self) -> None:
        if self._link.pending:
            self._introduce()
        if self._board_load32(GENERATION) != self._generation:
            self._look()
        elif self._unsettled:
            self._hear_unsettled()

    def _hear_unsettled(self) -> None:
        for mod in list(self._unsettled):
            mod._collect(WAIT_NS)
            if mod._settled():
                self._unsettled.discard(mod)

    def _look(self) -> None:
        """Something changed: adopt what is new. New mods are asked about, and met when the answer is there."""
        if self._closed:
            raise UsageError("these mods are closed")
        self._generation = self._board_load32(GENERATION)
        if self._board_load(COUNT) > len(self._table):
            self._introduce()  # they may have come by now: asked for twice, their descriptors would come twice
            if self._board_load(COUNT) > len(self._table):
                self._link.begin_introductions(len(self._table))
                self._introduce()
        if self._board_load32(ORDER) != self._ordered:
            self._sort()
        for mod in self._table:
            if self._board_load(mod._at_word) != mod._word:
                mod._look()
        if self._unsettled:
            self._hear_unsettled()

    def _introduce(self) -> None:
        """Get to know mods whose introduction has come; a few at a time, since this is done within frames."""
        self._link.poll(most=MOST_INTRODUCTIONS)
        if self._link.fresh:
            self._link.fresh = False
            self._sort()
            for mod in self._table:
                if mod._word == 0:
                    mod._look()

    def _sort(self) -> None:
        """Bring the mods into load order, which holds for events and intents."""
        self._ordered = self._board_load32(ORDER)
        self._order = sorted(self._table, key=lambda mod: (self._board_load32(rank_offset(mod._index)), mod.name))
        self._events_changed()

    def _meet(self) -> None:
        """Get to know every mod there is, waiting for the supervisor's answer."""
        self._look()
        self._link.finish_introductions(time.monotonic() + 10.0)
        self._introduce()
        self._look()

    def _meet_one(self, message: control.Introduce, fds: list[int]) -> None:
        """Map one mod's slots. Takes the descriptors over."""
        try:
            if message.index != len(self._table):  # asked for twice
                return
            size = self._ring_segment
            half = len(fds) // 2
            slots = [
                (Segment(down, size, writable=True), Segment(up, size, writable=False))
                for down, up in zip(fds[:half], fds[half:], strict=True)
            ]
            mod = Mod(self, message.index, message.name, slots)
            self._table.append(mod)
            self._by_name[mod.name] = mod
        finally:
            for fd in fds:
                os.close(fd)

    def _events_changed(self) -> None:
        """Some mod's handlers changed: who handles what is worked out anew, when it is asked for."""
        self._handlers_stale = True

    def _sort_handlers(self) -> None:
        self._handlers_stale = False
        handlers: dict[str, list[Mod]] = {}
        for mod in self._order:
            for event in mod._events:
                handlers.setdefault(event, []).append(mod)
        self._handlers = handlers

    def _generation_moved(self, at_word: int, word: int) -> bool:
        return self._board_load(at_word) != word

    def _wait_for_change(self, at_word: int, word: int, left_ns: int) -> None:
        """Park until the switchboard changes, unless this mod's word already has."""
        generation = self._board_load32(GENERATION)
        if self._unsettled:
            self._hear_unsettled()  # whoever is to come may wait for the slot of one that has gone
        if self._board_load(at_word) == word:
            self._board.wait32(GENERATION, generation, left_ns)
            self._check_supervisor()

    def _ring_bell(self) -> None:
        """Tell the supervisor that something was adopted."""
        try:
            os.eventfd_write(self._bell, 1)
        except BlockingIOError:
            return  # it has not looked since 2**64 - 2 rings; it will

    def _accuse(self, index: int, epoch: int, reason: str) -> None:
        self._link.accuse(index, epoch, reason)

    def _check_supervisor(self) -> None:
        if not self._link.alive():
            raise SupervisorDied("the supervisor is gone; its mods are gone with it")

    def _check_thread(self) -> None:
        if get_ident() != self._thread:
            self._refuse_thread()
        if self._closed:
            raise UsageError("these mods are closed")

    def _refuse_thread(self) -> NoReturn:
        if self._closed:
            raise UsageError("these mods are closed")
        if self._thread < 0:
            raise WrongThread("these mods belong to the process that made them; a fork has to connect for itself")
        raise WrongThread(
            "these mods belong to the thread that made them; hand work to it instead of calling from here"
        )


def _number(since: object) -> int:
    if type(since) is int and 0 <= since < 2**63:
        return since
    raise UsageError(f"since has to be the number of a receipt, or 0, not {since!r}")


def _after_fork() -> None:
    """In a fork the shared pages are still mapped, but they are the parent's: not to be used here, nor ended."""
    for mods in list(_alive):
        mods._thread = -1
        mods._on_close = None
        mods._link.forget()
        if mods._bell >= 0:
            os.close(mods._bell)
            mods._bell = -1
        for mod in mods._table:
            if mod._port is not None:
                mod._port.disown()


os.register_at_fork(after_in_child=_after_fork)
