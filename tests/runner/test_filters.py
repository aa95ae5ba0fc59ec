"""Which mods want an event: the look-up gives what comparing each filter with each event would give."""

import enum
from typing import Any

import pytest
from fumehood.runner.filters import MOST_FILTERS, Matcher, checked
from fumehood.shared.filters import LONGEST, NOTHING, Given, frozen, matches
from hypothesis import given
from hypothesis import strategies as st

NAMES = ["who", "tile", "depth"]
values = st.sampled_from([None, True, 1, 0, False, 1.0, "a", "b", b"a", (1, 2), [1, 2], [1, [2]], (), "", -1])
wheres = st.dictionaries(st.sampled_from([*NAMES, "unknown"]), values, min_size=1, max_size=3)
mods = st.lists(st.none() | st.lists(wheres, min_size=1, max_size=4), max_size=8)


class Colour(enum.Enum):
    RED = "red"


class Counted(list[Any]):
    looks = 0

    def __iter__(self) -> Any:
        self.looks += 1
        return super().__iter__()


def test_a_list_is_looked_at_once_and_a_long_one_never() -> None:
    matcher: Matcher[int] = Matcher(NAMES, {})
    for number in range(80):
        matcher.add(number, number, [{"who": "ann", "tile": [number]}])
    for args, looks, found in ((Counted([3]), 1, [3]), (Counted([3] * (LONGEST + 1)), 0, [])):
        assert matcher.match(("ann", args, 0)) == found
        assert args.looks == looks
    assert frozen([3] * LONGEST) is not NOTHING
    with pytest.raises(ValueError, match=f"of over {LONGEST}"):
        checked({"step": [{"tile": [3] * (LONGEST + 1)}]}, ["step"])


@given(mods, st.tuples(values, values, values))
def test_the_look_up_is_the_comparison(filters: list[Any], args: tuple[Any, ...]) -> None:
    matcher: Matcher[int] = Matcher(NAMES, {})
    for number, mine in enumerate(filters):
        matcher.add(number, number, mine)

    def wants(mine: Any) -> bool:
        return mine is None or any(
            matches({name: frozen(value) for name, value in where.items()}, Given(NAMES, args)) for where in mine
        )

    assert matcher.match(args) == [number for number, mine in enumerate(filters) if wants(mine)]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ((3, 4), [3, 4], True),
        (3, 3.0, True),
        (1, True, False),
        (0, False, False),
        ([1], [True], False),
        ("a", b"a", False),
        (Colour.RED, "red", True),
        ((1, (2, 3)), [1, [2, 3]], True),
        (None, False, False),
    ],
)
def test_what_counts_as_equal(one: Any, other: Any, same: bool) -> None:
    assert (frozen(one) == frozen(other)) == same


@pytest.mark.parametrize("value", [object(), {}, {1}, [[[[1]]]], 2**64, -(2**63) - 1, "\ud800", [object()], range(3)])
def test_what_no_filter_can_name(value: Any) -> None:
    assert frozen(value) is NOTHING


def test_arguments_left_out_are_their_defaults() -> None:
    matcher: Matcher[str] = Matcher(NAMES, {"depth": 7})
    matcher.add(0, "a", [{"depth": 7}])
    assert matcher.filled(("ann", (0, 0))) == ("ann", (0, 0), 7)
    assert matcher.match(matcher.filled(("ann", (0, 0)))) == ["a"]


deep: list[Any] = []
for _ in range(500):
    deep = [deep]


@pytest.mark.parametrize(
    "filters",
    [
        {"other": [{"a": 1}]},
        {"step": []},
        {"step": [{}]},
        {"step": [{"a": {}}]},
        {"step": [{"a": deep}]},
        {"step": [{"a": n} for n in range(MOST_FILTERS + 1)]},
    ],
)
def test_filters_that_no_honest_mod_has_are_refused(filters: Any) -> None:
    assert checked({"step": [{"a": 1}]}, ["step"]) == {"step": [{"a": 1}]}
    with pytest.raises(ValueError, match="filter"):
        checked(filters, ["step"])
