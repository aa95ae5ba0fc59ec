"""The four channel slots of one mod: their memory, who sits in which, and when one may be used again.

The supervisor keeps every memfd: a game that comes back maps the same slots. A slot's memory is allocated when it is
first used. It is free again only when its worker is reaped *and* the game has read it to its end (`left`).
"""

import os
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ..shared import segment
from ..shared._ring import (
    ANSWERED,
    ASKED,
    CARD,
    COMMANDS,
    CPU,
    END,
    HEAD,
    INHERITED_DONE,
    INHERITED_START,
    LETTER,
    LIVE,
    OPEN_END,
    RING,
    STARTED,
    TAIL,
    CorruptRing,
    Segment,
    format_segment,
    frames,
)
from ..shared.segment import CLOCK_WORD
from ..shared.views import PINS, PINS_BYTES
from .switchboard import SLOTS

CARD_BYTES: Final = LETTER - CARD
_ASLEEP: Final = 1 << 31
_LENGTH: Final = 2**32 - 1
"""The half of ASKED that says how long the query is; all ones: it was withdrawn."""
"""In a CPU word: its owner sleeps there."""


class Card(msgspec.Struct, frozen=True, array_like=True):
    """What the game has to know about the worker in a slot, written there before its epoch is published."""

    version: int
    digest: str
    events: list[str]
    intents_per_frame: int
    queries_per_request: int = 0
    filters: dict[str, list[dict[str, Any]]] = {}
    """Of an event whose handlers all filter: what they ask for. A mod's words, looked through by the supervisor."""
    forsaken: list[int] = []
    """The latest epochs that were rolled back: what was asked for under them and not taken is not wanted any more."""


_decode_card = msgspec.msgpack.Decoder(Card).decode


def read_card(down: Segment) -> Card:
    """The card of the worker in a slot. Runs in the game; only the supervisor wrote these bytes."""
    length = int.from_bytes(down.read(CARD, 4), "little")
    return _decode_card(down.read(CARD + 4, min(length, CARD_BYTES - 4)))


@dataclass(slots=True)
class Slot:
    """One pair of segments. `down` and `up` are mapped from its first use on."""

    index: int
    size: int
    down_fd: int
    up_fd: int
    down: Segment | None = None
    up: Segment | None = None
    holder: int = 0
    """Attempt that sits in it; 0: nobody."""
    freed_by: int = 0
    """The epoch after which the game no longer reads it; 0: the game never used it."""
    epoch: int = 0
    """The epoch under which the game talked to its holder last; 0: never."""
    alarm: int = -1
    """The mod's eventfd, which is the Slots' to close."""
    watched: bool = False
    """The game publishes views, and looks at the pins."""

    def prepare(self, holder: int) -> tuple[Segment, Segment]:
        """Give it to an attempt: memory allocated in full, control words as new. Raises OSError: no memory."""
        if self.down is None or self.up is None:
            for fd in (self.down_fd, self.up_fd):
                segment.allocate(fd, self.size)
            self.down = Segment(self.down_fd, self.size, writable=True)
            self.up = Segment(self.up_fd, self.size, writable=True)
        for mapped in (self.down, self.up):
            format_segment(mapped)
        self.forget_pins()
        self.holder = holder
        self.freed_by = self.epoch = 0
        return self.down, self.up

    def hold_pins(self) -> None:
        """Allocate the page with the pins, which the game reads whether or not somebody sits here. Raises OSError."""
        os.posix_fallocate(self.up_fd, PINS, PINS_BYTES)
        self.watched = True

    def forget_pins(self) -> None:
        """Its worker is gone: what it was reading of the game's views is free."""
        if self.up is not None:
            self.up.write(PINS, bytes(PINS_BYTES))

    def give_back(self) -> None:
        """Give its memory back; the next `prepare` takes new. The game may keep it mapped: it finds zeros."""
        if self.down is None or self.up is None:
            return
        self.down.close()
        self.up.close()
        self.down = self.up = None
        for fd in (self.down_fd, self.up_fd):
            segment.release(fd, self.size)
        if self.watched:
            self.hold_pins()

    def mapped(self) -> tuple[Segment, Segment]:
        """Both segments of a slot in use."""
        assert self.down is not None, "a slot in use is mapped"
        assert self.up is not None, "both or none"
        return self.down, self.up

    def write_card(self, card: Card) -> None:
        """Put the card where the game finds it. Raises ValueError when it does not fit."""
        down, _ = self.mapped()
        data = msgspec.msgpack.encode(card)
        if len(data) + 4 > CARD_BYTES:
            raise ValueError(
                f"its event names take {len(data)} bytes; {CARD_BYTES - 4} fit: use fewer or shorter names"
            )
        down.write(CARD, len(data).to_bytes(4, "little") + data)

    def set_live(self, live: bool) -> None:
        """Tell the game whether the worker reads its ring yet. Wakes whoever waits for it to do so."""
        down, up = self.mapped()
        down.store32(LIVE, int(live))
        if live:
            up.nudge()

    def progress(self) -> tuple[int, int]:
        """(done, started) of the worker: positions in the request ring, clamped to what the game published."""
        _, up = self.mapped()
        end = self.end()
        done = min(up.load64(TAIL), end)
        return done, min(max(up.load64(STARTED), done), end)

    def neglected(self) -> bool:
        """Whether messages lie unread although answers have room: an honest worker is busy then, or about to be."""
        down, up = self.mapped()
        unread = up.load64(TAIL) < self.end()
        return unread and up.load64(HEAD) - down.load64(TAIL) <= (self.size - RING) // 2

    def end(self) -> int:
        """Where the request ring ends: the game's END, else its HEAD."""
        down, _ = self.mapped()
        end = down.load64(END)
        return down.load64(HEAD) if end == OPEN_END else end

    def asking(self) -> int:
        """Number of the query that waits for the game's answer, by the worker's own account; 0: none does."""
        down, up = self.mapped()
        asked = up.load64(ASKED)
        waits = asked & _LENGTH != _LENGTH and asked >> 32 != down.load64(ANSWERED) >> 32
        return asked >> 32 if waits else 0

    def cpu(self) -> int:
        """Where the worker says that it runs, or ran when it went to sleep."""
        _, up = self.mapped()
        return up.load32(CPU) & ~_ASLEEP

    def inherited_begun(self) -> int:
        """How many inherited messages the worker says it began."""
        _, up = self.mapped()
        return up.load64(INHERITED_START)

    def inherited_done(self) -> int:
        """How many of them it says it finished."""
        _, up = self.mapped()
        return up.load64(INHERITED_DONE)

    def handled(self, since: int) -> int | None:
        """How many messages its worker finished from position `since` on; None: the game has written over the first."""
        down, _ = self.mapped()
        done, _ = self.progress()
        if done <= since:
            return 0
        if down.load64(HEAD) - since > self.size - RING:
            return None
        try:
            return len(frames(down, since, done))
        except (CorruptRing, ValueError):
            return None

    def clock(self) -> int:
        """What its clocks show, by the worker's own account, ns; 0: it says nothing, or the game keeps no time."""
        _, up = self.mapped()
        return up.load64(CLOCK_WORD)

    def forget_inheritance(self) -> None:
        """Before a worker is started (again): what it inherited in an earlier life does not count as begun."""
        _, up = self.mapped()
        up.store64(INHERITED_START, 0)
        up.store64(INHERITED_DONE, 0)
        up.store64(CLOCK_WORD, 0)

    def in_hand(self, inherited: list[bytes]) -> list[bytes]:
        """The message that was begun and not finished, in the ring or among `inherited`: none or one."""
        down, up = self.mapped()
        begun, done = up.load64(INHERITED_START), up.load64(INHERITED_DONE)
        if done < begun <= len(inherited):
            return inherited[begun - 1 : begun]
        start, stop = self.progress()
        try:
            return frames(down, start, stop)[:1] if stop > start else []
        except (CorruptRing, ValueError):
            return []

    def unbegun(self) -> list[bytes]:
        """The frames that were sent and never begun. A worker that lied about its cursors loses only its own."""
        down, _ = self.mapped()
        _, started = self.progress()
        try:
            return frames(down, started, self.end())
        except (CorruptRing, ValueError):
            return []

    def end_for_absent_game(self) -> None:
        """With no game attached: end the request ring in its place and wake the worker."""
        down, _ = self.mapped()
        down.store64(END, down.load64(HEAD))
        down.nudge()

    def reopen_for_absent_game(self) -> None:
        """With no game attached: let the ring go on, as the game does when a rollback brings it back here."""
        down, _ = self.mapped()
        down.store64(END, OPEN_END)

    def wake_game(self) -> None:
        """Wake whoever waits for this worker's answers."""
        _, up = self.mapped()
        up.nudge()

    def announce_command(self) -> None:
        """Ring the worker's bell: a command stands in its socket."""
        down, _ = self.mapped()
        down.add32(COMMANDS)
        down.nudge()


