"""A peer that writes what it likes, where it likes, whenever it likes: every call gives a value or CorruptRing.

The victim is the game: it writes `down`, and the attacker has `up`, all of it. (The other way round there is nothing to
attack: a worker that is lied to by the game has no game.)
"""

import os
import random
import subprocess
import sys
import threading
import time

from fumehood.shared import _ring, segment
from fumehood.shared._ring import (
    COMMAND,
    DEAD,
    ENDED,
    MESSAGE,
    TIMEOUT,
    CorruptRing,
    Port,
    Segment,
    format_segment,
    frames,
)
from fumehood.shared.messages import VALUE_HEAD, Call, Value, pack
from hypothesis import example, given, settings
from hypothesis import strategies as st

RING_BYTES = 256
SIZE = segment.ring_segment_size(RING_BYTES)
LIMIT = RING_BYTES // 2 - 8
REQUEST = pack(Call(7, "e", []))

WORDS = [offset for name in dir(_ring) if name.isupper() and 0 <= (offset := getattr(_ring, name)) < _ring.CARD]
WORDS64 = sorted({offset for offset in WORDS if offset % 64 == 0} | {_ring.MAGIC})

near = st.integers(-64, 64)
value = st.one_of(
    st.integers(0, 2**64 - 1),
    st.integers(0, 4 * RING_BYTES),
    st.sampled_from([0, 1, 2, 3, 7, 8, 2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 8, 2**64 - 1]),
)
attack = st.one_of(
    st.tuples(st.just("word"), st.sampled_from(WORDS64), value),
    st.tuples(st.just("shift"), st.sampled_from(WORDS64), near),
    st.tuples(st.just("bytes"), st.integers(0, RING_BYTES), st.binary(max_size=RING_BYTES)),
    st.tuples(st.just("frame"), st.integers(0, 2**32 - 1), st.integers(0, RING_BYTES)),
    st.tuples(st.just("honest"), st.one_of(st.binary(max_size=LIMIT), st.just(pack(Value(7, 1)))), st.none()),
)
use = st.one_of(
    st.tuples(st.sampled_from(["push", "stage"]), st.binary(max_size=LIMIT)),
    st.tuples(st.sampled_from(["wait", "wait_room", "exchange"]), st.sampled_from([0, 1000, 50_000])),
    st.tuples(
        st.sampled_from(["publish", "pop", "take", "finish", "seen", "peers", "end", "again", "dead"]), st.none()
    ),
)


