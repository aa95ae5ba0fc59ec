"""The bytes of a save: what was put in comes out; anything else is one clear error."""

import pytest
from fumehood.runner import SaveError, UsageError, describe_save
from fumehood.runner.savefile import MAGIC, SavedMod, foreign, packed, unpacked
from fumehood.shared.saved import OURS
from hypothesis import given
from hypothesis import strategies as st

FRESH = SavedMod("a", 3, "d" * 64, 2, 0.0, "", OURS + b"x")
STALE = SavedMod("b/c", 1, "e" * 64, 1, 1.5, "it hangs\x1b[2J", OURS)
NONE = SavedMod("d", 0, "", 0, 0.0, "no version of it is live", None)


def test_what_was_saved_is_read():
    assert unpacked(packed([FRESH, STALE, NONE])).mods == [FRESH, STALE, NONE]


def test_a_save_says_what_it_holds_and_how_good_it_is():
    info = describe_save(packed([FRESH, STALE, NONE]))
    assert list(info.mods) == ["a", "b/c", "d"]
    assert (info.mods["a"].version, info.mods["a"].size, info.mods["a"].age) == (3, len(OURS) + 1, 0.0)
    assert set(info.stale) == {"b/c", "d"}
    assert "\x1b" not in info.stale["b/c"], "a person reads it"


@pytest.mark.parametrize("wrong", [None, "text", 3, b"", b"garbage", b"x" * 1000, MAGIC, MAGIC + b"\1\0" + b"x" * 32])
def test_what_is_no_save_is_refused(wrong):
    with pytest.raises(SaveError) as raised:
        unpacked(wrong)
    assert isinstance(raised.value, UsageError)


@given(st.data())
def test_a_save_that_was_cut_or_changed_is_refused(data):
    whole = packed([FRESH, STALE])
    at = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(SaveError):
        unpacked(whole[:at])
    changed = bytearray(whole)
    if at == len(MAGIC) + 1:  # a byte that means nothing yet
        return
    changed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SaveError):
        unpacked(bytes(changed))


def test_another_format_and_a_name_twice_are_named():
    later = bytearray(packed([FRESH]))
    later[len(MAGIC)] = 9
    with pytest.raises(SaveError, match="format 9"):
        unpacked(bytes(later))
    with pytest.raises(SaveError, match="twice"):
        unpacked(packed([FRESH, FRESH]))


def test_a_state_of_another_python_is_told_by_its_first_bytes():
    assert foreign(OURS + b"anything") == ""
    assert "Python 2.7" in foreign(b"FHS1" + bytes([2, 7, 2, 0]) + b"x")
    assert "do not begin" in foreign(b"pickle")
