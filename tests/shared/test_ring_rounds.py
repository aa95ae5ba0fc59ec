"""exchange() and serve(): whole rounds of a caller and a server in one call, against the single steps behind them."""

import os
import threading
import time

import msgspec
import pytest
from fumehood.shared import _ring, segment
from fumehood.shared._ring import COMMAND, COMMANDS, DEAD, ENDED, TIMEOUT, CorruptRing, Port, Segment, format_segment
from fumehood.shared.messages import CALL_HEAD, VALUE_HEAD, Call, Emit, Post, Value, pack, unpacker
from hypothesis import given
from hypothesis import strategies as st

NOTHING_PLAIN = CALL_HEAD, VALUE_HEAD, {}, msgspec.msgpack.decode, pack, (), (), ()
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
        message = channel.worker.serve(None, LONG, NOTHING_PLAIN)
        while message != b"end":
            message = channel.worker.serve(message[::-1], LONG, NOTHING_PLAIN)
        channel.worker.serve(b"bye", 0, NOTHING_PLAIN)

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


def test_serve_finishes_the_message_before_it_waits(channel):
    channel.game.push(b"one")
    assert channel.worker.serve(None, 0, NOTHING_PLAIN) == b"one"
    assert channel.game.peer_done < channel.game.peer_started
    assert channel.worker.serve(None, 0, NOTHING_PLAIN) == TIMEOUT
    assert channel.game.peer_done == channel.game.peer_started == channel.game.head


def test_serve_without_room_for_the_answer_finishes_all_the_same(channel):
    while channel.worker.push(b"x" * 200):
        pass
    channel.game.push(b"one")
    channel.game.push(b"two")
    assert channel.worker.serve(None, 0, NOTHING_PLAIN) == b"one"
    assert channel.worker.serve(b"x" * 200, LONG, NOTHING_PLAIN) is None
    assert channel.game.peer_done == channel.game.peer_started
    assert channel.worker.serve(None, 0, NOTHING_PLAIN) == b"two"


def test_commands_come_before_messages_and_the_end_comes_after(channel):
    channel.game.push(b"one")
    channel.game.end()
    channel.down.add32(COMMANDS)
    assert channel.worker.serve(None, LONG, NOTHING_PLAIN) == COMMAND
    assert channel.worker.seen()
    assert channel.worker.serve(None, LONG, NOTHING_PLAIN) == b"one"
    assert channel.worker.serve(None, LONG, NOTHING_PLAIN) == ENDED


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
        channel.worker.serve(None, LONG, NOTHING_PLAIN)


@pytest.mark.parametrize(
    "arguments", [(), (b"x",), ("x", 1), (b"x", "1"), (b"x", 1, 2), (b"x", 1, 2, "3"), (b"x", 1, 2, b"3"), (b"x",) * 5]
)
def test_wrong_arguments_are_type_errors(channel, arguments):
    with pytest.raises(TypeError):
        channel.game.exchange(*arguments)
    with pytest.raises(TypeError):
        channel.worker.serve(*arguments)


@pytest.mark.parametrize("number", [0, 127, 128, 2**16 - 1, 2**16, 2**32, 2**64 - 1])
def test_the_answer_to_just_this_call_comes_as_its_packed_value(channel, number):
    channel.game.watch(channel.board, 64, 7)
    call = pack(Call(number, "event", [1]))
    channel.worker.push(pack(Value(number, [1, "x"])))
    assert channel.game.exchange(call, LONG, 0, VALUE_HEAD) == pack([1, "x"])
    assert channel.game.exchange(call, 0, 0, VALUE_HEAD) == TIMEOUT
    assert channel.worker.peer_done == channel.worker.head


@pytest.mark.parametrize(
    "other",
    [
        b"",
        b"x",
        VALUE_HEAD,
        pack(Value(8, None)),
        pack(Value(7, None))[:-1],
        b"\x93\x02\x07\xc0",
        b"\x93\x01\xcc\x07\xc0",
    ],
    ids=["empty", "short", "a head", "of another call", "cut off", "another tag", "the number written otherwise"],
)
def test_any_other_message_comes_whole_in_a_tuple(channel, other):
    channel.game.watch(channel.board, 64, 7)
    channel.worker.push(other)
    assert channel.game.exchange(pack(Call(7, "event", [])), LONG, 0, VALUE_HEAD) == (other,)
    assert channel.worker.peer_done == channel.worker.head


