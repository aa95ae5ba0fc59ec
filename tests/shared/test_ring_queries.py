"""Queries: the worker asks in the middle of its work, and the game answers in the middle of any wait."""

import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from fumehood.shared import _ring, segment
from fumehood.shared._ring import ANSWERED, ASKED, DEAD, LETTER, MESSAGE, RING, TIMEOUT, Port, Segment, format_segment

MS = 1_000_000
LONG = 60_000 * MS
MOST = 1000


class Channel:
    def __init__(self, *, spin_ns: int = 100_000) -> None:
        size = segment.ring_segment_size(1024)
        self.mapped: list[Segment] = []
        for name in ("down", "up", "board"):
            fd = segment.create(name, size)
            segment.allocate(fd, size)
            self.mapped.append(Segment(fd, size, writable=True))
            os.close(fd)
        self.down, self.up, self.board = self.mapped
        format_segment(self.down)
        format_segment(self.up)
        self.game = Port(self.down, self.up, spin_ns=spin_ns, orders=False)
        self.worker = Port(self.up, self.down, spin_ns=spin_ns)

    def lay(self, query: bytes, number: int = 1) -> None:
        """A query of a worker that goes on waiting for its answer."""
        self.up.write(LETTER, query)
        self.up.store64(ASKED, number << 32 | len(query))

    def close(self) -> None:
        self.game.close()
        self.worker.close()
        for mapped in self.mapped:
            mapped.close()


@pytest.fixture(params=[0, 100_000], ids=["parked", "polled"])
def channel(request: pytest.FixtureRequest) -> Iterator[Channel]:
    it = Channel(spin_ns=request.param)
    yield it
    it.close()


