"""What a message would cost to decode: any bytes give a figure, and nothing honest is refused."""

import datetime

import msgspec
import pytest
from fumehood.shared._ring import weigh
from hypothesis import given
from hypothesis import strategies as st

pack = msgspec.msgpack.encode
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=40)
    | st.binary(max_size=40)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=8)
        | st.dictionaries(
            st.text(max_size=8) | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=8), inner, max_size=8
        )
    ),
    max_leaves=40,
)


@given(VALUES)
def test_a_value_of_plain_keys_has_a_price(value):
    assert weigh(pack(value)) > 0


@given(st.binary(max_size=300))
def test_any_bytes_have_one(data):
    assert weigh(data) >= -2


@given(VALUES, st.data())
def test_what_is_cut_short_costs_no_more_than_the_whole(value, data):
    packed = pack(value)
    assert weigh(packed[: data.draw(st.integers(0, len(packed)))]) <= weigh(packed)


@given(VALUES, st.binary(max_size=20))
def test_what_follows_the_message_does_not_count(value, more):
    assert weigh(pack(value) + more) == weigh(pack(value))


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "price"),
    [
        ({(1, 2): 3}, -1),
        ([{"a": [{(): 3}]}], -1),
        ({datetime.datetime.now(datetime.UTC): 1}, -1),
        (nested(513), -2),
    ],
)
def test_what_is_not_to_be_decoded(value, price):
    assert weigh(pack(value)) == price


def test_an_extension_is_no_key():
    assert weigh(b"\x81\xd4\x05x\x01") == -1
    assert weigh(b"\x81\x01\xd4\x05x") > 0


def test_a_list_may_hold_what_a_key_may_not_be():
    assert weigh(pack([(1, 2), datetime.datetime.now(datetime.UTC), msgspec.msgpack.Ext(5, b"x"), {"a": (1,)}])) > 0
    assert weigh(pack(nested(512))) > 0


@pytest.mark.parametrize(
    "width", [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff"]
)
def test_lengths_without_end_are_weighed_as_far_as_they_go(width):
    assert weigh(width) < 1000
    assert weigh(width + b"\x01" * 1000) < 100_000


def test_lists_are_dearer_than_text():
    assert weigh(pack([[]] * 1000)) > 20 * weigh(pack("x" * 1000))


def test_only_bytes_are_weighed():
    with pytest.raises(TypeError):
        weigh("text")
