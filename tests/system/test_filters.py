"""Handlers that ask for some values only: the game looks, and the mod is not woken for others."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fumehood.runner import Api, ModError, PayloadError, connect


def farm() -> Api:
    api = Api("farm", version=2)

    @api.event
    def step(who: str, tile: tuple[int, int], depth: int = 0) -> Any: ...

    @api.event
    def asked(what: str) -> Any: ...

    @api.event(veto=True)
    def can_enter(who: str, where: str) -> None: ...

    return api


@pytest.fixture
def bench(tmp_path: Any, launched: Callable[..., Any]) -> Iterator[Any]:
    with launched(tmp_path / "mods", api=farm()) as it:
        yield it


COUNTING = """
from fumehood.worker import on, refuse, state
{decorators}
def step(who, tile, depth=0): state["n"] = state.get("n", 0) + 1; return state["n"]
@on("asked")
def asked(what): return state.get("n", 0)
"""


def handled(bench: Any, name: str) -> int:
    """How many messages the worker took, its own account of which is read where the supervisor reads it."""
    return int(bench.mods[name]._port.peer_done)


def test_a_call_fills_defaults_in_as_emit_does(bench: Any) -> None:
    bench.load("some", COUNTING.format(decorators='@on("step", depth=0)'))
    assert bench.mods["some"].call("step", "ann", (3, 4), timeout=10.0) == 1
    assert bench.mods.emit("step", "ann", (3, 4), budget=10.0).results == {"some": [2]}
    with pytest.raises(PayloadError, match="an event's name is text"):
        bench.mods["some"].call(["step"], "ann", (3, 4))


def test_a_mod_hears_only_what_it_asks_for(bench: Any) -> None:
    bench.load("all", COUNTING.format(decorators='@on("step")'))
    bench.load("some", COUNTING.format(decorators='@on("step", tile=(3, 4))\n@on("step", who="ann", depth=2)'))
    emit = bench.mods.emit
    for args, who in (
        (("bob", (3, 4)), {"all", "some"}),
        (("bob", [3, 4]), {"all", "some"}),
        (("bob", (3, 5)), {"all"}),
        (("ann", (0, 0), 2), {"all", "some"}),
        (("ann", (0, 0)), {"all"}),
        (("bob", (0, 0), 2), {"all"}),
        (("ann", (3, 4), 2), {"all", "some"}),
    ):
        before = handled(bench, "some")
        report = emit("step", *args, budget=10.0)
        assert (set(report.results), report.late, report.failed) == (who, [], {})
        assert (handled(bench, "some") == before) == ("some" not in who), "not even woken"
    assert report.results["some"] == [4, 5], "both handlers ask for it"
    assert bench.mods["some"].post("step", "bob", (0, 0)) is False
    assert bench.mods["some"].post("step", "bob", (3, 4)) is True
    assert emit("asked", "", budget=10.0).results == {"all": [7], "some": [6]}


def test_a_default_that_was_left_out_is_compared_too(bench: Any) -> None:
    bench.load("a", COUNTING.format(decorators='@on("step", depth=0)'))
    assert set(bench.mods.emit("step", "ann", (0, 0), budget=10.0).results) == {"a"}
    assert set(bench.mods.emit("step", "ann", (0, 0), 1, budget=10.0).results) == set()


def test_of_one_mods_handlers_those_run_that_ask_for_it(bench: Any) -> None:
    bench.load(
        "a",
        """