def test_a_changed_board_is_told_by_a_tuple(channel):
    channel.game.watch(channel.board, 64, 7)
    call, value = pack(Call(7, "event", [])), pack(Value(7, 1))
    channel.board.add32(0)
    channel.worker.push(value)
    assert channel.game.exchange(call, LONG, 0, VALUE_HEAD) == (value,)
    channel.worker.push(value)
    assert channel.game.exchange(call, LONG, 1, VALUE_HEAD) == pack(1)


def test_a_request_without_a_number_has_no_answer_of_its_own(channel):
    channel.game.watch(channel.board, 64, 7)
    for request in (b"", CALL_HEAD, CALL_HEAD + b"\xcf\x00", CALL_HEAD + b"\xa0"):
        channel.worker.push(pack(Value(0, 1)))
        assert channel.game.exchange(request, LONG, 0, VALUE_HEAD) == (pack(Value(0, 1)),)


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
        channel.game.exchange(b"x", 0, generation, VALUE_HEAD)


class Failure(Exception):
    """What a handler raises."""


decode_list = msgspec.msgpack.Decoder(list).decode


def plain(table, decode=decode_list, packing=pack, watched=((), (), ())):
    return CALL_HEAD, VALUE_HEAD, table, decode, packing, *watched


def answers(channel):
    taken = []
    while (message := channel.game.pop()) is not None:
        taken.append(unpacker(Value, "the worker")(message))
    return taken


def test_plain_calls_are_answered_within(channel):
    seen = []

    def note(*args):
        seen.append((args, channel.game.peer_started > channel.game.peer_done))
        return list(args)

    for number, args in enumerate([[], [1], ["x", {"y": [None, 2.5]}], [b"z" * 100]]):
        channel.game.push(pack(Call(number << 40, "note", args)))
    assert channel.worker.serve(None, 0, plain({"note": note})) == TIMEOUT
    assert [args for args, _ in seen] == [(), (1,), ("x", {"y": [None, 2.5]}), (b"z" * 100,)]
    assert all(begun for _, begun in seen), "STARTED is stored before the handler runs, TAIL after it"
    assert channel.game.peer_done == channel.game.head
    assert [(each.id, each.value) for each in answers(channel)] == [(n << 40, list(a)) for n, (a, _) in enumerate(seen)]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"x",
        CALL_HEAD,
        pack(Post("note", [])),
        pack(Emit(1, "note", [])),
        pack(Call(1, "other", [])),
        pack(Call(1, "x" * 300, [])),
        pack(Call(1, "note", []))[:-1],
        pack(Call(1, "note", [])) + b"\xc0",
        CALL_HEAD + b"\x01\xa4note\x07",
        CALL_HEAD + b"\x01\xa4n\xffte\x90",
        CALL_HEAD + b"\xff\xa4note\x90",
    ],
    ids=lambda message: message.hex()[:24],
)
def test_what_is_no_plain_call_is_handed_out(channel, message):
    channel.game.push(message)
    assert channel.worker.serve(None, 0, plain({"note": pytest.fail})) == message
    assert channel.game.peer_done < channel.game.peer_started, "it counts as begun"


@given(st.binary(max_size=60))
def test_no_bytes_confuse_it(tail):
    channel = Channel()
    try:
        message = CALL_HEAD + tail
        channel.game.push(message)
        assert channel.worker.serve(None, 0, plain({"": lambda *_: None, "a": lambda *_: None})) in (message, TIMEOUT)
    finally:
        channel.close()


def raising(error):
    def handler(*_):
        raise error

    return handler


