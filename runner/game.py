"""The game's side of everything: `Mods`, made by `launch` or `connect`. Starts no thread, runs no code of a mod's.

A frame in which nothing changed checks one u32 (the switchboard's generation) for all mods. The game looks there when a
frame starts and when it leaves a mod, so that the swap itself runs in the rest of the frame.
"""

import os
import time
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager
from threading import get_ident
from types import TracebackType
from typing import Any, NoReturn, Self

from ..shared import payload
from ..shared._ring import Port, Segment, words
from ..shared.errors import (
    ModUnavailable,
    PayloadError,
    QueryError,
    SupervisorDied,
    UsageError,
    WrongThread,
)
from ..shared.messages import Clock, Emit, Emitted, pack
from . import control, game_helpers, game_saves
from . import intents as wishes
from .amounts import seconds
from .api import Api, Entry
from .audience import Audience
from .ballot import Ballot
from .gathering import gather
from .inbox import LOOK_NS, WAIT_NS
from .link import Link
from .mod import Mod, mod_error, wrong_value
from .queries import MOST_NESTED, nested_only
from .rate import TokenBucket
from .records import Applied, FrameReport, Intent, LoadReport, ModStatus, Receipt, Refusal
from .switchboard import COUNT, FRAMES, GENERATION, ORDER, WORST_NS, rank_offset
from .views import Views
from .wanted import Wanted

SESSION_SHIFT = 40
"""Call ids are session << 40 | count: the answers to a game that died are no answers to the next one's calls."""

MOST_INTRODUCTIONS = 8
"""Mods the game gets to know in one frame: about 0.1 ms each. Fewer: a mod that is new is met later."""

MEANWHILE_NS = 2_000_000
"""As link.MEANWHILE, while a successor is waited for."""

LEAST_NS = 200_000
"""What each mod is listened to in `intents`, even if there are so many that together they take longer than LOOK_NS."""

_alive: "weakref.WeakSet[Mods]" = weakref.WeakSet()


