"""One mod as the game sees it: which worker it talks to, and what came back. One thread, no waiting without a deadline.

Where a request stands when its worker dies decides how it ends. The worker stores `started` before a handler and `done`
after it::

    request ring   ─────────┬──────────────────┬─────────────────────────▶
                   answered │ done ... started │ not begun: the successor handles it, and answers on its own ring
                            └ in progress: ModCrashed for a call, lost for a post; never replayed
"""

import time
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

from ..shared import payload, segment
from ..shared._ring import END, LIVE, OPEN_END, CorruptRing, Port, Segment
from ..shared.errors import (
    MessageTooLarge,
    ModCrashed,
    ModError,
    ModFailure,
    ModUnavailable,
    PayloadError,
    ProtocolError,
    QueueFull,
    UsageError,
)
from ..shared.messages import CALL_TAG, DECODE_ERRORS, VALUE_HEAD, Failed, Post, Value, pack
from .api import Entry
from .inbox import LOOK_NS, Inbox
from .queries import Answerer
from .records import Outcome
from .replies import UNWEIGHED, decode_value
from .requests import UNSENT, Request, wait
from .slots import Card, read_card
from .switchboard import (
    FENCE,
    adopted_offset,
    clock_offset,
    dead_offset,
    epoch_of,
    gone_offset,
    left_offset,
    nobody_offset,
    slot_of,
    word_offset,
)
from .text import escape, versioned

if TYPE_CHECKING:
    from .game import Mods

LONGEST_NAME: Final = 200
"""Characters of an event's name, or of an exception's, in a message: a game may have got it from a mod."""
_CALL_ERRORS: Final = (TypeError, RuntimeError, AttributeError, CorruptRing, *DECODE_ERRORS)
NO_CARD: Final = Card(0, "", [], 0)