@pytest.mark.parametrize("error", [Failure("no"), SystemExit(3), KeyboardInterrupt(), TypeError("no")])
def test_a_handler_that_raises_is_told_with_its_message(channel, error):
    message = pack(Call(1, "fails", []))
    channel.game.push(message)
    handler = raising(error)
    told, called, raised = channel.worker.serve(None, 0, plain({"fails": handler}))
    assert (told, called) == (message, handler)
    assert raised is error
    assert raised.__traceback__.tb_frame.f_code.co_name == "handler"
    assert answers(channel) == []


def test_arguments_that_do_not_fit_are_an_error_without_a_traceback(channel):
    channel.game.push(pack(Call(1, "none", [1])))
    _, _, raised = channel.worker.serve(None, 0, plain({"none": lambda: None}))
    assert type(raised) is TypeError
    assert raised.__traceback__ is None


def test_a_value_that_cannot_be_packed_is_told_with_it(channel):
    value = object()
    message = pack(Call(1, "odd", []))
    channel.game.push(message)
    told, _, raised, given_value = channel.worker.serve(None, 0, plain({"odd": lambda: value}))
    assert (told, type(raised)) == (message, TypeError)
    assert given_value is value
    channel.game.push(message)
    assert channel.worker.serve(None, 0, plain({"odd": lambda: 1}, packing=str))[3] == 1


def test_an_answer_that_is_too_long_is_told_with_its_length(channel):
    message = pack(Call(1, "long", []))
    channel.game.push(message)
    told, _, _, length = channel.worker.serve(None, 0, plain({"long": lambda: "x" * channel.game.limit}))
    assert (told, length > channel.game.limit) == (message, True)
    channel.game.push(message)
    fits = channel.game.limit - len(pack(Value(1, ""))) - 2
    assert channel.worker.serve(None, 0, plain({"long": lambda: "x" * fits})) == TIMEOUT
    assert len(answers(channel)[0].value) == fits


def test_an_answer_for_which_there_is_no_room_comes_back_whole(channel):
    while channel.worker.push(b"x" * 200):
        pass
    channel.game.push(pack(Call(1, "long", [])))
    assert channel.worker.serve(None, 0, plain({"long": lambda: "x" * 200})) == (None, pack(Value(1, "x" * 200)))
    assert channel.game.peer_done == channel.game.head, "it is done all the same"


def test_memory_that_is_used_up_ends_it(channel):
    channel.game.push(pack(Call(1, "fails", [])))
    with pytest.raises(MemoryError):
        channel.worker.serve(None, 0, plain({"fails": raising(MemoryError())}))
    channel.game.push(pack(Call(1, "fails", [])))
    with pytest.raises(MemoryError):
        channel.worker.serve(None, 0, plain({"fails": list}, decode=raising(MemoryError())))


def test_it_comes_back_between_two_messages_once_there_is_something_to_do(channel):
    pending = []
    for number in range(3):
        channel.game.push(pack(Call(number, "note", [number])))
    for number in range(3):
        watched = [(), (), ()]
        watched[number] = pending
        assert channel.worker.serve(None, LONG, plain({"note": pending.append}, watched=watched)) == TIMEOUT
        assert pending == [number]
        pending.clear()
    assert len(answers(channel)) == 3


def test_a_handler_may_push_into_the_ring_and_may_close_it(channel):
    channel.game.push(pack(Call(1, "speak", [])))
    assert channel.worker.serve(None, 0, plain({"speak": lambda: channel.worker.push(b"an intent")})) == TIMEOUT
    assert channel.game.pop() == b"an intent"
    assert [each.value for each in answers(channel)] == [True]
    channel.game.push(pack(Call(1, "close", [])))
    with pytest.raises(ValueError, match="closed"):
        channel.worker.serve(None, 0, plain({"close": channel.worker.close}))


@pytest.mark.parametrize(
    "wrong",
    [None, (), plain({})[:-1], (b"x", *plain({})[1:]), (CALL_HEAD, b"xyz", *plain({})[2:]), plain([])],
    ids=["none", "empty", "short", "a head", "the other head", "no table"],
)
def test_what_is_plain_is_said_in_full(channel, wrong):
    channel.game.push(b"x")
    with pytest.raises((TypeError, ValueError)):
        channel.worker.serve(None, 0, wrong)
    assert channel.worker.take() == b"x"
