"""Replies are hostile input: any bytes give a reply, a failed request of that very number, or one ProtocolError."""

import msgspec
import pytest
from fumehood.runner import replies
from fumehood.shared.errors import ProtocolError
from fumehood.shared.messages import Emitted, Failed, Intent, Value, pack
from hypothesis import given
from hypothesis import strategies as st

KEYED_BY_A_MAP = b"\x81\x81\x01\x02\x03"  # {{1: 2}: 3}: msgpack carries it, Python does not


@given(st.binary(max_size=200))
def test_reading_is_total(data):
    try:
        reply, cost = replies.read(data)
    except ProtocolError:
        return
    assert cost > 0
    assert reply is None or isinstance(reply, Value | Failed | Emitted | Intent)


@pytest.mark.parametrize(
    "reply", [Value(7, [1, "x"]), Failed(7, "k", "m", "t"), Emitted(7, [1], []), Intent("rain", {})]
)
def test_what_a_worker_packs_arrives(reply):
    assert replies.read(pack(reply))[0] == reply


def test_a_value_python_cannot_hold_fails_its_own_request():
    raw = b"\x93\x01\x07" + KEYED_BY_A_MAP
    reply, _ = replies.read(raw)
    assert isinstance(reply, Failed)
    assert reply.id == 7
    assert reply.kind == "PayloadError"


def test_an_intent_python_cannot_hold_is_nothing():
    assert replies.read(b"\x93\x04" + pack("rain") + KEYED_BY_A_MAP)[0] is None


TOO_DEAR = {
    "empty lists": [[]] * 60_000,
    "lists as keys": {(n, n): n for n in range(4000)},
    "one list as a key": {(): 1},
    "nested": [[[[[[[[[[]]]]]]]]]] * 6000,
}


@pytest.mark.parametrize("value", TOO_DEAR.values(), ids=TOO_DEAR)
def test_what_would_take_long_to_decode_fails_its_own_request(value):
    reply, _ = replies.read(pack((1, 7, value)))
    assert isinstance(reply, Failed)
    assert (reply.id, reply.kind) == (7, "PayloadError")
    assert replies.read(pack((4, "rain", {"x": value})))[0] is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x90",
        b"\xc1",
        b"\x93\x09\x07\x01",
        b"\x93\xa1x\x07\x01",
        b"\x91" * 5000,
        msgspec.msgpack.encode({"a": 1}),
    ],
)
def test_what_is_no_reply_is_named(raw):
    with pytest.raises(ProtocolError):
        replies.read(raw)