class Victim:
    """The game's end of a channel whose `up` the attacker holds; remembers what it sent."""

    def __init__(self, *, orders: bool, spin_ns: int) -> None:
        self.down, _ = self.make("down")
        self.up, self.theirs = self.make("up")
        self.board, _ = self.make("board")
        format_segment(self.down)
        format_segment(self.up)
        self.options = {"orders": orders, "spin_ns": spin_ns}
        self.port = Port(self.down, self.theirs, **self.options)
        self.port.watch(self.board, 0, 1)
        self.sent: list[tuple[int, bytes]] = []
        self.published = 0
        self.floor = 0

    @staticmethod
    def make(name: str) -> tuple[Segment, Segment]:
        fd = segment.create(name, SIZE)
        reader = segment.read_only(fd)
        segment.allocate(fd, SIZE)
        pair = Segment(fd, SIZE, writable=True), Segment(reader, SIZE, writable=False)
        os.close(fd)
        os.close(reader)
        return pair

    def suffer(self, kind: str, where, what) -> None:
        if kind == "word":
            self.up.store64(where, what)
        elif kind == "shift":
            self.up.store64(where, (self.up.load64(where) + what) % 2**64)
        elif kind == "bytes":
            self.up.write(_ring.RING + where, what[: RING_BYTES - where])
        elif kind == "frame":
            self.fake_frame(length=where, more=what)
        else:
            self.fake_frame(length=len(where), more=0, data=where)

    def fake_frame(self, length: int, more: int, data: bytes = b"") -> None:
        """Put a frame with the right check where the victim reads next, of a length that may be a lie."""
        position = self.up.load64(_ring.HEAD) & ~7
        check = (position ^ _ring.CHECK) & 0xFFFFFFFF
        frame = length.to_bytes(4, "little") + check.to_bytes(4, "little") + data
        at = position % RING_BYTES
        self.up.write(_ring.RING + at, frame[: RING_BYTES - at])
        self.up.write(_ring.RING, frame[RING_BYTES - at :])
        grown = position + 8 + (min(length, LIMIT) + 7) // 8 * 8 + more // 8 * 8
        self.up.store64(_ring.HEAD, grown % 2**64)

    def do(self, name: str, argument) -> None:
        try:
            self.checked(name, argument)
        except CorruptRing as error:
            assert "of the peer" in str(error)  # noqa: PT017 — every call may raise it, none has to

    def checked(self, name: str, argument) -> None:
        port = self.port
        if name in ("push", "stage"):
            before = port.head
            fitted = getattr(port, name)(argument)
            if fitted:
                self.sent.append((before, argument))
                assert port.head == before + 8 + (len(argument) + 7) // 8 * 8
            if fitted and name == "push":
                self.published = port.head
        elif name == "wait":
            assert port.wait(argument) in (TIMEOUT, MESSAGE, COMMAND, ENDED, DEAD)
        elif name == "exchange":
            self.exchange(argument)
        elif name == "wait_room":
            self.published = port.head
            assert port.wait_room(LIMIT, argument) in (TIMEOUT, MESSAGE, COMMAND, DEAD)
        elif name == "publish":
            port.publish()
            self.published = port.head
        elif name in ("pop", "take"):
            before = port.tail
            got = getattr(port, name)()
            assert got is None or (isinstance(got, bytes) and len(got) <= LIMIT)
            assert port.tail >= before
        elif name == "finish":
            port.finish()
        elif name == "seen":
            assert port.seen() in (True, False)
        elif name == "peers":
            self.peers()
        elif name == "end":
            assert port.end() == port.head
            port.reopen()
            self.published = port.head
        elif name == "again":
            self.again()
        else:
            self.board.store64(0, 1)
            assert port.wait(1000) == DEAD
            self.board.store64(0, 0)

    def exchange(self, timeout: int) -> None:
        """A whole call, as the game makes it. Whatever the attacker answers, it was sent, or there was no room."""
        before = self.port.head
        try:
            got = self.port.exchange(REQUEST, timeout, 0, VALUE_HEAD)
        finally:
            if self.port.head != before:
                self.sent.append((before, REQUEST))
                self.published = self.port.head
        if got is None:
            assert self.port.head == before
        elif isinstance(got, tuple):
            (message,) = got
            assert len(message) <= LIMIT
        elif isinstance(got, bytes):
            assert len(got) <= LIMIT - len(VALUE_HEAD) - 1
        else:
            assert got in (TIMEOUT, MESSAGE, COMMAND, ENDED, DEAD)

    def peers(self) -> None:
        done, started = self.port.peer_done, self.port.peer_started
        assert self.floor <= done <= started <= self.published
        self.floor = done

    def again(self) -> None:
        """A new game takes this end over: it believes `down`, which it wrote, and refuses an impossible `up`."""
        self.sent = [(at, data) for at, data in self.sent if at < self.published]
        self.port.close()
        try:
            self.port = Port(self.down, self.theirs, **self.options)
        except CorruptRing:
            format_segment(self.up)
            self.up.store64(_ring.HEAD, self.down.load64(_ring.STARTED))
            self.up.store64(_ring.TAIL, self.down.load64(_ring.HEAD))
            self.port = Port(self.down, self.theirs, **self.options)
        except ValueError as error:
            assert "version" in str(error)  # noqa: PT017 — the attacker may or may not have hit the magic
            self.up.store64(_ring.MAGIC, int.from_bytes(b"FUMEHD\x00\x01", "little"))
            self.again()
            return
        self.floor = 0
        self.port.watch(self.board, 0, 1)

    def check_own_messages(self) -> None:
        """What the victim itself sent and still has room for is there, byte for byte."""
        self.port.publish()
        assert self.down.load64(_ring.HEAD) == self.port.head
        kept = [(at, data) for at, data in self.sent if at >= self.port.head - RING_BYTES]
        start = kept[0][0] if kept else self.port.head
        assert frames(self.down, start, self.port.head) == [data for _, data in kept]

    def close(self) -> None:
        self.port.close()
        for one in (self.down, self.up, self.theirs, self.board):
            one.close()


@settings(max_examples=400, deadline=None)
@given(
    steps=st.lists(st.one_of(st.tuples(st.just("attack"), attack), st.tuples(st.just("use"), use)), max_size=60),
    orders=st.booleans(),
    spin_ns=st.sampled_from([0, 2000]),
)
@example(steps=[("attack", ("word", _ring.HEAD, 2**64 - 8)), ("use", ("pop", None))], orders=False, spin_ns=0)
@example(steps=[("attack", ("word", _ring.TAIL, 2**64 - 8)), ("use", ("peers", None))], orders=False, spin_ns=0)
@example(steps=[("attack", ("frame", 2**32 - 1, 0)), ("use", ("take", None))], orders=False, spin_ns=0)
def test_every_call_gives_a_value_or_corrupt_ring(steps, orders, spin_ns):
    victim = Victim(orders=orders, spin_ns=spin_ns)
    for kind, action in steps:
        if kind == "attack":
            victim.suffer(*action)
        else:
            victim.do(*action)
    victim.check_own_messages()
    victim.close()


