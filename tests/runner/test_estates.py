"""What dead workers leave behind: counted without being opened."""

from types import SimpleNamespace

import pytest
from fumehood.runner.estates import Estates, event_of
from fumehood.shared.messages import Call, Post, pack
from hypothesis import given
from hypothesis import strategies as st

CAPACITY = 1 << 20


def seat(unbegun: list[bytes], in_hand: list[bytes], lost_effects: int | None = 0) -> SimpleNamespace:
    return SimpleNamespace(remaining=lambda: unbegun, in_hand=lambda: in_hand, lost_effects_now=lambda: lost_effects)


def nested(levels: int) -> bytes:
    """A post whose argument is nested deeper than can be decoded on any stack."""
    return b"\x93\x02\xa5event\x91" + b"\x91" * levels + b"\xc0"


@pytest.mark.parametrize("frame", [nested(100_000), pack(Post("event", []))[:2] + b"\xc1 no message"])
def test_a_frame_that_does_not_decode_keeps_nobody_from_inheriting(frame: bytes) -> None:
    freed: list[object] = []
    estates = Estates(freed.append, CAPACITY)
    left = seat([frame, pack(Call(1, "event", []))], [frame])
    estates.add(left)
    assert estates.share_out().frames == [frame, pack(Call(1, "event", []))]
    assert estates.lost_posts == 1, "the one in hand"
    estates.add(left)
    estates.drop()
    assert estates.lost_posts == 3
    assert freed == [left, left]
    assert not estates
    assert event_of([frame]) == ""


@given(st.lists(st.lists(st.tuples(st.booleans(), st.integers(0, 300)), max_size=20), max_size=4), st.integers(0, 2000))
def test_no_more_is_handed_on_than_a_ring_holds_and_what_is_dropped_is_counted(lives, capacity):
    """The oldest go, in whatever order lives left them; posts among them are lost."""
    left = [[pack(Post("e", ["x" * n]) if post else Call(1, "e", ["x" * n])) for post, n in life] for life in lives]
    whole = [frame for life in left for frame in life]
    estates = Estates(lambda seat: None, capacity)
    for life in left:
        estates.add(seat(life, []))
    frames, _, dropped = estates.share_out()
    assert frames == whole[dropped:]
    assert sum(map(len, frames)) <= capacity
    assert dropped == 0 or sum(map(len, whole[dropped - 1 :])) > capacity
    assert estates.lost_posts == sum(frame.startswith(b"\x93\x02") for frame in whole[:dropped])
    assert not estates


def test_lost_effects_are_counted_apart_and_unknown_stays_unknown():
    estates = Estates(lambda seat: None, CAPACITY)
    estates.add(seat([], [], 3))
    estates.add(seat([], [], 4))
    assert estates.share_out().lost_effects == 7
    estates.add(seat([], [], None))
    estates.add(seat([], [], 2))
    assert estates.share_out().lost_effects is None
    estates.add(seat([], [], 1))
    estates.drop()
    assert (estates.lost_effects, estates.lost_posts) == (10, 0)