@pytest.fixture
def at_work() -> Iterator[Callable[[Callable[[], object]], threading.Thread]]:
    """Runs the worker's end in a thread; its exception fails the test."""
    threads: list[threading.Thread] = []
    failed: list[BaseException] = []

    def start(work: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001  # whatever it is, it is the test's
                failed.append(error)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return threads[-1]

    yield start
    for thread in threads:
        thread.join(60)
    assert not failed


def double(query: bytes, _deadline: int) -> bytes:
    return query * 2


def test_a_query_is_answered_within_the_callers_wait(channel, at_work):
    channel.game.hear(double, MOST)
    answers = []

    def work():
        for number in range(1000):
            assert channel.worker.wait(LONG) == MESSAGE
            message = channel.worker.pop()
            answers.append(channel.worker.ask(b"%d " % number, LONG))
            channel.worker.push(message)

    at_work(work)
    for number in range(1000):
        assert channel.game.exchange(b"m%d" % number, LONG) == b"m%d" % number
    assert answers == [b"%d %d " % (number, number) for number in range(1000)]


def test_the_deadline_of_the_wait_is_told(channel, at_work):
    told = []

    def answer(query, deadline):
        told.append(deadline - time.monotonic_ns())
        return b""

    channel.game.hear(answer, MOST)
    at_work(lambda: (channel.worker.ask(b"", LONG), channel.worker.push(b"done")))
    assert channel.game.wait(LONG) == MESSAGE
    assert 0 < told[0] <= LONG


def test_nobody_waits_so_nobody_answers(channel):
    channel.game.hear(double, MOST)
    assert channel.worker.ask(b"early", 5 * MS) is None
    assert channel.game.answer(0) is False, "it was withdrawn"
    channel.lay(b"late", 2)
    assert channel.game.wait(0) == TIMEOUT, "wait(0) only looks"
    assert channel.game.answer(0) is True
    assert channel.game.answer(0) is False
    assert channel.down.read(LETTER, 8) == b"latelate"


def test_without_a_function_queries_lie_unheard(channel):
    channel.lay(b"q")
    assert channel.game.wait(5 * MS) == TIMEOUT
    channel.game.hear(double, MOST)
    assert channel.game.answer(0)
    channel.game.hear(None, 0)
    channel.lay(b"q", 2)
    assert channel.game.wait(5 * MS) == TIMEOUT


def test_so_many_are_heard_until_the_next_request(channel, at_work):
    heard = []
    channel.game.hear(lambda query, _: heard.append(query) or query, 3)
    answers = []
    done = threading.Event()

    def work():
        answers.extend(channel.worker.ask(b"%d" % number, 100 * MS) for number in range(4))
        assert channel.worker.wait(LONG) == MESSAGE
        assert channel.worker.pop() is not None
        answers.append(channel.worker.ask(b"again", LONG))
        done.set()

    at_work(work)
    assert channel.game.wait(400 * MS) == TIMEOUT
    assert heard == [b"0", b"1", b"2"]
    channel.game.push(b"the next request")
    while not done.is_set():
        channel.game.wait(10 * MS)
    assert answers[:4] == [b"0", b"1", b"2", None]
    assert answers[4] == b"again"


def test_a_query_that_a_game_before_us_left_is_answered(channel):
    channel.lay(b"q")
    channel.game.close()
    channel.game = Port(channel.down, channel.up, orders=False)
    channel.game.hear(double, MOST)
    assert channel.game.answer(0)
    assert not channel.game.answer(0)
    again = Port(channel.down, channel.up, orders=False)
    again.hear(double, MOST)
    assert not again.answer(0), "that one was answered"
    again.close()


def test_what_the_function_raises_leaves_the_wait_and_ends_the_query(channel, at_work):
    def answer(query, _deadline):
        raise KeyError(query)

    channel.game.hear(answer, MOST)
    got = []
    asking = at_work(lambda: got.append(channel.worker.ask(b"q", 200 * MS)))
    with pytest.raises(KeyError):
        channel.game.wait(LONG)
    channel.game.hear(double, MOST)
    assert channel.game.wait(10 * MS) == TIMEOUT, "it is not heard again"
    asking.join(60)
    assert got == [None]


@pytest.mark.parametrize(("answer", "error"), [(lambda *_: "text", TypeError), (lambda *_: bytes(RING), ValueError)])
def test_an_answer_is_bytes_that_fit(channel, answer, error):
    channel.game.hear(answer, MOST)
    channel.lay(b"q")
    with pytest.raises(error):
        channel.game.answer(0)


def test_the_longest_query_and_the_longest_answer(channel, at_work):
    longest = os.urandom(RING - LETTER)
    channel.game.hear(lambda query, _: query, MOST)
    got = []
    at_work(lambda: (got.append(channel.worker.ask(longest, LONG)), channel.worker.push(b"")))
    assert channel.game.wait(LONG) == MESSAGE
    assert got == [longest]
    with pytest.raises(ValueError, match="longer"):
        channel.worker.ask(longest + b"x", LONG)


def test_the_function_may_close_the_port(channel):
    channel.game.hear(lambda *_: channel.game.close() or b"", MOST)
    channel.lay(b"q")
    with pytest.raises(ValueError, match="closed"):
        channel.game.wait(10 * MS)


def test_the_function_may_call_another_and_that_one_may_ask(at_work):
    first, second = Channel(), Channel()
    order = []

    def of_first(query, _deadline):
        order.append(query)
        return second.game.exchange(b"from the first", LONG)

    first.game.hear(of_first, MOST)
    second.game.hear(double, MOST)

    def serve(channel, query):
        assert channel.worker.wait(LONG) == MESSAGE
        channel.worker.pop()
        channel.worker.push(channel.worker.ask(query, LONG))

    at_work(lambda: serve(first, b"a"))
    at_work(lambda: serve(second, b"b"))
    assert first.game.exchange(b"m", LONG) == b"bb"
    assert order == [b"a"]
    first.close()
    second.close()


@pytest.mark.parametrize("spin_ns", [0, 100_000])
@pytest.mark.parametrize("count", [2, 5, 200])
def test_a_wait_in_one_port_hears_the_queries_of_others(at_work, spin_ns, count):
    channels = [Channel(spin_ns=spin_ns) for _ in range(count)]
    ports = tuple(channel.game for channel in channels)
    heard = []
    for number, port in enumerate(ports):
        port.hear(lambda query, _, number=number: heard.append(number) or query, MOST)
        port.beside(ports)
    answers = []

    def work():
        for channel in (channels[-1], channels[1]):
            answers.append(channel.worker.ask(b"q", LONG))
        channels[0].worker.push(b"answer")

    at_work(work)
    assert channels[0].game.exchange(b"m", LONG) == b"answer"
    assert (answers, heard) == ([b"q", b"q"], [count - 1, 1])
    for channel in channels:
        channel.game.beside(())
        channel.close()


def test_one_that_was_closed_is_not_looked_at(channel):
    other = Channel()
    other.game.hear(double, MOST)
    other.lay(b"q")
    channel.game.beside((other.game,))
    other.close()
    assert channel.game.wait(5 * MS) == TIMEOUT
    channel.game.beside(())


@pytest.mark.parametrize("wrong", [[], (1,), (None,)])
def test_beside_takes_ports(channel, wrong):
    with pytest.raises(TypeError):
        channel.game.beside(wrong)


def test_a_death_ends_the_wait_whoever_asks(channel):
    channel.game.hear(double, MOST)
    channel.board.store64(64, 7)
    channel.game.watch(channel.board, 64, 7)
    channel.lay(b"q")
    assert channel.game.wait(LONG) == DEAD


# ── what a hostile worker may write ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("word", [1 << 32 | 2**31, 1 << 32 | RING, 1 << 32 | (RING - LETTER + 1), 2**64 - 2])
def test_a_length_that_cannot_be_is_an_empty_query(channel, word):
    heard = []
    channel.game.hear(lambda query, _: heard.append(query) or b"", MOST)
    channel.up.store64(ASKED, word)
    assert channel.game.answer(0)
    assert heard == [b""]
    assert channel.down.load64(ANSWERED) >> 32 == word >> 32


def test_asking_for_ever_does_not_move_a_deadline(channel):
    """A word that never stands still: what the wait costs is bounded by its time and by its number of queries."""
    stop = threading.Event()
    heard = []
    channel.game.hear(lambda query, _: heard.append(query) or b"", 50)

    def storm():
        number = 0
        while not stop.is_set():
            number += 1
            channel.up.store64(ASKED, (number & 0xFFFFFFFF) << 32 | 5)
            channel.up.nudge()

    thread = threading.Thread(target=storm)
    thread.start()
    try:
        for _ in range(5):
            channel.game.push(b"m")
            while channel.worker.pop() is not None:
                pass
            assert channel.game.wait(20 * MS) == TIMEOUT
    finally:
        stop.set()
        thread.join()
    assert len(heard) <= 5 * 50


def test_a_query_that_changes_while_it_is_copied_is_not_answered(channel):
    """The number is looked at again once the bytes are there."""
    heard = []

    def answer(query, _deadline):
        heard.append(query)
        return b""

    channel.game.hear(answer, MOST)
    stop = threading.Event()

    def flip():
        number = 0
        while not stop.is_set():
            number = (number + 1) & 0xFFFFFFFF
            text = b"%010d" % number
            channel.up.write(LETTER, text * 1600)
            channel.up.store64(ASKED, number << 32 | 16000)

    thread = threading.Thread(target=flip)
    thread.start()
    try:
        for _ in range(2000):
            channel.game.push(b"")
            channel.worker.pop()
            channel.game.answer(0)
    finally:
        stop.set()
        thread.join()
    assert heard
    assert all(len(query) in (0, 16000) for query in heard)


def test_a_query_in_hand_is_not_heard_again_by_the_wait_of_who_answers(at_work):
    """The function waits for another, and that wait hears the asker too."""
    asker, other = Channel(), Channel()
    ports = asker.game, other.game
    heard = []

    def answer(query, _deadline):
        heard.append(query)
        assert other.game.exchange(b"m", LONG) == b"M"
        return b"answer"

    asker.game.hear(answer, MOST)
    other.game.hear(double, MOST)
    for port in ports:
        port.beside(ports)
    got = []

    def ask():
        got.append(asker.worker.ask(b"q", LONG))
        asker.worker.push(b"done")

    def serve():
        assert other.worker.wait(LONG) == MESSAGE
        assert other.worker.pop() == b"m"
        assert other.worker.ask(b"n", LONG) == b"nn"
        other.worker.push(b"M")

    at_work(ask)
    at_work(serve)
    assert asker.game.wait(LONG) == MESSAGE
    assert (heard, got) == ([b"q"], [b"answer"])
    for port in ports:
        port.beside(())
    asker.close()
    other.close()


def test_a_wait_ends_when_its_answer_was_taken_in_the_middle_of_it(channel, at_work):
    """By a wait within the answering: who waits outside has to look at what it has."""
    other = Channel()
    taken = []
    channel.game.beside((other.game,))

    def work():
        assert other.worker.ask(b"q", LONG) == b"q"

    channel.worker.stage(b"the answer")
    other.game.hear(lambda query, _: (channel.worker.publish(), taken.append(channel.game.pop())) and query, MOST)
    asking = at_work(work)
    assert channel.game.wait(LONG) == TIMEOUT
    assert taken == [b"the answer"]
    asking.join(60)
    channel.game.beside(())
    other.close()


def test_an_older_answer_is_never_laid_over_a_newer_one(channel):
    """The first query is withdrawn while it is answered, and the next one is answered within that."""
    answers = []

    def answer(query, _deadline):
        if query == b"one":
            channel.lay(b"two", 2)
            assert channel.game.answer(0)
        answers.append(query)
        return query

    channel.game.hear(answer, MOST)
    channel.lay(b"one", 1)
    assert channel.game.answer(0)
    assert answers == [b"two", b"one"]
    assert channel.down.load64(ANSWERED) == 2 << 32 | 3
    assert channel.down.read(LETTER, 3) == b"two"


def test_each_message_that_the_peer_begins_may_ask_anew(channel):
    channel.game.hear(double, 2)
    for _ in range(3):
        channel.game.push(b"m")
    numbers = iter(range(1, 100))

    def heard():
        count = 0
        while channel.lay(b"q", next(numbers)) is None and channel.game.answer(0):
            count += 1
        return count

    assert heard() == 2
    for _ in range(3):
        channel.worker.pop()
        assert heard() == 2
    channel.up.store64(_ring.STARTED, 2**63)
    assert heard() == 0, "of messages nobody sent"


def test_the_words_stand_where_the_contract_says():
    assert (ASKED // 64, ANSWERED // 64) == (_ring.HEAD // 64, _ring.HEAD // 64)
    assert RING - LETTER == 16 * 1024