class Slots:
    """The slots of one mod. Made when the supervisor first hears of the mod; closed with it."""

    def __init__(self, ring_bytes: int, *, watched: bool = False) -> None:
        """`watched`: the game publishes views already. Raises OSError."""
        size = segment.ring_segment_size(ring_bytes)
        self.size = size
        self.slots: list[Slot] = []
        self.alarm = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        """What workers of the mod write to when the game waits for them in an event loop. One for all of them: the
        versions of a mod trust each other, and no mod another."""
        try:
            for index in range(SLOTS):
                down = segment.create(f"{index}-down", size)
                self.slots.append(Slot(index, size, down, -1))
                self.slots[-1].up_fd = segment.create(f"{index}-up", size)
                self.slots[-1].alarm = self.alarm
            if watched:
                self.hold_pins()
        except BaseException:
            self.close()
            raise

    def highest(self) -> int:
        """The highest of its descriptors."""
        return max(self.alarm, *(max(slot.down_fd, slot.up_fd) for slot in self.slots))

    def free(self, left: int) -> Slot | None:
        """A slot nobody sits in and that the game has left (`left`: see switchboard); None: all four are in use."""
        return next((s for s in self.slots if not s.holder and s.freed_by <= left), None)

    def give_back(self, left: int) -> None:
        """Give back the memory of every slot that nobody uses: the mod is gone, and may never come back."""
        for slot in self.slots:
            if not slot.holder and slot.freed_by <= left:
                slot.give_back()

    def hold_pins(self) -> None:
        """Before the game looks at the pins of all slots. Raises OSError: no memory."""
        for slot in self.slots:
            slot.hold_pins()

    def close(self) -> None:
        """Unmap and close everything."""
        for slot in self.slots:
            for mapped in (slot.down, slot.up):
                if mapped is not None:
                    mapped.close()
            slot.down = slot.up = None  # a worker that is reaped later still leaves it
            for fd in (slot.down_fd, slot.up_fd):
                if fd >= 0:
                    os.close(fd)
        self.slots.clear()
        if self.alarm >= 0:
            os.close(self.alarm)
            self.alarm = -1
