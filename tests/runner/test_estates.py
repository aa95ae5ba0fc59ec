"""What dead workers leave behind: counted without being opened."""

from types import SimpleNamespace

import pytest
from fumehood.runner.estates import Estates, event_of
from fumehood.shared.messages import Call, Post, pack


def seat(unbegun: list[bytes], in_hand: list[bytes]) -> SimpleNamespace:
    return SimpleNamespace(remaining=lambda: unbegun, in_hand=lambda: in_hand)


def nested(levels: int) -> bytes:
    """A post whose argument is nested deeper than can be decoded on any stack."""
    return b"\x93\x02\xa5event\x91" + b"\x91" * levels + b"\xc0"


@pytest.mark.parametrize("frame", [nested(100_000), pack(Post("event", []))[:2] + b"\xc1 no message"])
def test_a_frame_that_does_not_decode_keeps_nobody_from_inheriting(frame: bytes) -> None:
    freed: list[object] = []
    estates = Estates(freed.append)
    left = seat([frame, pack(Call(1, "event", []))], [frame])
    estates.add(left)
    assert estates.share_out() == [frame, pack(Call(1, "event", []))]
    assert estates.lost_posts == 1, "the one in hand"
    estates.add(left)
    estates.drop()
    assert estates.lost_posts == 3
    assert freed == [left, left]
    assert not estates
    assert event_of([frame]) == ""
