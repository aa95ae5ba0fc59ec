"""Decoding is total: any bytes are one of our messages, or one ProtocolError. And what we pack comes back equal."""

import msgspec
import pytest
from fumehood.shared import messages
from fumehood.shared.errors import ProtocolError
from fumehood.shared.messages import (
    Assign,
    Bound,
    Call,
    Carried,
    Command,
    Diagnostic,
    Emit,
    Emitted,
    Failed,
    Fault,
    Intent,
    LogLine,
    Post,
    Reply,
    Report,
    Request,
    Start,
    Unfit,
    Value,
    ZygoteReport,
    pack,
    unpacker,
)
from fumehood.shared.policy import Limits
from hypothesis import given, settings
from hypothesis import strategies as st

CONVERSATIONS = {"request": Request, "reply": Reply, "command": Command, "report": Report, "zygote": ZygoteReport}
unpackers = {name: unpacker(kind, name) for name, kind in CONVERSATIONS.items()}

EXAMPLES = [
    ("request", Call(1 << 40 | 7, "price", ["iron", {"a": [None, 1.5]}])),
    ("request", Post("tick", [0.016])),
    ("request", Emit(2**64 - 1, "e", [])),
    ("reply", Value(1, {"x": b"y"})),
    ("reply", Failed(1, "KeyError", "'x'", "Traceback")),
    ("reply", Emitted(3, [1, None], [("A", "b", "c")])),
    ("reply", Intent("rain", {"strength": 0.7})),
    ("command", Assign("a/x", "mods.a.x", False, 3, "d", Limits(files=7), 4096, 10)),
    ("command", Start(5, Carried(1, 2, b"3"), 4, 5)),
    ("report", Bound([("tick", 5)], {"tick": [{"tile": [3, 4]}]}, 1, {"compile": 1.0}, True)),
    ("report", Unfit(Diagnostic("import", "E", "m", "f", 1, 2, 3, "s", "t"))),
    ("report", LogLine(20, "hello")),
    ("report", Fault("e", 3, Diagnostic("run", "E", "m"))),
    ("zygote", messages.ForkFailed(1, "no")),
]


def described(kind: object) -> list[str]:
    return [each.__name__ for each in getattr(kind, "__args__", ())]


@pytest.mark.parametrize(("conversation", "message"), EXAMPLES, ids=lambda value: getattr(type(value), "__name__", ""))
def test_what_is_packed_comes_back(conversation, message):
    assert unpackers[conversation](pack(message)) == message


@pytest.mark.parametrize(("conversation", "message"), EXAMPLES, ids=lambda value: getattr(type(value), "__name__", ""))
def test_a_message_cut_short_or_of_another_conversation_is_a_protocol_error(conversation, message):
    data = pack(message)
    for end in range(len(data)):
        with pytest.raises(ProtocolError):
            unpackers[conversation](data[:end])
    with pytest.raises(ProtocolError):
        unpackers[conversation](data + b"\x00")
    for other in ("command", "report", "zygote"):
        if conversation != other:
            with pytest.raises(ProtocolError):
                unpackers[other](data)


HOSTILE = [
    b"",
    b"\xc1",
    b"\x91" * 100_000,
    b"\x81\x01" * 50_000,
    b"\x94\x01\x01\xa1\xff\x90",  # an event that is not UTF-8
    b"\x94\x01\xff\xa1x\x90",  # a negative id where it is used is the reader's to check
    b"\xdd\xff\xff\xff\xff",  # four thousand million elements
    b"\xdb\xff\xff\xff\xffx",
    b"\xc6\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff\x01",
    b"\x93\x01\x05\xd7\xff" + b"\xff" * 8,  # a timestamp beyond time
    b"\x93\x01\x05\xc7\x0c\xff" + b"\xff" * 12,
    b"\x93\x01\x05\x81\x81\x01\x02\x03",  # a map as the key of a map
    b"\x93\x01\x05\x81\x91\x80\x03",
    b"\x93\x01\x05" + b"\x91" * 60_000,
    b"\x93\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01",
]


@pytest.mark.parametrize("data", HOSTILE, ids=lambda data: data[:8].hex())
@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_hostile_bytes_are_a_message_or_a_protocol_error(conversation, data):
    total(conversation, data)


def total(conversation: str, data: bytes) -> None:
    try:
        message = unpackers[conversation](data)
    except ProtocolError:
        return
    assert isinstance(message, msgspec.Struct)


@settings(deadline=None)
@given(st.sampled_from(sorted(CONVERSATIONS)), st.binary(max_size=300))
def test_any_bytes_are_a_message_or_a_protocol_error(conversation, data):
    total(conversation, data)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.sampled_from(sorted(CONVERSATIONS)), st.integers(0, 6), st.lists(anything, max_size=5))
def test_any_fields_behind_a_right_tag_are_a_message_or_a_protocol_error(conversation, tag, fields):
    total(conversation, pack([tag, *fields]))


@settings(deadline=None)
@given(
    st.sampled_from(sorted(CONVERSATIONS)),
    st.sampled_from([each for kind in CONVERSATIONS.values() for each in described(kind)]),
    st.dictionaries(
        st.sampled_from(["size", "mod", "serial", "events", "diagnostic", "level", "text", "steps"]), anything
    ),
)
def test_any_named_fields_behind_a_right_tag_are_a_message_or_a_protocol_error(conversation, tag, fields):
    total(conversation, pack({"type": tag, **fields}))


@settings(deadline=None)
@given(st.integers(0, len(EXAMPLES) - 1), st.data())
def test_a_message_with_bytes_changed_is_a_message_or_a_protocol_error(index, data):
    conversation, message = EXAMPLES[index]
    changed = bytearray(pack(message))
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    total(conversation, bytes(changed))


def test_the_hot_paths_tuples_are_the_very_messages():
    assert pack((messages.CALL_TAG, 7, "price", ("iron", 2))) == pack(Call(7, "price", ["iron", 2]))
    assert pack((messages.VALUE_TAG, 7, {"a": 1})) == pack(Value(7, {"a": 1}))