class Mod:
    """A mod by its name. Stays the same object over reloads, rollbacks and unloading."""

    def __init__(self, mods: "Mods", index: int, name: str, slots: list[tuple[Segment, Segment]]) -> None:
        self.name = name
        self._index = index
        self._mods = mods
        self._slots = slots
        self._port: Port | None = None
        self._word = 0
        self._card = NO_CARD
        self._events: frozenset[str] = frozenset()
        self._last_card = NO_CARD
        """Of the worker that served last, or does: while it is down, what it handled counts as unanswered."""
        self._leaving: dict[int, Port] = {}
        """Slots the game went on from and may still read answers in."""
        self._epochs: dict[int, int] = {}
        """The epoch under which the game talked to each slot last."""
        self._inbox = Inbox(name)
        self._at_word = word_offset(index)
        self._timeout: float = 0.0
        self._patience = 0
        """The timeout of the last call, and the same in ns. A caller in a loop passes the same object each time."""
        self._answered = 0, 0
        """(epoch, version) that answered the last call that took more than one look."""

    # ── what the game asks ────────────────────────────────────────────────────────────────────────────────────────────

    def call(self, event: str, /, *args: Any, timeout: float = 1.0) -> Any:
        """Ask the handler of highest priority, and return its value, always within `timeout` seconds.

        Raises ModError (it raised, there is none, or its value is of another type than declared), ModTimeout,
        ModCrashed, ModUnavailable, QueueFull; NotDeclared, PayloadError and MessageTooLarge for what cannot be sent;
        WrongThread, SupervisorDied. A timeout kills nothing.
        """
        mods, port = self._mods, self._port
        entry = None
        if mods._api is not None:
            entry = mods._declared(event, args, f"{self.name}.call")
            if event in self._card.filters:
                args = entry.filled(args)
            if mods._asking:
                timeout = mods._nested(self.name, timeout)
        if port is None or timeout is not self._timeout or type(event) is not str:
            port = self._check(event, timeout)
        mods._requests = number = mods._requests + 1
        data = raw = None
        try:
            data = pack((CALL_TAG, number, event, args))  # a Call, without making one
            if port is not None:
                raw = port.exchange(data, self._patience, mods._generation, VALUE_HEAD)
                if type(raw) is bytes and len(raw) <= UNWEIGHED:
                    value = decode_value(raw)
                    return value if entry is None else self._checked(entry, value)
        except _CALL_ERRORS as error:
            self._explain(error, event, args, data, raw)
        value = self._call_on(number, event, data or b"", port, raw)
        return value if entry is None else self._checked(entry, value)

    def _checked(self, entry: Entry, value: Any) -> Any:
        """The value of a call, as it was declared. Raises ModError: it is something else."""
        if entry.returns is None:
            return value
        try:
            return entry.checked(value)
        except ValueError as error:
            raise wrong_value(self.name, entry.name, error) from None

    def _check(self, event: str, timeout: float) -> Port | None:
        """What a call in a loop need not check again. Raises WrongThread, PayloadError, UsageError."""
        mods = self._mods
        if get_ident() != mods._thread:
            mods._refuse_thread()
        if type(event) is not str:
            raise PayloadError(f"an event's name is text, not {type(event).__name__}")
        try:
            self._patience = int(timeout * 1e9)
        except (ValueError, OverflowError, TypeError):
            raise UsageError(f"timeout has to be a finite number of seconds, not {timeout!r}") from None
        self._timeout = timeout
        return self._port

    def _explain(self, error: Exception, event: str, args: tuple[Any, ...], data: bytes | None, raw: object) -> None:
        """Raise what a failed exchange means. An answer that came and did not decode is left to be read with care."""
        if type(error) is RuntimeError and get_ident() != self._mods._thread:
            self._mods._refuse_thread()
        if data is None:
            raise self._unsendable(event, args) from None
        if isinstance(error, CorruptRing):
            raise self._lied(error, event) from None
        if raw is None:
            if self._port is not None and len(data) > self._port.limit:
                raise self._too_large(event, data) from None
            raise error

    def _call_on(self, number: int, event: str, data: bytes, port: Port | None, raw: object) -> Any:
        """The rest of a call whose first exchange did not simply bring the answer."""
        if port is None:
            position, deadline = UNSENT, time.monotonic_ns() + self._patience
        elif raw is None:
            raise QueueFull(self._says(event, "its queue is full: it does not keep up"), mod=self.name, event=event)
        else:
            position, deadline = port.asked_from, port.asked_at + self._patience
            if type(raw) is bytes:  # the value alone; it did not decode, or has to be weighed
                raw = (VALUE_HEAD + pack(number) + raw,)
            if type(raw) is tuple:
                self._inbox.wanted[number] = None
                try:
                    if self._leaving:
                        self._read_leaving(LOOK_NS)
                    self._inbox.take_one(raw[0], self.epoch)
                except (CorruptRing, ProtocolError) as error:
                    del self._inbox.wanted[number]
                    raise self._lied(error, event) from None
        reply = self._await(number, data, position, event, deadline, port=port)
        self._answered = self.epoch, self.version
        self._mods._look_if_changed()
        if type(reply) is Value:
            return reply.value
        raise self._error(reply, event)

    def call_outcome(self, event: str, /, *args: Any, timeout: float = 1.0) -> Outcome:
        """As `call`, but failures of the mod come back in `Outcome.error` instead of being raised."""
        started = time.perf_counter()
        value: Any = None
        error: ModFailure | None = None
        self._answered = self.epoch, self.version
        try:
            value = self.call(event, *args, timeout=timeout)
        except ModFailure as failure:
            error = failure
        epoch, version = self._answered
        return Outcome(value, error, epoch, version, time.perf_counter() - started)

    def post(self, event: str, /, *args: Any) -> bool:
        """Send an event and do not wait. Returns whether it was sent: a mod without a handler of it, or whose
        handlers all filter for something else, is sent nothing.

        Raises QueueFull, ModUnavailable, PayloadError, MessageTooLarge, WrongThread.
        """
        mods = self._mods
        if get_ident() != mods._thread:
            mods._refuse_thread()
        if type(event) is not str:
            raise PayloadError(f"an event's name is text, not {type(event).__name__}")
        if mods._api is not None:
            mods._declared(event, args, f"{self.name}.post")
        mods._look_if_changed()
        port = self._port
        if port is None:
            raise ModUnavailable(self._says(event, self._why_down()), mod=self.name, event=event)
        if event not in self._events:
            return False
        if event in self._card.filters:
            wanting, args = mods._audience.of(event, args)
            if self not in wanting:
                return False
        try:
            data = pack(Post(event, args))
        except payload.UNPACKABLE:
            raise self._unsendable(event, args) from None
        try:
            sent = port.push(data)
        except ValueError:
            raise self._too_large(event, data) from None
        if not sent:
            raise QueueFull(self._says(event, "its queue is full: it does not keep up"), mod=self.name, event=event)
        return True

    @property
    def version(self) -> int:
        """Number of the version that answers now; 0: none."""
        return self._card.version if self._port is not None else 0

    @property
    def digest(self) -> str:
        """SHA-256 of the snapshot that answers now, hexadecimal; empty: none."""
        return self._card.digest if self._port is not None else ""

    @property
    def epoch(self) -> int:
        """The epoch the game has adopted; changes with every swap and rollback."""
        return epoch_of(self._word)

    @property
    def role(self) -> str:
        """ "active", "starting" (taking its state over), or "down"."""
        if self._port is None:
            return "down"
        return "active" if self._is_live() else "starting"

    @property
    def events(self) -> frozenset[str]:
        """The events it has handlers of."""
        return self._events

    def __repr__(self) -> str:
        return f"<Mod {self.name}@{self.version} {self.role}>"

    # ── the slow path of a request ────────────────────────────────────────────────────────────────────────────────────

    def _await(
        self,
        number: int,
        data: bytes,
        position: int,
        event: str,
        deadline: int,
        *,
        port: Port | None = None,
        spin: bool = True,
    ) -> Any:
        """Wait for the answer to request `number`, over swaps and deaths. `position`: where in which `port` it was
        pushed, or UNSENT.

        `spin` False parks at once: the workers asked need every CPU. Returns a Value, Failed, Emitted or Vetoed; raises
        a ModFailure.
        """
        self._inbox.wanted.setdefault(number, None)
        try:
            return wait(Request(self, number, data, event, deadline, self._timeout, position, port), spin=spin)
        finally:
            self._inbox.wanted.pop(number, None)

    def _lied(self, error: Exception, event: str) -> ModFailure:
        """Its worker sent what cannot be: nothing more is read from it, and the supervisor is told."""
        self._give_up(str(error))
        text = self._says(event, f"its worker broke the protocol: {escape(str(error))}")
        return ModCrashed(text, mod=self.name, event=event)

    def _give_up(self, reason: str) -> None:
        self._mods._accuse(self._index, self.epoch, reason)
        if self._port is not None:
            self._port.end()
            self._port.close()
            self._port = None
        for port in self._leaving.values():
            port.close()
        self._leaving.clear()
        self._mods._events_changed()

    def _error(self, reply: Any, event: str) -> ModFailure:
        if type(reply) is Failed:
            return mod_error(self.name, event, reply.kind, reply.message, reply.traceback)
        return ModError(self._says(event, "it answered a call with something else"), mod=self.name, event=event)

    def _says(self, event: str, what: str) -> str:
        return f"{versioned(self.name, self._card.version)}.{escape(event, LONGEST_NAME)}: {what}"

    def _why_down(self) -> str:
        if epoch_of(self._word) == 0:
            return "it has not been loaded"
        return "its files are gone" if self._is_gone() else "no version of it is live; mods.status() says why"

    def _is_gone(self) -> bool:
        return self._mods._board_load(gone_offset(self._index)) == epoch_of(self._word)

    def _restarting(self) -> bool:
        """Whether a new epoch can be expected: its worker was given up, or died and was not withdrawn."""
        return not self._is_nobody(self._word)

    def _unsendable(self, event: str, args: tuple[Any, ...]) -> PayloadError:
        try:
            event.encode()
        except UnicodeEncodeError:
            return PayloadError(f"the event's name {event!r} holds a lone surrogate, which is not Unicode")
        return payload.refused(list(args), f"{self.name}.{event}: args")

    def _too_large(self, event: str, data: bytes) -> MessageTooLarge:
        limit = self._port.limit if self._port is not None else 0
        ring = self._mods._ring_segment - segment.ring_segment_size(0)
        return MessageTooLarge(
            f"{self.name}.{event}: the message takes {len(data)} bytes, {limit} fit, half the ring "
            f"(limit: ring_bytes = {ring})"
        )

    # ── answers ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _hear(self, most: int, longest: int = 2**32) -> int:
        """Take what was said, for about `most` ns; see Inbox.take. Raises CorruptRing, ProtocolError.

        The first message of a new worker means that those before it have said all they had to say: theirs come first,
        to the last.
        """
        if self._leaving:
            most = self._read_leaving(most)
        return self._inbox.take(self._port, self.epoch, most, longest) if self._port is not None else most

    def _read_leaving(self, most: int) -> int:
        """Take what older workers said. One that lied is not read any more; the one that serves is not to blame."""
        for slot, port in list(self._leaving.items()):
            try:
                most = self._inbox.take(port, self._epochs[slot], most)
            except (CorruptRing, ProtocolError):
                port.close()
                del self._leaving[slot]
        return most

    def _collect(self, most: int = LOOK_NS) -> int:
        """Take what was said, for about `most` ns, of older slots first; let go of those that have no more to say.

        Answers what it asks, too. Returns what is left of `most`: 0 or less, there may be more.
        """
        try:
            if self._mods._hears:
                most = self._answer_waiting(most)
            if self._leaving:
                live = self._port is not None and self._is_live()  # before the last look, not after
                silent = [slot for slot in self._leaving if live or self._has_died(slot)]
                most = self._read_leaving(most)
                for slot in silent if most > 0 else ():
                    if (port := self._leaving.pop(slot, None)) is not None:
                        port.close()
                self._hear_besides()
                if not self._leaving:
                    self._mods._page_store(left_offset(self._index), self.epoch)
                    self._mods._ring_bell()  # a candidate may wait for a slot
            most = self._hear(most)
        except (CorruptRing, ProtocolError) as error:
            self._give_up(str(error))
        return most

    def _answer_waiting(self, most: int) -> int:
        """Answer what its workers ask, for about `most` ns; returns what is left of that. Raises CorruptRing."""
        now = time.monotonic_ns()
        deadline = now + most
        for port in (*self._leaving.values(), *([self._port] if self._port else [])):
            while now < deadline and port.answer(deadline):
                now = time.monotonic_ns()
        return deadline - now

    # ── adoption ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _settled(self) -> bool:
        """Whether one worker serves, and nothing is left to be heard of any before it; or nobody does."""
        return not self._leaving and (self._port is None or self._is_live())

    def _is_live(self) -> bool:
        return self._slots[slot_of(self._word)][0].load32(LIVE) == 1

    def _look(self) -> None:
        """Adopt the mod's newest epoch, if there is a newer one."""
        word = self._mods._board_load(self._at_word)
        if word != self._word:
            self._adopt(word)

    def _adopt(self, word: int) -> None:
        """Move to the slot that `word` names. See switchboard for the race this settles.

        The end of the old ring is stored before the epoch is: the supervisor reads it once it sees the epoch.
        """
        mods, index = self._mods, self._index
        if self._word == 0:
            self._resume(word)
        old_slot = slot_of(self._word)
        old, self._port = self._port, None
        stays = old is not None and slot_of(word) == old_slot and not self._is_dead(word)
        if old is not None and not stays:
            old.end()
        mods._page_store(clock_offset(index), mods._clock)
        while True:
            mods._page_store(adopted_offset(index), word)
            mods._page_fence(FENCE)
            again = mods._board_load(self._at_word)
            if again == word:
                break
            word = again
            if old is not None and stays and slot_of(word) != old_slot:
                old.end()
                stays = False
        if old is not None and not (stays or (slot_of(word) == old_slot and not self._is_dead(word))):
            self._leaving[old_slot] = old
            old = None
        self._word = word
        mods._unsettled.add(self)
        self._card, self._events = NO_CARD, frozenset()
        if not self._is_dead(word):
            try:
                self._enter(slot_of(word), old)
            except CorruptRing as error:  # its control words are not even a segment's
                mods._accuse(index, epoch_of(word), str(error))
        if not self._leaving:  # whether it was entered, could not be, or nobody serves: no older slot is read any more
            mods._page_store(left_offset(index), self.epoch)
        mods._ring_bell()
        mods._events_changed()

    def _resume(self, word: int) -> None:
        """Met for the first time: step where a game before this one stood, so that its ring is ended in good order."""
        before = self._mods._page_load(adopted_offset(self._index))
        if before in (0, word) or self._is_dead(before):
            return
        down, up = self._slots[slot_of(before)]
        try:
            self._port = Port(down, up, orders=False)
        except CorruptRing as error:
            self._mods._accuse(self._index, epoch_of(before), str(error))
            return
        self._word = before
        self._epochs[slot_of(before)] = epoch_of(before)

    def _enter(self, slot: int, port: Port | None) -> None:
        """Talk to the worker in `slot` from now on."""
        mods = self._mods
        down, up = self._slots[slot]
        port = port or self._leaving.pop(slot, None) or Port(down, up, orders=False)
        if down.load64(END) != OPEN_END:
            port.reopen()
        self._epochs[slot] = epoch_of(self._word)
        port.watch(mods._board, dead_offset(self._index, slot), epoch_of(self._word))
        self._card = self._last_card = read_card(down)
        if mods._hears and mods._api is not None:
            port.hear(Answerer(mods._api, mods, self), self._card.queries_per_request)
        self._inbox.most_intents = self._card.intents_per_frame
        self._events = frozenset(self._card.events)
        self._inbox.forsake(self._card.forsaken)
        self._port = port
        self._tell_clock()
        self._hear_besides()

    def _tell_clock(self) -> None:
        """Before whatever it is sent next, and published with that: nobody is woken for the time alone."""
        if self._port is not None and self._mods._clock_frame:
            self._port.restage(self._mods._clock_frame)  # no room: it has to catch up, and is told the next time

    def _hear_besides(self) -> None:
        """While this mod is waited for, hear the queries of those asked with it, and of its older workers."""
        if self._port is not None and self._mods._hears:
            self._port.beside((*self._mods._together, *self._leaving.values()))

    def _is_dead(self, word: int) -> bool:
        died = self._mods._board_load(dead_offset(self._index, slot_of(word)))
        return died == epoch_of(word) or self._is_nobody(word)

    def _is_nobody(self, word: int) -> bool:
        return self._mods._board_load(nobody_offset(self._index)) == epoch_of(word)

    def _has_died(self, slot: int) -> bool:
        """Whether the worker is gone that the game talked to in that slot last."""
        return self._mods._board_load(dead_offset(self._index, slot)) == self._epochs.get(slot)

    def _close(self) -> None:
        for port in (*self._leaving.values(), *([self._port] if self._port else [])):
            port.close()
        self._port = None
        self._leaving.clear()
        for down, up in self._slots:
            down.close()
            up.close()
        self._slots = []


def mod_error(mod: str, event: str, kind: str, message: str, traceback: str) -> ModError:
    """The typed error for an exception in a mod, from its own (hostile) words."""
    kind = escape(kind, LONGEST_NAME)
    said = f": {escape(message)}" if message else ""
    text = f"{mod}.{escape(event, LONGEST_NAME)} raised {kind}{said}"
    return ModError(text, mod=mod, event=event, kind=kind, traceback=lambda: escape(traceback, 16_384, lines=True))


def wrong_value(mod: str, event: str, error: ValueError) -> ModError:
    """The typed error for a handler's value that is not of the type that the game declares."""
    text = f"{mod}.{escape(event, LONGEST_NAME)} returned something else than declared: {escape(str(error))}"
    return ModError(text, mod=mod, event=event, kind="WrongType")
