"""The ring between two parties of one process: messages, cursors, ends, waits, and who may do what when."""

import functools
import os
import resource
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest
from fumehood.shared import _ring, segment
from fumehood.shared._ring import (
    COMMAND,
    DEAD,
    ENDED,
    MESSAGE,
    OPEN_END,
    TIMEOUT,
    CorruptRing,
    Port,
    Segment,
    format_segment,
    frames,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

MS = 1_000_000
LONG = 60_000 * MS
"""A wait that is expected to be ended by an event; never slept through by a test that passes."""


class Channel:
    """A down and an up segment; the game's end pushes into down, the worker's into up, as in production."""

    def __init__(self, ring_bytes: int = 1024, *, spin_ns: int = 0) -> None:
        size = segment.ring_segment_size(ring_bytes)
        self.down, down_reader = self.pair("down", size)
        self.up, up_reader = self.pair("up", size)
        self.board, _ = self.pair("board", 4096)
        self.segments = [self.down, self.up, self.board, down_reader, up_reader]
        format_segment(self.down)
        format_segment(self.up)
        self.readers = (down_reader, up_reader)
        self.game = Port(self.down, up_reader, spin_ns=spin_ns, orders=False)
        self.worker = Port(self.up, down_reader, spin_ns=spin_ns)

    @staticmethod
    def pair(name: str, size: int) -> tuple[Segment, Segment]:
        fd = segment.create(name, size)
        reader = segment.read_only(fd)
        try:
            segment.allocate(fd, size)
            return Segment(fd, size, writable=True), Segment(reader, size, writable=False)
        finally:
            os.close(fd)
            os.close(reader)

    def close(self) -> None:
        self.game.close()
        self.worker.close()
        for one in self.segments:
            one.close()


@pytest.fixture
def channel():
    channel = Channel()
    yield channel
    channel.close()


def until(condition: Callable[[], bool]) -> None:
    """Yield the CPU until the condition holds; a test that hangs here fails by its deadline."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "the awaited condition never came"
        os.sched_yield()


def in_thread(function: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    results: list[object] = []

    def run() -> None:
        try:
            results.append(function())
        except Exception as error:  # noqa: BLE001 — handed to the test, whatever it is
            results.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, results


def result_of(thread: threading.Thread, results: list[object]) -> object:
    thread.join(30)
    assert results, "the waiter was not woken"
    return results[0]


def padded(data: bytes) -> int:
    return 8 + (len(data) + 7) // 8 * 8


class RingModel(RuleBasedStateMachine):
    """The ring does what a deque with a byte budget does, whatever the order of the calls."""

    ends = Bundle("ends")

    def __init__(self) -> None:
        super().__init__()
        self.channel = Channel(256)
        self.game, self.worker = self.channel.game, self.channel.worker
        self.staged: deque[bytes] = deque()
        self.published: deque[bytes] = deque()
        self.in_hand: list[bytes] = []
        self.history: list[tuple[int, bytes]] = []
        self.head = 0
        self.started = 0
        self.done = 0
        self.ended = False

    def teardown(self) -> None:
        self.channel.close()

    def room_for(self, data: bytes) -> bool:
        return self.head - self.done + padded(data) <= 256

    def add(self, data: bytes, put: Callable[[bytes], bool]) -> bool:
        if self.ended:
            with pytest.raises(ValueError, match="reopen"):
                put(data)
            return False
        fitted = put(data)
        assert fitted == self.room_for(data)
        if fitted:
            self.staged.append(data)
            self.history.append((self.head, data))
            self.head += padded(data)
        return fitted

    def publish_staged(self) -> None:
        self.published.extend(self.staged)
        self.staged.clear()

    @rule(data=st.binary(max_size=120))
    def push(self, data: bytes) -> None:
        self.add(data, self.game.push)
        if not self.ended:
            self.publish_staged()

    @rule(data=st.binary(max_size=120))
    def stage(self, data: bytes) -> None:
        self.add(data, self.game.stage)

    @rule(data=st.binary(max_size=120))
    def restage(self, data: bytes) -> None:
        for dropped in self.staged:
            self.head -= padded(dropped)
            self.history.pop()
        self.staged.clear()
        self.add(data, self.game.restage)

    @rule()
    def publish(self) -> None:
        self.game.publish()
        self.publish_staged()

    @rule()
    def take(self) -> None:
        message = self.worker.take()
        if not self.published:
            assert message is None
            return
        assert message == self.published.popleft()
        self.in_hand.append(message)
        self.started += padded(message)

    @rule()
    def finish(self) -> None:
        self.worker.finish()
        self.in_hand.clear()
        self.done = self.started

    @rule()
    def pop(self) -> None:
        message = self.worker.pop()
        if not self.published:
            assert message is None
            return
        assert message == self.published.popleft()
        self.in_hand.clear()
        self.started += padded(message)
        self.done = self.started

    @rule()
    def end(self) -> None:
        assert self.game.end() == self.head
        self.publish_staged()
        self.ended = True

    @precondition(lambda self: self.ended)
    @rule()
    def reopen(self) -> None:
        self.game.reopen()
        self.ended = False

    @rule(length=st.integers(0, 120))
    def look_for_room(self, length: int) -> None:
        expected = MESSAGE if self.room_for(bytes(length)) else TIMEOUT
        assert self.game.wait_room(length, 0) == expected
        self.publish_staged()

    @rule()
    def a_new_game_takes_over(self) -> None:
        """As after the game's death: what was staged and not published is gone, all else goes on."""
        self.game.close()
        self.game = self.channel.game = Port(self.channel.down, self.channel.readers[1], spin_ns=0)
        for data in self.staged:
            self.head -= padded(data)
            self.history.pop()
        self.staged.clear()

    @rule()
    def a_new_worker_takes_over(self) -> None:
        self.worker.close()
        self.worker = self.channel.worker = Port(self.channel.up, self.channel.readers[0], spin_ns=0)

    @rule()
    def what_is_in_the_ring_can_be_inherited(self) -> None:
        published_head = self.head - sum(map(padded, self.staged))
        expected = [data for at, data in self.history if self.started <= at < published_head]
        assert frames(self.channel.readers[0], self.started, published_head) == expected

    @invariant()
    def words_say_the_same(self) -> None:
        assert self.game.head == self.head
        assert self.worker.tail == self.game.peer_done == self.done
        assert self.game.peer_started == self.started
        if self.published:
            assert self.worker.wait(0) == MESSAGE
        elif self.ended:
            assert self.worker.wait(0) == ENDED
        else:
            assert self.worker.wait(0) == TIMEOUT


RingModel.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
test_the_ring_is_a_queue = RingModel.TestCase


def test_every_length_wraps_at_every_position(channel):
    for length in range(channel.game.limit + 1):
        data = os.urandom(length)
        assert channel.game.push(data)
        assert channel.worker.pop() == data
    assert channel.game.head == channel.worker.tail > 100 * 1024


def test_the_limit_is_half_a_ring_and_said_clearly(channel):
    assert channel.game.limit == 1024 // 2 - 8
    assert channel.game.push(bytes(channel.game.limit))
    assert channel.game.push(bytes(channel.game.limit))
    assert not channel.game.push(b"")
    for refuse in (channel.game.push, channel.game.stage, lambda data: channel.game.wait_room(len(data), 0)):
        with pytest.raises(ValueError, match="504"):
            refuse(bytes(505))
    for wrong in ("text", bytearray(b"x"), memoryview(b"x"), None, 1):
        with pytest.raises(TypeError):
            channel.game.push(wrong)
    with pytest.raises(ValueError, match="never fits"):
        channel.game.wait_room(-1, 0)


def test_nothing_staged_is_seen_before_publish(channel):
    assert channel.game.stage(b"one")
    assert channel.game.stage(b"two")
    assert channel.worker.wait(0) == TIMEOUT
    assert channel.worker.take() is None
    channel.game.publish()
    assert [channel.worker.pop(), channel.worker.pop(), channel.worker.pop()] == [b"one", b"two", None]


def test_started_and_done_name_the_message_in_hand(channel):
    channel.game.push(b"x" * 8)
    channel.game.push(b"y" * 8)
    assert channel.worker.take() == b"x" * 8
    assert (channel.game.peer_done, channel.game.peer_started) == (0, 16)
    channel.worker.finish()
    assert (channel.game.peer_done, channel.game.peer_started) == (16, 16)
    assert channel.worker.pop() == b"y" * 8
    assert (channel.up.load64(_ring.STARTED), channel.up.load64(_ring.TAIL)) == (32, 32)


def test_a_message_in_hand_at_death_is_not_read_again(channel):
    channel.game.push(b"fatal")
    channel.game.push(b"next")
    channel.worker.take()
    channel.worker.close()
    heir = Port(channel.up, channel.readers[0])
    assert heir.take() == b"next"
    assert heir.tail == 0
    heir.finish()
    assert heir.tail == channel.game.head
    heir.close()


def test_priority_of_news(channel):
    channel.game.watch(channel.board, 8, 7)
    channel.worker.watch(channel.board, 16, 7)
    channel.game.push(b"m")
    channel.game.end()
    channel.down.add32(_ring.COMMANDS)
    assert channel.worker.wait(0) == MESSAGE
    channel.worker.pop()
    assert channel.worker.wait(0) == COMMAND
    assert channel.worker.seen()
    assert not channel.worker.seen()
    assert channel.worker.wait(0) == ENDED
    channel.game.reopen()
    assert channel.worker.wait(0) == TIMEOUT
    channel.game.push(b"m")
    channel.board.store64(16, 7)
    assert channel.worker.wait(0) == DEAD
    assert channel.worker.wait_room(1, 0) == DEAD
    assert channel.worker.take() == b"m", "what a dead peer published can still be read"
    channel.board.store64(16, 8)
    assert channel.worker.wait(0) == TIMEOUT


def test_a_game_does_not_heed_orders_in_what_a_worker_writes(channel):
    channel.up.store32(_ring.COMMANDS, 99)
    channel.up.store64(_ring.END, 0)
    assert channel.game.wait(0) == TIMEOUT
    assert channel.game.wait(2 * MS) == TIMEOUT


def test_commands_announced_before_the_port_are_announced(channel):
    channel.down.add32(_ring.COMMANDS)
    late = Port(channel.up, channel.readers[0])
    assert late.wait(0) == COMMAND
    assert late.seen()
    assert late.wait(0) == TIMEOUT
    late.close()


@pytest.mark.parametrize("timeout", [0, -1, -(2**63), -(2**200)])
def test_a_wait_without_time_only_looks(channel, timeout):
    assert channel.worker.wait(timeout) == TIMEOUT
    channel.game.push(bytes(504))
    channel.game.push(bytes(504))
    assert channel.game.wait_room(8, timeout) == TIMEOUT
    assert channel.down.wait32(_ring.BELL, channel.down.load32(_ring.BELL), timeout) is False
    assert channel.down.load32(_ring.PARKED) == channel.up.load32(_ring.PARKED) == 0


@pytest.mark.parametrize("spin_ns", [0, 100_000])
def test_a_wait_ends_by_its_deadline_and_leaves_no_trace(spin_ns):
    channel = Channel(spin_ns=spin_ns)
    begin = time.monotonic_ns()
    assert channel.worker.wait(3 * MS) == TIMEOUT
    assert channel.worker.wait(3 * MS, False) == TIMEOUT
    assert time.monotonic_ns() - begin >= 6 * MS
    assert channel.up.load32(_ring.PARKED) == 0
    with pytest.raises(TypeError):
        channel.worker.wait(1.5)
    with pytest.raises(TypeError):
        channel.worker.wait()
    channel.close()


@pytest.mark.parametrize("timeout", [LONG, 2**62, 2**63 - 1, 2**63, 2**200])
@pytest.mark.parametrize("spin_ns", [0, 100_000])
def test_a_parked_waiter_is_woken_by_each_kind_of_news(timeout, spin_ns):
    channel = Channel(spin_ns=spin_ns)
    channel.worker.watch(channel.board, 0, 5)

    def dies() -> None:
        channel.board.store64(0, 5)
        channel.down.nudge()

    def commands() -> None:
        channel.down.add32(_ring.COMMANDS)
        channel.down.nudge()

    post = functools.partial(channel.game.push, b"m")
    for act, news in ((post, MESSAGE), (commands, COMMAND), (channel.game.end, ENDED), (dies, DEAD)):
        waiter = in_thread(lambda: channel.worker.wait(timeout))
        until(lambda: channel.readers[1].load32(_ring.PARKED) == 1)
        asleep, at = divmod(channel.readers[1].load32(_ring.CPU), 1 << 31)
        assert asleep, "nobody should poll a sleeper"
        assert at in os.sched_getaffinity(0), "it says where it sleeps: two on one CPU see each other only so"
        act()
        assert result_of(*waiter) == news
        assert channel.up.load32(_ring.CPU) < 1 << 31
        channel.worker.pop()
        channel.worker.seen()
        channel.game.reopen()
    channel.close()


@pytest.mark.parametrize("give_back", ["pop", "finish", "seen", "dead"])
def test_a_waiter_for_room_is_woken(channel, give_back):
    for _ in range(2):
        channel.worker.push(bytes(504))
    channel.worker.watch(channel.board, 0, 5)
    waiter = in_thread(lambda: channel.worker.wait_room(504, LONG))
    until(lambda: channel.up.load32(_ring.PARKED) == 2)
    if give_back == "pop":
        channel.game.pop()
        assert result_of(*waiter) == MESSAGE
        assert channel.worker.push(bytes(504))
    elif give_back == "finish":
        channel.game.take()
        assert channel.up.load32(_ring.PARKED) == 2, "what is in hand still takes its room"
        channel.game.finish()
        assert result_of(*waiter) == MESSAGE
    elif give_back == "seen":
        channel.down.add32(_ring.COMMANDS)
        channel.down.nudge()
        assert result_of(*waiter) == COMMAND
    else:
        channel.board.store64(0, 5)
        channel.down.nudge()
        assert result_of(*waiter) == DEAD


def test_a_port_belongs_to_one_thread(channel):
    waiter = in_thread(lambda: channel.worker.wait(LONG))
    until(lambda: channel.up.load32(_ring.PARKED) == 1)
    for use in (
        channel.worker.take,
        channel.worker.close,
        channel.worker.end,
        lambda: channel.worker.push(b""),
        lambda: channel.worker.wait(0),
        lambda: channel.worker.peer_done,
    ):
        with pytest.raises(RuntimeError, match="another thread"):
            use()
    channel.game.push(b"m")
    assert result_of(*waiter) == MESSAGE
    assert channel.worker.pop() == b"m"


class Interrupted(Exception):
    pass


@pytest.fixture
def alarm():
    """Deliver SIGALRM to this process every millisecond; yields a function that says what to do with it."""
    before = signal.getsignal(signal.SIGALRM)

    def on_alarm(act: Callable[[], None]) -> None:
        signal.signal(signal.SIGALRM, lambda number, frame: act())
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)

    yield on_alarm
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_wait_goes_on_after_signals_with_what_is_left_of_its_time(channel, alarm):
    calls: list[int] = []
    alarm(lambda: calls.append(1))
    begin = time.monotonic_ns()
    assert channel.worker.wait(50 * MS) == TIMEOUT
    assert channel.down.wait32(_ring.BELL, 0, 50 * MS) is False
    assert time.monotonic_ns() - begin >= 100 * MS
    assert calls


