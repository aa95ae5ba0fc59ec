"""exchange() and turn(): a caller's and a server's whole round in one call, against the single steps they stand for."""

import os
import threading
import time

import pytest
from fumehood.shared import _ring, segment
from fumehood.shared._ring import COMMAND, COMMANDS, DEAD, ENDED, TIMEOUT, CorruptRing, Port, Segment, format_segment

MS = 1_000_000
LONG = 60_000 * MS


class Channel:
    def __init__(self):
        size = segment.ring_segment_size(1024)
        fds = [segment.create(name, size) for name in ("down", "up", "board")]
        for fd in fds:
            segment.allocate(fd, size)
        self.down, self.up, self.board = (Segment(fd, size, writable=True) for fd in fds)
        for fd in fds:
            os.close(fd)
        format_segment(self.down)
        format_segment(self.up)
        self.game = Port(self.down, self.up, orders=False)
        self.worker = Port(self.up, self.down)

    def close(self):
        self.game.close()
        self.worker.close()
        for mapped in (self.down, self.up, self.board):
            mapped.close()


@pytest.fixture
def channel():
    channel = Channel()
    yield channel
    channel.close()


def test_a_round_carries_the_message_there_and_the_answer_back(channel):
    def serve():
        message = channel.worker.turn(None, LONG)
        while message != b"end":
            message = channel.worker.turn(message[::-1], LONG)
        channel.worker.turn(b"bye", 0)

    server = threading.Thread(target=serve)
    server.start()
    for number in range(2000):
        text = f"message {number}".encode()
        assert channel.game.exchange(text, LONG) == text[::-1]
    assert channel.game.exchange(b"end", LONG) == b"bye"
    server.join()
    assert channel.game.peer_done == channel.game.peer_started == channel.game.head


def test_exchange_remembers_when_and_where_it_began(channel):
    channel.game.push(b"before")
    head, before = channel.game.head, time.monotonic_ns()
    assert channel.game.exchange(b"x", 1 * MS) == TIMEOUT
    assert before <= channel.game.asked_at <= time.monotonic_ns()
    assert channel.game.asked_from == head


def test_a_message_that_is_there_already_comes_first(channel):
    channel.worker.push(b"an intent")
    assert channel.game.exchange(b"x", LONG) == b"an intent"
    assert channel.worker.take() == b"x"


def test_a_full_ring_is_none_and_nothing_is_sent(channel):
    while channel.game.push(b"x" * 200):
        pass
    head = channel.game.head
    assert channel.game.exchange(b"x" * 200, LONG) is None
    assert channel.game.head == head


def test_a_message_over_the_limit_is_refused(channel):
    with pytest.raises(ValueError, match="longer than"):
        channel.game.exchange(b"x" * (channel.game.limit + 1), LONG)
    assert channel.worker.take() is None


def test_turn_finishes_the_message_before_it_waits(channel):
    channel.game.push(b"one")
    assert channel.worker.turn(None, 0) == b"one"
    assert channel.game.peer_done < channel.game.peer_started
    assert channel.worker.turn(None, 0) == TIMEOUT
    assert channel.game.peer_done == channel.game.peer_started == channel.game.head


def test_turn_without_room_for_the_answer_finishes_all_the_same(channel):
    while channel.worker.push(b"x" * 200):
        pass
    channel.game.push(b"one")
    channel.game.push(b"two")
    assert channel.worker.turn(None, 0) == b"one"
    assert channel.worker.turn(b"x" * 200, LONG) is None
    assert channel.game.peer_done == channel.game.peer_started
    assert channel.worker.turn(None, 0) == b"two"


def test_commands_come_before_messages_and_the_end_comes_after(channel):
    channel.game.push(b"one")
    channel.game.end()
    channel.down.add32(COMMANDS)
    assert channel.worker.turn(None, LONG) == COMMAND
    assert channel.worker.seen()
    assert channel.worker.turn(None, LONG) == b"one"
    assert channel.worker.turn(None, LONG) == ENDED


def test_a_death_ends_an_exchange_that_waits(channel):
    channel.game.watch(channel.board, 64, 7)

    def kill():
        while channel.worker.take() is None:
            pass
        channel.board.store64(64, 7)
        channel.up.nudge()

    killer = threading.Thread(target=kill)
    killer.start()
    assert channel.game.exchange(b"x", LONG) == DEAD
    killer.join()


def test_a_lying_peer_is_named(channel):
    channel.up.store64(_ring.HEAD, 1 << 40)
    with pytest.raises(CorruptRing, match="HEAD"):
        channel.game.exchange(b"x", LONG)
    channel.down.store64(_ring.HEAD, 1 << 40)
    with pytest.raises(CorruptRing, match="HEAD"):
        channel.worker.turn(None, LONG)


@pytest.mark.parametrize("arguments", [(), (b"x",), ("x", 1), (b"x", "1"), (b"x", 1, 2, 3)])
def test_wrong_arguments_are_type_errors(channel, arguments):
    with pytest.raises(TypeError):
        channel.game.exchange(*arguments)
    with pytest.raises(TypeError):
        channel.worker.turn(*arguments)


def test_a_changed_board_puts_the_answer_in_a_tuple(channel):
    channel.game.watch(channel.board, 64, 7)
    channel.worker.push(b"quiet")
    assert channel.game.exchange(b"x", LONG, 0) == b"quiet"
    channel.board.add32(0)
    channel.worker.push(b"moved")
    assert channel.game.exchange(b"x", LONG, 0) == (b"moved",)
    channel.worker.push(b"seen")
    assert channel.game.exchange(b"x", LONG, 1) == b"seen"
    assert channel.game.exchange(b"x", 0, 0) == TIMEOUT


def test_exchange_is_for_the_thread_that_made_the_port(channel):
    refused = []

    def other():
        with pytest.raises(RuntimeError, match="thread that made"):
            channel.game.exchange(b"x", LONG)
        refused.append(True)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert refused == [True]
    assert channel.worker.take() is None
    channel.game.disown()
    with pytest.raises(RuntimeError, match="thread that made"):
        channel.game.exchange(b"x", LONG)


@pytest.mark.parametrize("generation", [-1, 1 << 32, "1"])
def test_a_generation_is_a_u32(channel, generation):
    with pytest.raises((TypeError, ValueError, OverflowError)):
        channel.game.exchange(b"x", 0, generation)