@settings(max_examples=300, deadline=None)
@given(data=st.binary(min_size=RING_BYTES, max_size=RING_BYTES), start=st.integers(0, 64), length=st.integers(0, 32))
def test_frames_of_arbitrary_bytes(data, start, length):
    victim = Victim(orders=False, spin_ns=0)
    victim.up.write(_ring.RING, data)
    try:
        found = frames(victim.up, start * 8, (start + length) * 8)
    except CorruptRing:
        pass
    else:
        assert sum(8 + (len(one) + 7) // 8 * 8 for one in found) == length * 8
    victim.close()


def test_a_length_that_cannot_be_is_named():
    for length in (LIMIT + 1, 2**31, 2**32 - 1):
        victim = Victim(orders=False, spin_ns=0)
        victim.fake_frame(length=length, more=0)
        assert victim.port.wait(0) == MESSAGE
        for read in (victim.port.pop, victim.port.take):
            try:
                read()
            except CorruptRing as error:
                assert f"length of the peer is {length}" in str(error)  # noqa: PT017 — the loop reads it twice
            else:
                raise AssertionError("a frame longer than the limit was read")
        assert victim.port.tail == 0
        victim.close()


def test_a_peer_that_always_says_it_is_parked_only_costs_wakes():
    victim = Victim(orders=False, spin_ns=0)
    for parked in (1, 2, 3, 2**32 - 1):
        victim.up.store32(_ring.PARKED, parked)
        assert victim.port.push(b"x" * 8)
        victim.up.store64(_ring.TAIL, victim.port.head)
        victim.port.pop()
    victim.close()


def test_a_peer_that_rings_for_ever_keeps_nobody_past_the_deadline():
    victim = Victim(orders=False, spin_ns=0)
    stop = threading.Event()

    def ring() -> None:
        while not stop.is_set():
            victim.up.nudge()

    ringer = threading.Thread(target=ring)
    ringer.start()
    assert victim.port.wait(20_000_000) == TIMEOUT
    assert victim.port.push(bytes(LIMIT))
    assert victim.port.push(bytes(LIMIT))
    assert victim.port.wait_room(1, 20_000_000) == TIMEOUT
    stop.set()
    ringer.join()
    victim.close()


ATTACKER = """
import random, sys
from fumehood.shared import _ring
from fumehood.shared._ring import Segment
up, down = int(sys.argv[1]), int(sys.argv[2])
size = int(sys.argv[3])
mine = Segment(up, size, writable=True)
theirs = Segment(down, size, writable=False)
dice = random.Random(size)
words = [int(word) for word in sys.argv[4].split(",")]
print("up", flush=True)
while theirs.load32(_ring.LIVE) == 0:
    kind = dice.randrange(4)
    if kind == 0:
        near = dice.getrandbits(10)
        mine.store64(dice.choice(words), dice.choice([dice.getrandbits(64), near, near & ~7]))
    elif kind == 1:
        mine.write(dice.randrange(_ring.RING, size - 256), dice.randbytes(256))
    elif kind == 2:
        mine.nudge()
    else:
        position = theirs.load64(_ring.STARTED)
        at = _ring.RING + position % (size - _ring.RING)
        check = (position ^ _ring.CHECK) & 0xFFFFFFFF
        mine.store64(at, check << 32 | dice.choice([0, 8, 100, dice.getrandbits(32)]))
        mine.store64(_ring.HEAD, position + dice.choice([8, 16, 112, 4096]))
"""


def test_a_process_that_scribbles_while_we_read():
    """True concurrency: the attacker rewrites lengths, cursors and bytes while the victim is in a call."""
    size = segment.ring_segment_size(4096)
    up_fd, down_fd = segment.create("up", size), segment.create("down", size)
    segment.allocate(up_fd, size)
    segment.allocate(down_fd, size)
    up, down = Segment(up_fd, size, writable=True), Segment(down_fd, size, writable=True)
    theirs_fd, reader_fd = segment.read_only(up_fd), segment.read_only(down_fd)
    theirs = Segment(theirs_fd, size, writable=False)
    format_segment(up)
    format_segment(down)
    port = Port(down, theirs, orders=False)
    words = ",".join(str(word) for word in WORDS64)
    command = [sys.executable, "-c", ATTACKER, str(up_fd), str(reader_fd), str(size), words]
    attacker = subprocess.Popen(command, pass_fds=(up_fd, reader_fd), stdout=subprocess.PIPE)
    assert attacker.stdout is not None
    assert attacker.stdout.readline() == b"up\n"
    dice = random.Random(1)
    outcomes = {"read": 0, "corrupt": 0, "sent": 0}
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline and (min(outcomes.values()) < 2000 or sum(outcomes.values()) < 50_000):
        try:
            outcomes["sent"] += port.push(bytes(dice.randrange(port.limit)))
            port.wait(dice.choice([0, 1000, 10_000]))
            port.wait_room(100, 0)
            for read in (port.take, port.pop):
                outcomes["read"] += read() is not None
            assert port.peer_done <= port.peer_started <= port.head
        except CorruptRing:
            outcomes["corrupt"] += 1
    down.store32(_ring.LIVE, 1)
    assert attacker.wait(30) == 0
    attacker.stdout.close()
    assert all(outcomes.values()), outcomes
    port.close()
    for fd in (up_fd, down_fd, theirs_fd, reader_fd):
        os.close(fd)