from fumehood.worker import on, refuse
@on("step", tile=(1, 1))
def one(*args): return "one"
@on("step", priority=1, who="ann")
def ann(*args): return "ann"
@on("step", priority=-1)
def any_(*args): return "any"
@on("can_enter", where="cave")
def cave(who, where): refuse("dark")
""",
    )
    emit = bench.mods.emit
    assert emit("step", "ann", (1, 1), budget=10.0).results == {"a": ["ann", "one", "any"]}
    assert emit("step", "bob", (0, 0), budget=10.0).results == {"a": ["any"]}
    assert bench.mods["a"].call("step", "bob", (1, 1), timeout=10.0) == "one"
    assert bench.mods["a"].call("step", "bob", (0, 1), timeout=10.0) == "any"
    assert bench.mods.veto("can_enter", "ann", "inn", budget=10.0) is None
    assert bench.mods.veto("can_enter", "ann", "cave", budget=10.0).reason == "dark"


def test_a_call_that_no_handler_asks_for_has_none(bench: Any) -> None:
    bench.load("a", COUNTING.format(decorators='@on("step", who="ann")'))
    with pytest.raises(ModError, match="no handler of 'step'"):
        bench.mods["a"].call("step", "bob", (0, 0), timeout=10.0)
    assert bench.mods["a"].call("step", "ann", (0, 0), timeout=10.0) == 1


@pytest.mark.parametrize(
    ("decorator", "says"),
    [
        ('@on("step", tyle=(3, 4))', "has no 'tyle'; did you mean 'tile'?"),
        ('@on("step", who=object())', "a filter is None, a number, text, bytes"),
        ('@on("step", who={"a": 1})', "a filter is None, a number, text, bytes"),
        ('@on("step", depth=2**70)', "a filter is None, a number, text, bytes"),
        ('@on("step", who="\\ud800")', "a filter is None, a number, text, bytes"),
        ('@on("step", tile=[[[[1]]]])', "a filter is None, a number, text, bytes"),
        ('@on("step", who="x" * 9000)', "longer together than"),
    ],
)
def test_a_filter_that_cannot_match_is_a_diagnostic(bench: Any, decorator: str, says: str) -> None:
    diagnostic = bench.load("a", COUNTING.format(decorators=decorator), "refused").diagnostic
    assert says in diagnostic.message


def test_without_declared_events_there_is_nothing_to_filter(tmp_path: Any, launched: Callable[..., Any]) -> None:
    with launched(tmp_path / "mods") as bench:
        diagnostic = bench.load("a", COUNTING.format(decorators='@on("step", who="ann")'), "refused").diagnostic
        assert "does not declare what its events hold" in diagnostic.message


def test_filters_hold_over_reloads_and_rollbacks(bench: Any) -> None:
    bench.load("a", COUNTING.format(decorators='@on("step", who="ann")'))
    bench.load("a", COUNTING.format(decorators='@on("step", who="bob")'))
    assert set(bench.mods.emit("step", "ann", (0, 0), budget=10.0).results) == set()
    assert set(bench.mods.emit("step", "bob", (0, 0), budget=10.0).results) == {"a"}
    bench.load("a", COUNTING.format(decorators='@on("step", who="eve")'))
    bench.load("a", COUNTING.format(decorators='@on("step", who="cat")').replace("return state", "raise KeyError#"))
    since = bench.mark()
    for _ in range(5):
        bench.mods.emit("step", "cat", (0, 0), budget=10.0)
    bench.next("a", since, "rolled back")
    assert set(bench.mods.emit("step", "cat", (0, 0), budget=10.0).results) == set()
    assert set(bench.mods.emit("step", "eve", (0, 0), budget=10.0).results) == {"a"}


def test_filters_hold_for_a_game_that_comes_back(tmp_path: Path, serve: Callable[[Path], Any]) -> None:
    folder = tmp_path / "mods"
    folder.mkdir()
    serve(folder)
    with connect(folder, api=farm(), timeout=20.0) as mods:
        (folder / "a.py").write_text(COUNTING.format(decorators='@on("step", who="ann")'))
        mods.wait("a", timeout=20.0)
    with connect(folder, api=farm(), timeout=20.0) as mods:
        assert set(mods.emit("step", "ann", (0, 0), budget=10.0).results) == {"a"}
        assert set(mods.emit("step", "bob", (0, 0), budget=10.0).results) == set()
    with connect(folder, timeout=20.0) as mods:  # it does not say what its events hold: nothing can be asked for
        assert set(mods.emit("step", "ann", (0, 0), budget=10.0).results) == set()


@pytest.mark.parametrize(
    "filters",
    [
        "{'step': [{'who': [[[['deep']]]]}]}",
        "{'step': [{'who': {'a': 1}}]}",
        "{'step': [{}]}",
        "{'step': []}",
        "{'other': [{'who': 'ann'}]}",
        "{'step': [{'who': n} for n in range(2000)]}",
        "{'step': [{'who': 'x' * 9000}]}",
    ],
)
def test_filters_that_a_hostile_mod_forges_never_reach_the_game(bench: Any, filters: str) -> None:
    bench.load("good", COUNTING.format(decorators='@on("step", who="ann")'))
    forged = (
        f"tell(type='Bound', events=[['step', 0]], filters={filters}, state_version=1, stages={{}}, has_selftest=False)"
    )
    diagnostic = bench.load(
        "liar", bench.hostile(forged + "\ndef on_step(who, tile, depth=0): return 1\n"), "refused"
    ).diagnostic
    assert diagnostic is not None
    assert "liar" not in bench.mods
    assert bench.mods.emit("step", "ann", (0, 0), budget=10.0).results == {"good": [1]}