def test_a_signal_handler_may_raise_out_of_a_wait(channel, alarm):
    def interrupt() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise Interrupted

    for wait in (lambda: channel.worker.wait(LONG), lambda: channel.down.wait32(_ring.BELL, 0, LONG)):
        alarm(interrupt)
        with pytest.raises(Interrupted):
            wait()
    assert channel.worker.wait(0) == TIMEOUT, "the port is usable afterwards"


def test_a_signal_handler_may_use_and_close_the_port(channel, alarm):
    def send_and_close() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        channel.worker.push(b"last words")
        channel.worker.close()

    alarm(send_and_close)
    with pytest.raises(ValueError, match="closed"):
        channel.worker.wait(LONG)
    assert channel.game.pop() == b"last words"


def test_a_segment_in_use_cannot_be_unmapped(channel):
    with pytest.raises(BufferError):
        channel.down.close()
    channel.game.watch(channel.board, 0, 1)
    with pytest.raises(BufferError):
        channel.board.close()
    channel.game.watch(channel.board, 8, 1)
    channel.game.close()
    channel.game.close()
    channel.board.close()
    channel.down.close()
    for use in (channel.game.pop, channel.game.finish, lambda: channel.game.wait(0), lambda: channel.game.push(b"")):
        with pytest.raises(ValueError, match="closed"):
            use()
    with pytest.raises(ValueError, match="closed"):
        Port(channel.down, channel.readers[1])


