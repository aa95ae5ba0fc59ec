"""Why a value cannot travel: the path is right, the search ends, and it never blames what `pack` takes."""

import dataclasses
import enum
import socket
from typing import Any

import msgspec
import numpy
import pytest
from fumehood.shared.errors import PayloadError
from fumehood.shared.messages import pack
from fumehood.shared.payload import explain, refused
from hypothesis import given, settings
from hypothesis import strategies as st


@dataclasses.dataclass
class Data:
    inner: Any


class Struct(msgspec.Struct):
    inner: Any


class Colour(enum.Enum):
    RED = object()


def cycle():
    value: list[Any] = [1]
    value.append({"again": value})
    return value


def deep():
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([{"when": object()}], "args[0]['when'] is an object, which msgpack does not carry"),
        ([1, (2, [print])], "args[1][1][0] is a builtin_function_or_method"),
        ([2**64], "args[0] is an integer of 65 bits, and msgpack carries 64"),
        ([-(2**63) - 1], "args[0] is an integer of 64 bits"),
        ([{"a": "\ud800"}], "args[0]['a'] is text with a lone surrogate at index 0"),
        ([{"\ud800": 1}], "args[0].key("),
        ([{(1, object()): 1}], "args[0].key(<tuple>)[1] is an object"),
        ([{1: 1j, 2.5: 1}], "args[0][1] is a complex"),
        ([Data(inner=[Struct(inner={3j})])], "args[0].inner[0].inner{…} is a complex"),
        ([numpy.zeros(2)], "args[0] is a numpy.ndarray, which msgpack does not carry; pass value.tolist()"),
        ([numpy.float64(1)], "args[0] is a numpy.float64"),
        ([type("Name", (str,), {})("x")], "; pass str(value)"),
        ([range(3)], "; pass list(value)"),
        ([iter([])], "; pass list(value)"),
        ([Data], "args[0] is a type"),
        ([{"x" * 100: object()}], "args[0]['" + "x" * 38 + "…]"),
        ([{2**200: object()}], "args[0].key(<int>) is an integer of 201 bits"),
        (cycle(), "args[1]['again'] contains itself"),
        (deep(), "args is nested too deeply"),
        ([0] * 300_000 + [object()], "args cannot travel"),
        ([Colour.RED], "args[0] is a"),
    ],
    ids=lambda value: None,
)
def test_the_reason_names_the_path(value, text):
    found = explain(value, "args")
    assert text in found
    assert len(found) < 500
    error = refused(value, "args")
    assert isinstance(error, PayloadError)
    assert isinstance(error, TypeError)
    assert str(error) == found


def test_a_deep_path_is_cut_in_the_middle():
    value: Any = object()
    for _ in range(200):
        value = [value]
    assert "…" in explain(value, "args")
    assert len(explain(value, "args")) < 400


def test_a_socket_is_named_by_its_full_type():
    with socket.socket() as sock:
        assert explain({"s": sock}, "fields") == "fields['s'] is a socket.socket, which msgpack does not carry"


packable = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.integers(-(2**63), 2**64 - 1), inner) | st.tuples(inner, inner)
    ),
    max_leaves=30,
)


@settings(deadline=None)
@given(packable)
def test_what_can_travel_is_never_blamed(value):
    pack(value)
    assert explain(value, "args") == ""


odd = st.sampled_from([object(), 2**64, "\udfff", 1j, print, range(2)])


@settings(deadline=None)
@given(
    st.recursive(st.integers() | odd, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
)
def test_what_cannot_travel_is_always_blamed(value):
    try:
        pack(value)
    except (TypeError, OverflowError, ValueError):
        assert explain(value, "x").startswith("x")
    else:
        assert explain(value, "x") == ""
