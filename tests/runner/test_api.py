"""The contract as a game writes it: what can be declared, what is refused, and how values are checked."""

import enum
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import pytest
from fumehood.runner import Api, Mod, NotDeclared, PayloadError, UsageError
from fumehood.runner.api_types import spell
from fumehood.shared.contract import LONGEST_SOUGHT, MOST_BYTES, Declared, blame, packed, unpack_contract
from hypothesis import given
from hypothesis import strategies as st


class Weather(enum.Enum):
    DRY = "dry"
    WET = "wet"


class Point(msgspec.Struct):
    x: int
    y: int


@dataclass
class Item:
    name: str


class Fussy(msgspec.Struct):
    x: int

    def __post_init__(self) -> None:
        raise KeyError(self.x)


def farm() -> Api:
    api = Api("farm", version=2)

    @api.event
    def tick(dt: float) -> None: ...

    @api.event
    def price(item: str, count: int = 1) -> float: ...

    @api.event(veto=True, default="refuse")
    def can_enter(who: str, where: str) -> None: ...

    @api.query
    def tile(x: int, y: int) -> str:
        return f"{x},{y}"

    @api.intent
    def rain(mod: Mod, strength: float, where: Point | None = None) -> None: ...

    return api


def test_a_long_way_to_what_is_wrong_is_not_gone() -> None:
    class Loop(list[Any]):
        looks = 0

        def __iter__(self) -> Any:
            Loop.looks += 1
            return super().__iter__()

    loop = Loop()
    loop.append(loop)
    text = blame(ValueError("odd - at `$.x" + "[0]" * 9999 + "`"), Declared("r", []), {"x": loop})
    assert Loop.looks <= LONGEST_SOUGHT
    assert len(text) < 500


def test_what_mods_are_told_survives_the_way() -> None:
    contract = farm().contract()
    assert unpack_contract(packed(contract)) == contract
    assert (contract.name, contract.version) == ("farm", "2")
    assert [each.spelled() for each in contract.events] == [
        "tick(dt: float)",
        "price(item: str, count: int = …)",
        "can_enter(who: str, where: str)",
    ]
    assert [each.veto for each in contract.events] == [False, False, True]
    assert contract.events[1].returns == "float"
    assert contract.queries[0].spelled() == "tile(x: int, y: int)"
    assert contract.intents[0].spelled() == "rain(strength: float, where: dict[str, Any] | None = …)"


@pytest.mark.parametrize(
    ("hint", "spelled"),
    [
        (int, "int"),
        (list[int], "list[int]"),
        (dict[str, list[float]], "dict[str, list[float]]"),
        (tuple[int, str], "tuple[int, str]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (set[str], "set[str]"),
        (int | None, "int | None"),
        (Literal["a", "b"], "Literal['a', 'b']"),
        (Weather, "Literal['dry', 'wet']"),
        (Point, "dict[str, Any]"),
        (Item, "dict[str, Any]"),
        (Any, "Any"),
        (list[Any], "list[Any]"),
    ],
)
def test_types_are_spelled_in_plain_words(hint: Any, spelled: str) -> None:
    assert spell(hint) == spelled


def _untyped(x) -> None: ...  # type: ignore[no-untyped-def]  # that is what is refused
def _stars(*xs: int) -> None: ...
def _names(**xs: int) -> None: ...
def _odd(x: Api) -> None: ...
def _deep(x: list[dict[str, object]]) -> None: ...
def _second(x: int, mod: Mod) -> None: ...
def _unresolved(x: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821  # that is what is refused
async def _later(x: int) -> None: ...
def send(x: int) -> None: ...
def _by_name(*, x: int) -> None: ...


@pytest.mark.parametrize(
    ("kind", "function", "says"),
    [
        ("intent", _untyped, "parameter x has no type"),
        ("intent", _stars, "any number"),
        ("query", _names, "any number"),
        ("query", _odd, "carries no Api"),
        ("event", _deep, "carries no object"),
        ("intent", _second, "can only be the first"),
        ("intent", _unresolved, "Nowhere"),
        ("query", _later, "is async"),
        ("intent", send, "means something else"),
        ("event", _by_name, "by name only"),
        ("event", int, "stands above a function"),
        ("event", 3, "stands above a function"),
        ("intent", lambda: None, "plain name"),
    ],
)
def test_what_cannot_be_declared_is_refused_where_it_stands(kind: str, function: Any, says: str) -> None:
    if getattr(function, "__name__", "").startswith("_"):
        function.__name__ = function.__name__.lstrip("_")
    with pytest.raises(UsageError, match=says):
        getattr(Api("farm"), kind)(function)


def test_a_name_is_declared_once() -> None:
    api = farm()

    def rain() -> None: ...

    with pytest.raises(UsageError, match="declared twice"):
        api.query(rain)
    assert api.event(rain) is rain  # events are a world of their own


def test_nothing_is_declared_once_it_is_in_use() -> None:
    api = farm()
    api.contract()

    def late() -> None: ...

    with pytest.raises(UsageError, match="too late"):
        api.event(late)


@pytest.mark.parametrize(("name", "version"), [("", 1), (3, 1), ("x" * 300, 1), ("farm", "two"), ("farm", None)])
def test_a_name_and_a_version_that_cannot_be_are_refused(name: Any, version: Any) -> None:
    with pytest.raises(UsageError):
        Api(name, version=version)


def test_a_contract_too_long_to_tell_is_refused() -> None:
    api = Api("farm")
    for number in range(400):

        def event(argument_with_a_long_name: "dict[str, list[tuple[int, int, int]]]") -> None: ...

        event.__name__ = f"event_{number}_{'x' * 100}"
        api.event(event)
    with pytest.raises(UsageError, match=str(MOST_BYTES)):
        api.contract()


@pytest.mark.parametrize("options", [{"default": "maybe"}, {"default": "refuse"}])
def test_a_default_is_for_vetoes(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="default"):
        Api("farm").event(**options)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), r"price\(item: str, count: int = …\) was given 0 arguments"),
        (("iron", 1, 2), "was given 3 arguments"),
        ((3,), "item is 3 "),
        (("iron", "x"), r"count is 'x' \(Expected `int`, got `str`\)"),
    ],
)
def test_what_a_game_sends_is_checked(args: tuple[Any, ...], says: str) -> None:
    entry = farm().event_named("price")
    entry.arguments(("iron",), "emit")
    entry.arguments(("iron", 2), "emit")
    with pytest.raises(PayloadError, match=says):
        entry.arguments(args, "emit('price')")


