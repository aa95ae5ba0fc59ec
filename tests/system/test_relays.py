"""Events from mod to mod: the game approves each, and posts it to all others that handle it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fumehood.runner import Api, Mod, UsageError, connect
from fumehood.runner.intents import MOST_RELAYED

APPROVED: list[tuple[str, str]] = []


def market() -> Api:
    api = Api("market")

    def approve(mod: Mod, item: str, cost: float) -> bool:
        APPROVED.append((mod.name, item))
        if item == "bomb":
            raise RuntimeError("not in this market")
        return item != "slaves"

    @api.event(relay=approve)
    def price_changed(item: str, price: float = 1.0) -> None: ...

    @api.event(relay=True)
    def greeting(words: str) -> None: ...

    @api.event
    def tell(event: str, what: Any, times: int = 1) -> None: ...

    @api.event
    def heard(what: str) -> Any: ...

    return api


TRADER = """
from fumehood.worker import game, on, state
@on("tell")
def tell(event, what, times=1):
    for _ in range(times):
        getattr(game, event)(*what)
@on("price_changed")
def changed(item, price=1.0): state.setdefault("heard", []).append([item, price])
@on("greeting")
def greeting(words): state.setdefault("heard", []).append(words)
@on("heard")
def heard(what): return state.get("heard", [])
"""


COUNTING = """
from fumehood.worker import state
def on_greeting(words): state["n"] = state.get("n", 0) + 1
def on_heard(what): return state.get("n", 0)
"""


@pytest.fixture
def bench(tmp_path: Any, launched: Callable[..., Any]) -> Iterator[Any]:
    APPROVED.clear()
    with launched(tmp_path / "mods", api=market()) as it:
        for name in "abc":
            it.load(name, TRADER)
        yield it


def heard(mods: Any) -> dict[str, Any]:
    return {name: values[0] for name, values in mods.emit("heard", "", budget=10.0).results.items()}


def tell(mods: Any, name: str, event: str, *what: Any, times: int = 1) -> None:
    mods[name].call("tell", event, list(what), times, timeout=10.0)


def test_all_others_hear_what_the_game_approves(bench: Any) -> None:
    mods = bench.mods
    tell(mods, "b", "price_changed", "iron", 3)
    tell(mods, "b", "price_changed", "slaves", 9.0)
    tell(mods, "c", "greeting", "hello")
    report = mods.apply()
    assert (report.count, report.relayed, report.refusals, report.undelivered) == (0, 2, 1, 0)
    assert report.refused[0].reason == "the game did not approve of it"
    assert APPROVED == [("b", "iron"), ("b", "slaves")]
    assert heard(mods) == {"a": [["iron", 3.0], "hello"], "b": ["hello"], "c": [["iron", 3.0]]}


def test_an_approval_that_raises_is_the_games_fault_and_a_no(bench: Any) -> None:
    tell(bench.mods, "a", "price_changed", "bomb", 1.0)
    tell(bench.mods, "a", "price_changed", "iron")
    report = bench.mods.apply()
    assert (report.relayed, report.failures) == (1, 1)
    assert report.failed[0].reason == "RuntimeError: not in this market"
    assert heard(bench.mods)["b"] == [["iron", 1.0]]


def test_types_are_checked_and_other_events_are_not_passed_on(bench: Any) -> None:
    for event, what, says in (
        ("price_changed", ["iron", "dear"], "price is 'dear'"),
        ("heard", ["me"], "'heard' is an event of market 1"),
    ):
        outcome = bench.mods["a"].call_outcome("tell", event, what, timeout=10.0)
        assert says in str(outcome.error)
    assert bench.mods.apply().relayed == 0
    assert APPROVED == []


def test_a_flood_is_refused_past_so_many(bench: Any) -> None:
    tell(bench.mods, "a", "greeting", "hi", times=MOST_RELAYED + 50)
    report = bench.mods.apply()
    assert (report.relayed, report.refusals) == (MOST_RELAYED, 50)
    assert len(heard(bench.mods)["b"]) == MOST_RELAYED
    tell(bench.mods, "a", "greeting", "again")
    assert bench.mods.apply().relayed == 1


def test_one_whose_queue_is_full_costs_nobody_else(bench: Any) -> None:
    bench.load("b", "import time\ndef on_greeting(words): time.sleep(0.05)\n")
    bench.load("c", COUNTING)
    undelivered = 0
    for _ in range(10):
        tell(bench.mods, "a", "greeting", "x" * 20_000, times=3)
        undelivered += bench.mods.apply().undelivered
    assert undelivered > 0
    assert bench.mods["c"].call("heard", "", timeout=10.0) + undelivered >= 30


def test_it_goes_on_over_reload_and_rollback(bench: Any) -> None:
    tell(bench.mods, "a", "greeting", "one")
    bench.load("b", TRADER + "\n# two\n")
    bench.mods.apply()
    assert heard(bench.mods)["b"] == ["one"]
    since = bench.load(
        "a", TRADER.replace("def heard(what):", "def heard(what):\n    import os; os._exit(1)\n   ")
    ).number
    tell(bench.mods, "a", "greeting", "from one that is rolled back")
    bench.mods["a"].call_outcome("heard", "", timeout=10.0)
    bench.next("a", since, "rolled back")
    assert bench.mods.apply().relayed == 0
    assert bench.mods.statistics()["forsaken_intents"] == 1
    assert heard(bench.mods)["b"] == ["one"]


def test_a_game_that_comes_back_passes_on(tmp_path: Path, serve: Callable[[Path], Any]) -> None:
    folder = tmp_path / "mods"
    folder.mkdir()
    for name in "ab":
        (folder / f"{name}.py").write_text(TRADER)
    serve(folder)
    for count in (1, 2):
        with connect(folder, api=market(), timeout=20.0) as mods:
            tell(mods, "a", "greeting", "hello")
            assert mods.apply().relayed == 1
            assert heard(mods)["b"] == ["hello"] * count


@pytest.mark.parametrize(
    ("options", "says"), [({"relay": 3}, "True, or a function"), ({"relay": True, "veto": True}, "either")]
)
def test_what_cannot_be_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Api("market").event(**options)


def test_its_name_is_no_other_intents() -> None:
    def greeting(words: str) -> None: ...

    with pytest.raises(UsageError, match="declared twice"):
        market().intent(greeting)
