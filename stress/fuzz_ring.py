"""Fuzz target `ring`: a peer that writes what it likes into every word, letter and frame, between any calls of ours.

An input is a program: each byte chooses what happens next to one of two channels of the same game, an attack on what
the peer holds or a call of the game's, and the bytes behind it say with what. So every string of bytes is a case, and
the same one does the same again. Queries are answered by a function that closes its port, takes messages, asks others,
or raises, as the program says.
"""

import contextlib
import os
import random
from collections.abc import Callable, Iterator
from typing import Any, Final

from fumehood.shared import _ring, segment
from fumehood.shared._ring import CorruptRing, Port, Segment, format_segment, frames, weigh, words
from fumehood.shared.messages import CALL_HEAD, VALUE_HEAD, Call, Value, pack
from fuzz_mutate import NUMBERS

MOST_STEPS: Final = 400
BOARD: Final = 4096
WORDS: Final = (
    _ring.MAGIC, _ring.HEAD, _ring.ASKED, _ring.ANSWERED, _ring.TAIL, _ring.STARTED, _ring.BELL, _ring.PARKED,
    _ring.CPU, _ring.END, _ring.COMMANDS, _ring.LIVE, _ring.SESSION, _ring.INHERITED_START, _ring.INHERITED_DONE,
    _ring.CARD,
)  # fmt: skip
MESSAGES: Final = (
    pack(Value(7, 1)), pack(Value(7, b"x" * 20)), pack(Call(7, "e", [])), pack(Call(8, "e", [1, "two"])),
    pack(Call(9, "raise", [])), pack(Call(9, "close", [])), pack(Call(9, "none", [])), CALL_HEAD + b"\xcf\x00",
    CALL_HEAD + b"\x07\xd9\xff", CALL_HEAD + b"\x07\xbf", VALUE_HEAD + b"\xcf", VALUE_HEAD, b"",
)  # fmt: skip
REQUEST: Final = pack(Call(7, "e", []))
OWN_MISTAKES: Final = (
    "closed", "ended", "longer than", "never fits", "outside", "multiple", "no range", "a length of", "no ring of this",
)  # fmt: skip
"""What the ring says of calls that are wrong by themselves; the program makes such too."""


class Planned(Exception):
    """Raised by the functions that the program hands to the ring."""