def test_an_event_nobody_declared_names_the_nearest() -> None:
    with pytest.raises(NotDeclared, match="did you mean 'tick'"):
        farm().event_named("tik")


def test_values_of_an_intent_become_what_is_declared() -> None:
    entry = farm().intents["rain"]
    assert entry.wants_mod
    assert entry.bound([], {"strength": 1}) == ({"strength": 1.0, "where": None}, "")
    fields, why = entry.bound([], {"strength": 0.5, "where": {"x": 1, "y": 2}})
    assert (fields["where"], why) == (Point(1, 2), "")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "missing required field `strength`"),
        ({"strength": "wet"}, "strength is 'wet' (Expected `float`, got `str`)"),
        ({"strength": 1.0, "colour": "red"}, "unknown field `colour`"),
        ({"strength": 1.0, "where": {"x": 1, "y": "2"}}, "where['y'] is '2' (Expected `int`, got `str`)"),
        ({"strength": 1.0, "where": [1]}, "where is [1] (Expected `object | null`, got `array`)"),
    ],
)
def test_an_intent_that_is_not_as_declared_names_field_and_value(fields: dict[str, Any], says: str) -> None:
    given, why = farm().intents["rain"].bound([], fields)
    assert given == {}
    assert says in why


def test_the_arguments_of_a_query_go_by_position_or_by_name() -> None:
    entry = farm().queries["tile"]
    for args, named in (([1, 2], {}), ([1], {"y": 2}), ([], {"y": 2, "x": 1})):
        assert entry.bound(args, named) == ({"x": 1, "y": 2}, "")
    for args, named, says in (([1, 2, 3], {}, "3 arguments"), ([1, 2], {"x": 1}, "twice"), ([1], {}, "missing")):
        assert says in entry.bound(args, named)[1]


def test_a_class_of_the_games_that_raises_refuses_the_value() -> None:
    api = Api("farm")

    @api.intent
    def place(at: Fussy) -> None: ...

    given, why = api.intents["place"].bound([], {"at": {"x": 1}})
    assert given == {}
    assert "KeyError" in why


hostile = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.lists(hostile, max_size=4), st.dictionaries(st.sampled_from(["strength", "where", "x"]) | st.text(), hostile))
def test_whatever_a_mod_sends_is_taken_as_declared_or_refused(args: list[Any], fields: dict[str, Any]) -> None:
    given, why = farm().intents["rain"].bound(args, fields)
    assert bool(given) != bool(why)
    assert len(why) < 1000
    if given:
        assert isinstance(given["strength"], float)
        assert given["where"] is None or isinstance(given["where"], Point)


@pytest.mark.parametrize(
    ("annotation", "says"),
    [
        ("not python here", "'not python here' cannot be read"),
        ("list[", "cannot be read"),
        ("typing.Missing", "Missing"),
    ],
)
def test_an_annotation_that_cannot_be_read_is_named(annotation: str, says: str) -> None:
    def tile(x: int, y: int) -> int:
        return x + y

    for where, place in (("y", "tile: parameter y: "), ("return", "tile: what it returns: ")):
        tile.__annotations__ = {"x": int, "y": int, where: annotation}
        with pytest.raises(UsageError, match=says) as caught:
            Api("farm").query(tile)
        assert place in str(caught.value)


def test_what_is_returned_can_travel_too() -> None:
    def price(item: str) -> complex: ...  # type: ignore[empty-body]  # never called

    with pytest.raises(UsageError, match="price: what it returns: a message carries no complex"):
        Api("farm").event(price)


@pytest.mark.parametrize(
    ("kind", "default", "says"),
    [
        (int, "3", "its default is '3'"),
        (str, None, "its default is None"),
        (Any, object(), "its default cannot travel"),
    ],
)
def test_a_default_is_of_its_type_and_can_travel(kind: Any, default: Any, says: str) -> None:
    def step(x: Any = default) -> None: ...

    step.__annotations__["x"] = kind
    with pytest.raises(UsageError, match=f"step: parameter x: {says}"):
        Api("farm").event(step)


def test_defaults_of_all_declared_types_are_taken() -> None:
    here, item, tags = Point(1, 2), Item("x"), {1}

    def step(
        a: Weather = Weather.DRY, b: Point | None = here, c: Item = item, d: float = 1, e: set[int] = tags
    ) -> None: ...

    Api("farm").intent(step)


def test_arguments_by_position_alone_and_by_name_alone() -> None:
    def tile(x: int, y: int = 1, /, *, z: str) -> str:
        return f"{x},{y},{z}"

    api = Api("farm")
    api.query(tile)
    entry = api.queries["tile"]
    fields, why = entry.bound([1], {"z": "a"})
    assert why == ""
    assert entry.run(fields=fields) == "1,1,a"