class Mods:
    """All mods of one supervisor, by name; a context manager. One thread of one process owns it.

    `mods[name]`, `name in mods`, iteration over names, `len(mods)`.
    """

    def __init__(self, link: Link, welcome: control.Welcome, fds: list[int], api: Api | None = None) -> None:
        """For `launch` and `connect`. Takes the descriptors over."""
        self._api = api
        self._asking: list[tuple[str, int]] = []
        """Mods that wait for the answer to a query, the innermost last, and when the wait around each ends (ns)."""
        self._refused_intents = 0
        self._together: tuple[Port, ...] = ()
        """The ports of those that one question was sent to, while their answers are waited for."""
        self._on_link = False
        """Whether the queries that are answered came in a wait for the supervisor."""
        self._failures_logged: dict[str, TokenBucket] = {}
        """By mod, over frames: how much of what its intents make the game's functions raise is logged."""
        board, page, self._bell = fds
        self._link = link
        link.on_introduced = self._meet_one
        if self._hears:
            link.meanwhile = self._answer_all
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
        self._ups: list[Segment] = []
        self._by_name: dict[str, Mod] = {}
        self._order: list[Mod] = []
        self._heard_by = Audience()
        self._handlers_stale = False
        self._unsettled: set[Mod] = set()
        """Mods between two workers: what they say is taken whenever the game looks, or neither gets on."""
        self._views = Views(welcome.session, link.publish, self._pins)
        self._packages = welcome.packages
        self._deterministic = welcome.deterministic
        self._clock = 0
        self._clock_frame = b""
        """What tells a worker the time; empty: it has its own."""
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
        if self._asking:
            raise nested_only("emit()")
        if type(event) is not str:
            raise PayloadError(f"an event's name is text, not {type(event).__name__}")
        started = time.monotonic_ns()
        try:
            deadline = started + int(budget * 1e9)
        except (ValueError, OverflowError, TypeError):
            raise UsageError(f"budget has to be a finite number of seconds, not {budget!r}") from None
        entry = self._declared(event, args, "emit") if self._api is not None else None
        if self._link.pending:
            self._introduce()
        if self._board_load32(GENERATION) != self._generation:
            self._look()
        report = FrameReport({}, [], {})
        mods, args = self._audience.of(event, args)
        if mods:
            self._requests = number = self._requests + 1
            try:
                data = pack(Emit(number, event, args))
            except payload.UNPACKABLE:
                raise payload.refused(list(args), f"emit({event!r}): args") from None
            report = gather(mods, number, data, event, deadline, take_emitted)
        if entry is not None and entry.returns is not None:
            self._check_results(report, event, entry)
        self._frames += 1
        took = time.monotonic_ns() - started
        if took > self._worst_ns:
            self._worst_ns = took
            self._page_store(WORST_NS, took)
        self._page_store(FRAMES, self._frames)
        self._look_if_changed()
        return report

    def veto(self, event: str, /, *args: Any, budget: float = 0.01) -> Refusal | None:
        """Ask every mod that handles it, in parallel, whether it refuses, for at most `budget` seconds.

        The refusal of highest priority counts, of equals the one that loads first; None: nobody refuses. A mod that is
        late, dead, or raises, counts as the event's default: as not refusing, unless `api.event(default="refuse")` says
        so; then one that is down counts too, if it handled the event last and its files are there. Raises NotDeclared,
        PayloadError, MessageTooLarge, WrongThread, UsageError (budget; no event for vetoes).
        """
        self._check_thread("veto()")
        if type(event) is not str:
            raise PayloadError(f"an event's name is text, not {type(event).__name__}")
        started = time.monotonic_ns()
        deadline = started + int(seconds(budget, "budget") * 1e9)
        ballot = Ballot(self, event, args)
        report = gather(ballot.asked, ballot.number, ballot.data, event, deadline, ballot.take)
        self._look_if_changed()
        return ballot.verdict(report)

    def _declared(self, event: str, args: tuple[Any, ...], doing: str) -> Entry:
        """What is declared of an event that is about to be sent. Raises NotDeclared, PayloadError, UsageError."""
        assert self._api is not None, "asked only where something is declared"
        entry = self._api.event_named(event)
        if entry.declared.veto and doing == "emit":
            raise UsageError(f"emit({event!r}): mods may refuse it: ask them with mods.veto({event!r}, …)")
        if doing == "veto" and not entry.declared.veto:
            raise UsageError(f"veto({event!r}): it is not declared with veto=True; tell mods of it with mods.emit(…)")
        entry.arguments(args, f"{doing}({event!r})")
        return entry

    def _begin_answer(self, name: str, deadline: int) -> Mod:
        """A query of that mod is about to be answered; whoever does ends it with `_asking.pop()`. Raises QueryError:
        not now."""
        if len(self._asking) >= MOST_NESTED:
            raise QueryError(f"queries are nested {MOST_NESTED} deep")
        if any(name == asking for asking, _ in self._asking):
            raise QueryError("it waits for the answer to another query")
        if self._asking:
            deadline = min(deadline, self._asking[-1][1])
        mod = self._by_name[name]
        self._asking.append((name, deadline))
        return mod

    def _nested(self, name: str, timeout: float) -> float:
        """The timeout of a call that is made within a query. Raises UsageError: that mod waits for an answer itself."""
        if any(name == asking for asking, _ in self._asking):
            raise UsageError(f"{name} waits for the answer to its own query: it cannot be called within that")
        left = (self._asking[-1][1] - time.monotonic_ns()) / 1e9
        return min(seconds(timeout, "timeout"), max(0.0, left))

    def _check_results(self, report: FrameReport, event: str, entry: Entry) -> None:
        """Values of another type than declared fail their mod."""
        for name, values in list(report.results.items()):
            try:
                report.results[name] = [entry.checked(value) for value in values]
            except ValueError as error:
                del report.results[name]
                report.failed.setdefault(name, wrong_value(name, event, error))

    @property
    def clock(self) -> float:
        """What clocks show in mods, seconds from 0 to 2**33, in a game that was launched with `deterministic`. Setting
        it tells every mod, in order with what it is sent before and after. Raises UsageError."""
        return self._clock / 1e9

    @clock.setter
    def clock(self, now: float) -> None:
        self._check_thread("clock")
        if not self._deterministic:
            raise UsageError("mods.clock is for a game of its own time: launch(…, deterministic=SEED)")
        if not 0 <= seconds(now, "clock") <= 2**33:
            raise UsageError(f"clock has to be a number of seconds from 0 to 2**33, not {now!r}")
        self._clock = int(now * 1e9)
        self._clock_frame = pack(Clock(self._clock))
        for mod in self._table:
            mod._tell_clock()

    @property
    def _hears(self) -> bool:
        """Whether mods may ask anything."""
        return self._api is not None and bool(self._api.queries)

    def intents(self) -> list[Intent]:
        """Take what mods asked for since the last time: in load order, each mod's in its own order.

        Takes a few milliseconds at most: who says more than fits is heard out the next time. With an `Api`, what is not
        declared is left out, and `statistics()` counts it. Without one, names and fields are a mod's words: check them
        before use.
        """
        taken = self._take_intents()
        if self._api is None:
            return taken
        good = list(wishes.checked(self._api, taken))
        self._refused_intents += len(taken) - len(good)
        return good

    def apply(self) -> Applied:
        """Take what mods asked for since the last time, as `intents` does, and call the declared function of each. An
        event that mods may send each other is posted to all others that handle it, if the game approves.

        Never raises for a mod's fault, nor for an Exception in a function of the game's: the report lists both.
        Raises UsageError: these mods were launched without an `Api`.
        """
        if self._api is None:
            raise UsageError("mods.apply() needs to know what intents mean: launch(…, api=api), or use mods.intents()")
        report = wishes.apply(self, self._api, self._by_name.__getitem__)
        self._refused_intents += report.refusals
        return report

    def _take_intents(self) -> list[Intent]:
        self._check_thread("intents()")
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
            mod._inbox.tell_dropped(mod._last_card.version)
        return game_saves.of_this_world(self, taken) if self._worlds else taken

    # ── views ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def publish(self, name: str, array: Any, /) -> int:
        """Copy an array to where every mod reads it, as `view(name)`; returns its version: 1, 2, …

        `array`: of numpy's, with any dtype but objects; an array.array, bytes, or any other contiguous buffer. dtype
        and shape may differ from the last time. Handlers of what is sent from now on find it; those that run keep what
        they have. Takes as long as the copy; longer the first time, and when it needs more room.

        Raises PayloadError (what cannot be published), ViewError (too many views, or too large), MachineError (no
        memory), UsageError (name; it is being filled), SupervisorDied, WrongThread.
        """
        self._check_thread("publish()" if self._on_link else "")
        return self._views.publish(name, array)

    def publishing(self, name: str, like: Any) -> AbstractContextManager[Any]:
        """Fill a view in place: `with mods.publishing("npcs", like=array) as out: out[...] = …`. Nothing is copied.

        `like`: an array with the dtype and shape to be, or (dtype, shape). What is in `out` at first is left from some
        version before: fill all of it. Leaving the block publishes it, and `out` is not to be written to afterwards; an
        exception in the block publishes nothing. `out` is numpy's where `like` is, else a memoryview.

        Raises as `publish` does.
        """
        self._check_thread("publishing()" if self._on_link else "")
        return self._views.publishing(name, like)

    def _pins(self, offset: int) -> list[int]:
        return words(self._ups, offset)

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
        self._check_thread("status()")
        self._look_if_changed()
        return sorted(self._link.status(), key=lambda status: status.name)

    def receipts(self, since: int = 0) -> list[Receipt]:
        """The records of all reloads numbered above `since`, oldest first; the supervisor keeps the last 5000."""
        self._check_thread("receipts()")
        self._look_if_changed()
        return self._link.receipts(receipt_number(since), 0.0)

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
        self._check_thread("wait()")
        deadline = time.monotonic() + seconds(timeout, "timeout")
        wanted = Wanted(name, version, digest, verdict, receipt_number(since))
        while True:
            self._look()
            left = deadline - time.monotonic()
            receipt = wanted.among(self._link.receipts(wanted.seen, max(0.0, min(left, 5.0))))
            if receipt is not None:
                self._look()
                return receipt
            if left <= 0:
                raise wanted.missed(timeout)

    def settle(self, timeout: float = 10.0) -> bool:
        """Wait until every mod is at rest (live, down or refused, nothing under way) with what is in the mods folder
        now. The folder is looked at for it (30 µs a mod, which `timeout` does not count): a file saved or deleted just
        before need not have been noticed yet. False: not within `timeout` s; 0 asks how things stand.

        A file that somebody holds open for writing is waited for as after any save, `open_wait` at the longest.
        """
        self._check_thread("settle()")
        deadline = time.monotonic() + seconds(timeout, "timeout")
        look = True
        while True:
            self._look()
            left = deadline - time.monotonic()
            if self._link.settle(max(0.0, left), look=look):
                self._look()
                return True
            look = False
            if left <= 0:
                return False

    def save(self, timeout: float = 5.0) -> bytes:
        """Every mod's state at this point between frames, as opaque bytes for a save slot, within `timeout` seconds
        (60 at most).

        What was sent before is in it, posts too. A mod that does not answer in time, is down, or whose state cannot be
        pickled is saved as it was kept last, or without state: `describe_save(data).stale` says which and why. Raises
        UsageError (timeout), WrongThread, SupervisorDied.
        """
        self._check_thread("save()")
        return game_saves.save(self, timeout)

    def load(self, data: bytes, timeout: float = 10.0) -> LoadReport:
        """Start every mod anew from what `save` returned: the version that is live, the save's state, `migrate` where
        its STATE_VERSION was lower, `on_load`. Takes `timeout` seconds at most (60 at most).

        Posts sent before are handled by the workers that go, or lost and counted; intents said before are dropped and
        counted. Never raises for a mod's fault: a mod whose state does not load goes on with what it had. Raises
        SaveError (`data` is no save), UsageError (timeout), WrongThread, SupervisorDied.
        """
        self._check_thread("load()")
        return game_saves.load(self, data, timeout)

    def provide(self, name: str, helper: object, timeout: float = 1.0) -> None:
        """Ship a function (or any object that cloudpickle takes) by value into every mod, now and later: there it is
        `helpers.NAME`, in a process of its own, with copies of all that it refers to. The name anew replaces it.

        Returns once all live mods have it; one that is busy for longer than `timeout` seconds gets it when it is
        through. At most 64 helpers of 1 MiB. Raises PayloadError and MessageTooLarge (`helper`), UsageError (name,
        timeout, too many), WrongThread, SupervisorDied.
        """
        self._check_thread("provide()")
        game_helpers.provide(self, name, helper, timeout)

    def statistics(self) -> dict[str, int]:
        """Counters of this game: frames, worst_frame_ns, stray_replies, overwritten_views; and of intents: dropped (too
        many), forsaken (their version was rolled back before they were taken), refused (not as declared)."""
        return {
            "frames": self._frames,
            "worst_frame_ns": self._worst_ns,
            "dropped_intents": sum(mod._inbox.dropped_intents for mod in self._table),
            "forsaken_intents": sum(mod._inbox.forsaken_intents for mod in self._table),
            "refused_intents": self._refused_intents,
            "stray_replies": sum(mod._inbox.stray_replies for mod in self._table),
            "overwritten_views": self._views.overwritten,
        }

    # ── the end ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def close(self) -> None:
        """Leave. After `launch`: the supervisor ends and every process with it. After `connect`: the mods go on.

        Idempotent. Runs no longer than a few seconds; what does not end by itself is killed.
        """
        if not self._closed:
            if self._thread >= 0:  # else in a fork: it lets go of its copies, and ends nothing
                self._check_thread("close()")
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
            self._views.close()
            for mod in self._table:
                mod._close()
            self._page.close()
            self._board.close()
            if self._bell >= 0:
                os.close(self._bell)
            self._table.clear()
            self._ups.clear()
            self._order.clear()
            self._unsettled.clear()
            self._by_name.clear()
            self._heard_by = Audience()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._asking:
            raise nested_only("close()")
        self._release()

    # ── the switchboard ───────────────────────────────────────────────────────────────────────────────────────────────

    def _look_if_changed(self) -> None:
        if self._asking:  # those further out go on where they are
            return
        if self._link.pending:
            self._introduce()
        if self._board_load32(GENERATION) != self._generation:
            self._look()
        elif self._unsettled:
            self._hear_unsettled()

    def _hear_unsettled(self) -> None:
        for mod in list(self._unsettled):
            if any(mod.name == asking for asking, _ in self._asking):
                continue  # whoever waits for it further out takes what it says
            mod._collect(WAIT_NS)
            if mod._settled():
                self._unsettled.discard(mod)

    def _look(self) -> None:
        """Something changed: adopt what is new. New mods are asked about, and met when the answer is there."""
        if self._closed:
            raise UsageError("these mods are closed")
        if self._asking:  # those further out go on where they are
            return
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
            self._ups += [up for _, up in slots]
            self._by_name[mod.name] = mod
        finally:
            for fd in fds:
                os.close(fd)

    def _events_changed(self) -> None:
        """Some mod's handlers changed: who handles what is worked out anew, when it is asked for."""
        self._handlers_stale = True

    @property
    def _audience(self) -> Audience:
        if self._handlers_stale:
            self._handlers_stale = False
            self._heard_by = Audience(self._order, self._api)
        return self._heard_by

    def _generation_moved(self, at_word: int, word: int) -> bool:
        return self._board_load(at_word) != word

    def _wait_for_news(self, generation: int, left_ns: int) -> None:
        """Park until the switchboard is of another generation, or it is time to look again."""
        if self._hears:  # somebody may ask meanwhile, and nothing of that rings here
            self._board.wait32(GENERATION, generation, min(left_ns, MEANWHILE_NS))
            self._answer_all()
        else:
            self._board.wait32(GENERATION, generation, left_ns)
        self._check_supervisor()

    def _answer_all(self) -> None:
        """Answer what mods ask while the game waits for the supervisor, or for a successor."""
        if self._asking or get_ident() != self._thread:
            return
        self._on_link = True
        try:
            for mod in self._table:
                mod._answer_waiting(WAIT_NS)
        finally:
            self._on_link = False

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

    def _check_thread(self, doing: str = "") -> None:
        if get_ident() != self._thread:
            self._refuse_thread()
        if self._asking and doing:
            raise nested_only(doing)
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


def take_emitted(mod: Mod, reply: Any, event: str, report: FrameReport) -> None:
    """One mod's reply to an emit, into the report."""
    if type(reply) is not Emitted:
        report.failed[mod.name] = mod._error(reply, event)
        return
    if reply.errors:
        report.failed[mod.name] = mod_error(mod.name, event, *reply.errors[0])
    if reply.values or not reply.errors:
        report.results[mod.name] = list(reply.values)


def receipt_number(since: object) -> int:
    if type(since) is int and 0 <= since < 2**63:
        return since
    raise UsageError(f"since has to be the number of a receipt, or 0, not {since!r}")


def _after_fork() -> None:
    """In a fork the shared pages are still mapped, but they are the parent's: not to be used here, nor ended."""
    for mods in list(_alive):
        mods._thread = -1
        mods._on_close = None
        mods._link.forget()
        mods._views.close()
        if mods._bell >= 0:
            os.close(mods._bell)
            mods._bell = -1
        for mod in mods._table:
            if mod._port is not None:
                mod._port.disown()


os.register_at_fork(after_in_child=_after_fork)