def test_a_segment_that_is_waited_in_cannot_be_unmapped(channel, alarm):
    channel.worker.close()

    def close() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        channel.readers[0].close()

    alarm(close)
    with pytest.raises(BufferError):
        channel.readers[0].wait32(_ring.BELL, 0, LONG)
    channel.readers[0].close()


def test_what_cannot_be_a_channel_is_refused():
    size = segment.ring_segment_size(1024)
    down, down_reader = Channel.pair("down", size)
    up, up_reader = Channel.pair("up", size)
    with pytest.raises(ValueError, match="version"):
        Port(down, up_reader)
    format_segment(down)
    with pytest.raises(CorruptRing, match="MAGIC"):
        Port(down, up_reader)
    format_segment(up)
    with pytest.raises(ValueError, match="read-only"):
        Port(down_reader, up_reader)
    with pytest.raises(ValueError, match="same"):
        Port(down, down)
    with pytest.raises(ValueError, match="negative"):
        Port(down, up_reader, spin_ns=-1)
    for wrong in ((down, None), (b"", up_reader)):
        with pytest.raises(TypeError):
            Port(*wrong)
    for bad_size in (_ring.RING, _ring.RING + 32, _ring.RING + 96, 4096):
        odd, _ = Channel.pair("odd", bad_size)
        if bad_size < _ring.RING:
            with pytest.raises(ValueError, match="no control words"):
                format_segment(odd)
        else:
            format_segment(odd)
        with pytest.raises(ValueError, match=r"no control words|no power of two"):
            Port(odd, up_reader)
    with pytest.raises(ValueError, match="read-only"):
        format_segment(down_reader)
    with pytest.raises(TypeError):
        format_segment(b"")
    down.store64(_ring.HEAD, 4)
    with pytest.raises(CorruptRing):
        Port(down, up_reader)
    with pytest.raises(TypeError):
        type("Sub", (Port,), {})