class Program:
    """The input, read from its front. Behind its end everything is 0."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def left(self) -> bool:
        return self._at < len(self._data)

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def bytes(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def number(self) -> int:
        """64 bits: few, many, one of the interesting ones, or a number and a length as of a letter."""
        kind = self.byte()
        match kind & 7:
            case 0:
                return int.from_bytes(self.bytes(8), "little")
            case 1:
                return self.byte()
            case 2:
                return self.byte() * 8
            case 3 | 4:
                return NUMBERS[self.byte() % len(NUMBERS)]
            case 5:
                return (kind >> 3) << 32 | NUMBERS[self.byte() % len(NUMBERS)] & 0xFFFF_FFFF
            case 6:
                return 2**64 - 1 - self.byte()
        return (kind >> 3) << 32 | int.from_bytes(self.bytes(2), "little")


class Channel:
    """A channel whose `up` the attacker holds. The segments of each size are made once."""

    _made: dict[tuple[int, str, int], tuple[Segment, Segment]] = {}  # noqa: RUF012  # the module's own cache

    def __init__(self, number: int, ours: int, theirs: int, *, orders: bool, spin_ns: int) -> None:
        self.down, _ = self._segment(number, "down", ours)
        self.up, self.theirs = self._segment(number, "up", theirs)
        self.capacity, self.their_capacity = ours, theirs
        self.options = {"orders": orders, "spin_ns": spin_ns}
        self.sent: list[tuple[int, bytes]] = []
        self.written = 0
        """How far our ring was ever written, what was staged and dropped again included."""
        self.certain = True
        """Whether all that was sent stands in `sent`."""
        self.number = 0
        for each in (self.down, self.up):
            each.write(0, bytes(each.size))
            format_segment(each)
        self.port = Port(self.down, self.theirs, **self.options)

    @classmethod
    def _segment(cls, number: int, name: str, capacity: int) -> tuple[Segment, Segment]:
        key = number, name, capacity
        if key not in cls._made:
            size = segment.ring_segment_size(capacity)
            fd = segment.create(name, size)
            reader = segment.read_only(fd)
            segment.allocate(fd, size)
            cls._made[key] = Segment(fd, size, writable=True), Segment(reader, size, writable=False)
            os.close(fd)
            os.close(reader)
        return cls._made[key]

    def frame(self, length: int, data: bytes, grow: int) -> None:
        """A frame with the right check where the victim reads next, whose length may be a lie."""
        position = self.up.load64(_ring.HEAD) & ~7
        check = (position ^ _ring.CHECK) & 0xFFFF_FFFF
        whole = (length & 0xFFFF_FFFF).to_bytes(4, "little") + check.to_bytes(4, "little") + data
        at = position % self.their_capacity
        self.up.write(_ring.RING + at, whole[: self.their_capacity - at])
        self.up.write(_ring.RING, whole[self.their_capacity - at :][: self.their_capacity])
        self.up.store64(_ring.HEAD, (position + 8 + (len(data) + 7) // 8 * 8 + grow) % 2**64)

    def note(self, at: int, data: bytes) -> None:
        """This was staged or pushed at that position."""
        self.sent.append((at, data))
        self.written = max(self.written, at + 8 + (len(data) + 7) // 8 * 8)

    def check(self) -> None:
        """What we sent and still have room for is there, byte for byte, whatever the peer did."""
        head = self.down.load64(_ring.HEAD)
        kept = [(at, data) for at, data in self.sent if self.written - self.capacity <= at < head]
        start = kept[0][0] if kept else head
        assert not self.certain or frames(self.down, start, head) == [data for _, data in kept], "our own messages"


class Ring:
    """The target."""

    name = "ring"
    steady = True
    """Whether the peer stands still during a call."""
    dictionary = (*MESSAGES, *(number.to_bytes(8, "little") for number in NUMBERS))

    def __init__(self) -> None:
        self._alarm = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        fd = segment.create("board", BOARD)
        self._board = Segment(fd, BOARD, writable=True)
        os.close(fd)

    def fresh(self, rng: random.Random) -> bytes:
        return rng.randbytes(rng.choice((8, 30, 100, 400)))

    def close(self) -> None:
        os.close(self._alarm)

    def run(self, data: bytes) -> None:
        """One case. Raises whatever the ring may not raise, AssertionError for what it may not return."""
        program = Program(data)
        first, second = program.byte(), program.byte()
        options = {"orders": bool(first & 8), "spin_ns": 2000 if first & 16 else 0}
        channels = [
            Channel(0, 64 << (first & 7), 64 << (second & 7), **options),
            Channel(1, 64 << (second >> 3 & 3), 64 << (second >> 5 & 3), **options),
        ]
        try:
            for _ in self.steps(program):
                choice = program.byte()
                channel = channels[choice >> 7]
                steps = ATTACKS if choice & 1 else USES
                step = steps[(choice >> 1 & 63) % len(steps)]
                self._do(step, channel, channels[1 - (choice >> 7)], program)
            for channel in channels:
                channel.check()
        finally:
            for channel in channels:
                with contextlib.suppress(ValueError):
                    channel.port.beside(())  # a tuple that holds its own port keeps it
                channel.port.close()

    @staticmethod
    def steps(program: Program) -> Iterator[int]:
        """Until the program is over, or is long enough."""
        for step in range(MOST_STEPS):
            if not program.left():
                return
            yield step

    def _do(self, step: Callable[..., None], channel: Channel, other: Channel, program: Program) -> None:
        try:
            step(self, channel, other, program)
        except CorruptRing as error:
            assert "of the peer is" in str(error), error  # noqa: PT017  # none has to be raised
        except Planned:
            pass
        except ValueError as error:
            if not any(words in str(error) for words in OWN_MISTAKES):
                raise

    # ── what the peer does ────────────────────────────────────────────────────────────────────────────────────────────

    def word(self, channel: Channel, _: Channel, program: Program) -> None:
        channel.up.store64(WORDS[program.byte() % len(WORDS)], program.number())

    def shift(self, channel: Channel, _: Channel, program: Program) -> None:
        at = WORDS[program.byte() % len(WORDS)]
        channel.up.store64(at, (channel.up.load64(at) + program.byte() - 128) % 2**64)

    def honest(self, channel: Channel, _: Channel, program: Program) -> None:
        message = MESSAGES[program.byte() % len(MESSAGES)][: channel.their_capacity - 8]
        channel.frame(len(message), message, 0)

    def lie(self, channel: Channel, _: Channel, program: Program) -> None:
        length, grow = program.number(), program.byte() * 8
        channel.frame(length, program.bytes(program.byte() % (channel.their_capacity - 7)), grow)

    def scribble(self, channel: Channel, _: Channel, program: Program) -> None:
        at, data = program.byte() * 8 % channel.their_capacity, program.bytes(program.byte())
        channel.up.write(_ring.RING + at, data[: channel.their_capacity - at])

    def letter(self, channel: Channel, _: Channel, program: Program) -> None:
        channel.number += program.byte() & 1
        at = (_ring.ASKED, _ring.ANSWERED)[program.byte() & 1]
        length = program.number() & 0xFFFF_FFFF
        channel.up.write(_ring.LETTER, program.bytes(16))
        channel.up.store64(at, (channel.number & 0xFFFF_FFFF) << 32 | length)

    def begun(self, channel: Channel, _: Channel, __: Program) -> None:
        """Say that everything was taken and done, so that more queries are heard and there is room again."""
        head = channel.down.load64(_ring.HEAD)
        channel.up.store64(_ring.STARTED, head)
        channel.up.store64(_ring.TAIL, head)

    # ── what the game does ────────────────────────────────────────────────────────────────────────────────────────────

    def push(self, channel: Channel, _: Channel, program: Program) -> None:
        how, data = program.byte(), bytes(program.byte())
        before = channel.port.head
        if how % 3 == 2:
            before = channel.down.load64(_ring.HEAD)
            channel.sent = [(at, each) for at, each in channel.sent if at < before]
        if (channel.port.push, channel.port.stage, channel.port.restage)[how % 3](data):
            channel.note(before, data)

    def take(self, channel: Channel, _: Channel, program: Program) -> None:
        before = channel.port.tail
        length = channel.port.peek()
        got = (channel.port.take, channel.port.pop)[program.byte() & 1]()
        assert got is None or len(got) <= channel.their_capacity // 2 - 8
        assert not self.steady or length == (None if got is None else len(got))
        assert channel.port.tail >= before

    def finish(self, channel: Channel, _: Channel, program: Program) -> None:
        (channel.port.finish, channel.port.publish, channel.port.seen, channel.port.rise)[program.byte() & 3]()

    def wait(self, channel: Channel, _: Channel, program: Program) -> None:
        assert channel.port.wait(program.byte() * 100, bool(program.byte() & 1)) in range(5)

    def room(self, channel: Channel, _: Channel, program: Program) -> None:
        length = program.number()
        assert channel.port.wait_room(length, program.byte() * 100) in range(5)

    def exchange(self, channel: Channel, _: Channel, program: Program) -> None:
        before = channel.port.head
        more = (program.byte() & 1, VALUE_HEAD) if program.byte() & 1 else ()
        try:
            got = channel.port.exchange(REQUEST, program.byte() * 100, *more)
        finally:
            if channel.port.head != before:
                channel.note(before, REQUEST)
        message = got[0] if isinstance(got, tuple) else got
        assert message is None or message in range(5) or len(message) <= channel.their_capacity // 2 - 8

    def serve(self, channel: Channel, _: Channel, program: Program) -> None:
        channel.certain = False

        def close(*_: Any) -> None:
            channel.port.close()

        def fail(*_: Any) -> None:
            raise Planned

        table = {"e": lambda *args: args, "raise": fail, "close": close, "none": lambda: None}
        plain = (CALL_HEAD, VALUE_HEAD, table, _decode, pack, (), (), b"x" if program.byte() & 1 else b"")
        channel.port.serve(None if program.byte() & 1 else REQUEST, program.byte() * 100, plain)

    def end(self, channel: Channel, _: Channel, program: Program) -> None:
        assert channel.port.end() == channel.port.head
        if program.byte() & 3:
            channel.port.reopen()

    def hear(self, channel: Channel, other: Channel, program: Program) -> None:
        how, much = program.byte(), program.byte()

        def answer(query: bytes, deadline: int) -> bytes:
            assert len(query) <= _ring.RING - _ring.LETTER
            assert deadline >= 0
            match how % 10:
                case 0:
                    channel.port.close()
                case 1:
                    channel.port.pop()
                case 2:
                    channel.port.hear(None, 0)
                case 3:
                    channel.port.beside(())
                case 4:
                    raise Planned
                case 5:
                    other.port.wait(1000)
                case 6:
                    other.port.close()
                case 7:
                    channel.port.answer(0)
                case 8:
                    other.port.ask(query, 1000)
            return bytes(much * 100)

        channel.port.hear(None if how > 250 else answer, program.byte())

    def beside(self, channel: Channel, other: Channel, program: Program) -> None:
        channel.port.beside(((), (channel.port, other.port), (other.port,), (other.port,) * 150)[program.byte() & 3])

    def answer(self, channel: Channel, _: Channel, program: Program) -> None:
        assert channel.port.answer(program.number()) in (True, False)

    def ask(self, channel: Channel, _: Channel, program: Program) -> None:
        got = channel.port.ask(bytes(program.byte() * 70), program.byte() * 100)
        assert got is None or len(got) <= _ring.RING - _ring.LETTER

    def rest(self, channel: Channel, _: Channel, program: Program) -> None:
        channel.port.alarm(self._alarm if program.byte() & 1 else -1)
        assert channel.port.rest() in (*range(5), _ring.QUERY)

    def peers(self, channel: Channel, _: Channel, __: Program) -> None:
        done, started = channel.port.peer_done, channel.port.peer_started
        assert 0 <= done <= started <= channel.port.head

    def dead(self, channel: Channel, _: Channel, program: Program) -> None:
        at = program.byte() % 64 * 8
        channel.port.watch(self._board, at, program.byte() & 1)
        self._board.store64(at, program.byte() & 1)

    def again(self, channel: Channel, _: Channel, __: Program) -> None:
        """A new game takes this end over. Refused while the peer lies, it is tried again once all is made right."""
        head = channel.down.load64(_ring.HEAD)
        channel.sent = [(at, each) for at, each in channel.sent if at < head]
        channel.port.close()
        try:
            channel.port = Port(channel.down, channel.theirs, **channel.options)
        except CorruptRing:
            channel.up.write(0, bytes(_ring.RING))
            format_segment(channel.up)
            channel.up.store64(_ring.HEAD, channel.down.load64(_ring.STARTED))
            channel.up.store64(_ring.TAIL, head)
            channel.port = Port(channel.down, channel.theirs, **channel.options)

    def copied(self, channel: Channel, _: Channel, program: Program) -> None:
        """What the supervisor does with dead rings, and the game with views' pins."""
        start, length = program.number(), program.number()
        try:
            found = frames(channel.up, start, (start + length) % 2**64)
        finally:
            for each in words([channel.up, channel.theirs], program.byte() * 8):
                assert 0 < each < 2**64
        assert sum(8 + (len(each) + 7) // 8 * 8 for each in found) == length

    def touched(self, channel: Channel, _: Channel, program: Program) -> None:
        """The segment's own calls, with numbers from anywhere."""
        at, length = program.number(), program.number()
        weigh(channel.up.read(_ring.RING, channel.their_capacity))
        for use in (channel.theirs.load32, channel.theirs.load64, channel.theirs.wake):
            with contextlib.suppress(ValueError):
                use(at)
        channel.theirs.read(at, length)


def _decode(data: bytes) -> list[Any]:
    import msgspec

    got = msgspec.msgpack.decode(data)
    if not isinstance(got, list):
        raise TypeError("no list")
    return got


ATTACKS: Final = (
    Ring.word, Ring.word, Ring.word, Ring.shift, Ring.honest, Ring.honest, Ring.honest, Ring.lie, Ring.scribble,
    Ring.letter, Ring.letter, Ring.begun,
)  # fmt: skip
USES: Final = (
    Ring.push, Ring.push, Ring.take, Ring.take, Ring.finish, Ring.wait, Ring.wait, Ring.room, Ring.exchange, Ring.serve,
    Ring.end, Ring.hear, Ring.hear, Ring.beside, Ring.answer, Ring.ask, Ring.rest, Ring.peers, Ring.dead, Ring.again,
    Ring.copied, Ring.touched,
)  # fmt: skip