def test_formatting_makes_a_used_segment_new(channel):
    channel.game.push(b"m")
    channel.game.end()
    channel.down.store32(_ring.COMMANDS, 3)
    channel.down.write(_ring.CARD, b"\x05\0\0\0hello")
    format_segment(channel.down)
    places = ("CHECK", "OPEN_END", "CARD", "LETTER", "RING")
    words = [name for name in vars(_ring) if name.isupper() and name not in places]
    expected = {"MAGIC": int.from_bytes(b"FUMEHD\x00\x01", "little"), "END": OPEN_END, "CPU": 0xFFFFFFFF}
    offsets = {name: getattr(_ring, name) for name in words if getattr(_ring, name) >= 64 or name == "MAGIC"}
    assert len(offsets) == 15
    assert len({offset // 64 for offset in offsets.values()}) == 13, "one word to a cache line, but for HEAD's"
    assert {offsets[name] // 64 for name in ("HEAD", "ASKED", "ANSWERED")} == {offsets["HEAD"] // 64}
    for name, offset in offsets.items():
        load = channel.down.load32 if name in ("BELL", "PARKED", "CPU", "COMMANDS", "LIVE") else channel.down.load64
        assert load(offset) == expected.get(name, 0), name
    assert channel.down.load32(_ring.CARD) == 0


def test_frames_refuses_what_is_no_range(channel):
    for text in (b"one", b"two", b"three"):
        channel.game.push(text)
    head = channel.game.head
    assert frames(channel.down, 0, head) == [b"one", b"two", b"three"]
    assert frames(channel.down, 16, 32) == [b"two"]
    assert frames(channel.down, head, head) == []
    for start, stop in ((8, 0), (0, 1032), (1, 16), (0, 15), (0, 2**64)):
        with pytest.raises((ValueError, OverflowError)):
            frames(channel.down, start, stop)
    for start, stop in ((8, head), (0, head - 8), (0, head + 8), (2**64 - 16, 2**64 - 8), (1024, 1024 + head)):
        with pytest.raises(CorruptRing):
            frames(channel.down, start, stop)
    with pytest.raises(ValueError, match="version"):
        frames(segment_without_magic(), 0, 0)


def segment_without_magic() -> Segment:
    return Channel.pair("blank", segment.ring_segment_size(1024))[0]


def test_this_cpu_is_one_we_may_run_on():
    before = os.sched_getaffinity(0)
    try:
        for cpu in before:
            os.sched_setaffinity(0, {cpu})
            assert _ring.this_cpu() == cpu
    finally:
        os.sched_setaffinity(0, before)


def mappings() -> int:
    return Path("/proc/self/maps").read_text().count("fumehood:")


def test_nothing_leaks():
    """Neither mappings nor memory, on good paths and on every error path; peak memory grows by what noise explains."""

    def everything() -> None:
        channel = Channel(spin_ns=1000)
        channel.game.watch(channel.board, 0, 1)
        for _ in range(20):
            channel.game.push(b"x" * 100)
            channel.worker.take()
            channel.worker.finish()
            channel.worker.wait(1)
            frames(channel.down, channel.game.head - 112, channel.game.head)
            for wrong in (
                lambda: channel.game.push("x"),
                lambda: channel.game.push(bytes(2000)),
                lambda: channel.down.load64(1),
                lambda: channel.down.store64(0, -1),
                lambda: frames(channel.down, 8, channel.game.head),
                lambda: Port(channel.down, channel.down),
                lambda: Segment(0, 1, writable=True),
                channel.down.close,
            ):
                with pytest.raises((TypeError, ValueError, OverflowError, BufferError, CorruptRing, OSError)):
                    wrong()
        channel.up.store64(_ring.HEAD, 3)
        with pytest.raises(CorruptRing):
            channel.game.pop()
        if channel.game.head % 3:
            channel.close()

    for _ in range(30):
        everything()
    maps, peak = mappings(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(200):
        everything()
    assert mappings() == maps
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 4096, "KiB"


def test_words_of_many_segments_without_those_that_are_zero(channel):
    segments = []
    for number in (5, 0, 2**64 - 1, 7):
        fd = segment.create("words", 4096)
        segments.append(Segment(fd, 4096, writable=True))
        os.close(fd)
        segments[-1].store64(64, number)
    assert _ring.words(segments, 64) == [5, 2**64 - 1, 7]
    assert _ring.words(segments, 0) == _ring.words([], 64) == []
    for wrong in (4096, 4, -8):
        with pytest.raises((ValueError, OverflowError)):
            _ring.words(segments, wrong)
    for odd in ([segments[0], None], tuple(segments)):
        with pytest.raises(TypeError):
            _ring.words(odd, 64)
    segments[1].close()
    with pytest.raises(ValueError, match="closed"):
        _ring.words(segments, 64)
