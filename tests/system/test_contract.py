"""A game that declares what mods may do, and real mods that keep to it, do not, or would like to."""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fumehood.runner import Api, Mod, ModError, NotDeclared, PayloadError, UsageError, connect
from fumehood.runner.intents import MOST_REFUSED
from fumehood.runner.queries import LOGGED

RAIN: list[tuple[str, float]] = []
GROWN: list[int] = []


def farm(version: int | str = 2) -> Api:
    api = Api("farm", version=version)

    @api.event
    def tick(dt: float) -> None: ...

    @api.event
    def price(item: str, count: int = 1) -> float: ...

    @api.intent
    def rain(mod: Mod, strength: float) -> None:
        if strength > 9:
            raise OverflowError("the barrels are full")
        RAIN.append((mod.name, strength))

    @api.intent
    def grow(by: int = 1) -> None:
        if by < 0:
            raise KeyboardInterrupt
        GROWN.append(by)

    return api


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, launched: Callable[..., Any]) -> Iterator[Any]:
    with launched(tmp_path_factory.mktemp("contract") / "mods", api=farm()) as it:
        yield it


@pytest.fixture(autouse=True)
def dry(bench: Any) -> None:
    bench.mods.intents()
    RAIN.clear()
    GROWN.clear()


def test_declared_intents_are_applied_in_order(bench: Any, mod: str) -> None:
    text = """
from fumehood.worker import game, on
@on("tick")
def tick(dt: float) -> None:
    game.rain(strength={strength})
    game.grow({strength})
    game.send("grow", by=3)
    game.grow()
"""
    for name, strength in ((f"b_{mod}", 2), (f"a_{mod}", 1)):
        bench.load(name, text.format(strength=strength))
    report = bench.mods.emit("tick", 0.1, budget=10.0)
    assert not report.failed, report.failed
    applied = bench.mods.apply()
    assert (applied.count, applied.refusals, applied.failures) == (8, 0, 0)
    assert [(name, strength) for name, strength in RAIN if mod in name] == [(f"a_{mod}", 1.0), (f"b_{mod}", 2.0)]
    assert GROWN == [1, 3, 1, 2, 3, 1]
    for name in (f"b_{mod}", f"a_{mod}"):
        (bench.root / f"{name}.py").unlink()
    bench.mods.settle()


def test_a_mod_that_names_or_types_wrongly_hears_of_it_where_it_stands(bench: Any, mod: str) -> None:
    bench.load(
        mod,
        """
from fumehood.worker import game, on, NotDeclared, PayloadError
@on("price")
def price(item, count=1):
    said = []
    for attempt in (
        lambda: game.rian(strength=1.0), lambda: game.rain(strength="wet"), lambda: game.rain(1.0, 2.0),
        lambda: game.send("tick"), lambda: game.rain(), lambda: game.grow(bye=1), lambda: game.rain(1.0, strength=1.0),
    ):
        try:
            attempt()
            said.append("nothing")
        except (NotDeclared, PayloadError, TypeError) as error:
            said.append(f"{type(error).__name__}: {error}")
    raise ValueError("\\n".join(said))
""",
    )
    with pytest.raises(ModError) as caught:
        bench.mods[mod].call("price", "iron", timeout=10.0)
    said = str(caught.value)
    for expected in (
        "NotDeclared: farm 2 has no 'rian'; did you mean 'rain'? (declared: rain, grow)",
        "PayloadError: game.rain(strength: float): strength is 'wet' (Expected `float`, got `str`)",
        "TypeError: game.rain(strength: float) was given 2 arguments",
        "NotDeclared: 'tick' is an event of farm 2",
        "missing required field `strength`",
        "unknown field `bye`",
        "was given 'strength' twice",
    ):
        assert expected in said
    assert "nothing" not in said
    assert bench.mods.apply().count == 0


def test_what_a_hostile_mod_sends_all_the_same_is_refused_and_counted(bench: Any, mod: str) -> None:
    bench.load(
        mod,
        bench.hostile("""
from fumehood.shared.messages import Intent
@on("price")
def price(item, count=1):
    port = grip()["Serving"].port
    for name, fields in [
        ("rian", {}), ("rain", {"strength": "wet"}), ("rain", {}), ("rain", {"strength": 1.0, "mod": "x"}),
        ("__class__", {}), ("tick", {"dt": 1.0}), ("rain\\x1b[2J", {}), ("rain", {"strength": [[[]]]}),
    ]:
        port.push(pack(Intent(name, fields)))
    game.rain(0.5)
    return 1.0
"""),
    )
    before = bench.mods.statistics()["refused_intents"]
    assert bench.mods[mod].call("price", "iron", timeout=10.0) == 1.0
    report = bench.mods.apply()
    assert (report.count, report.refusals, report.failures) == (1, 8, 0)
    assert [(mod, 0.5)] == RAIN
    assert bench.mods.statistics()["refused_intents"] == before + 8
    assert all("\x1b" not in each.name + each.reason for each in report.refused)
    assert "strength is 'wet'" in report.refused[1].reason
    bench.mods[mod].call("price", "iron", timeout=10.0)
    assert [(each.name, each.fields) for each in bench.mods.intents()] == [("rain", {"strength": 0.5})]


def test_one_that_sends_nothing_but_wrong_ones_is_not_read_any_more(bench: Any, mod: str) -> None:
    text = bench.hostile("""
from fumehood.shared.messages import Intent
@on("price")
def price(item, count=1):
    port = grip()["Serving"].port
    for number in range(count):
        port.push(pack(Intent(*(("rian" * 50, {}), ("rain", {"s - at `$.x" + "[...]" * 50: 1}))[number % 2])))
    game.rain(0.5)
    return 1.0
""")
    bench.load(mod, text)
    for count, applied in ((MOST_REFUSED - 1, 1), (MOST_REFUSED, 0), (MOST_REFUSED - 1, 1)):
        bench.mods[mod].call("price", "iron", count, timeout=10.0)
        report = bench.mods.apply()
        assert (report.count, report.refusals) == (applied, count + 1 - applied)
        assert all(len(each.reason) < 500 for each in report.refused)
        assert "did you mean" not in report.refused[0].reason  # to look for that takes long


def test_what_fails_again_and_again_is_logged_now_and_then(
    bench: Any, mod: str, caplog: pytest.LogCaptureFixture
) -> None:
    text = "from fumehood.worker import game\ndef on_tick(dt):\n    for _ in range(20): game.rain(10.0)\n"
    bench.load(mod, text)
    started = time.monotonic()
    for _ in range(3):
        bench.mods.emit("tick", 0.1, budget=10.0)
        assert bench.mods.apply().failures == 20
    assert 1 <= caplog.text.count("rain() failed") <= (1 + time.monotonic() - started) * LOGGED


def test_ctrl_c_in_one_function_leaves_the_other_intents(bench: Any, mod: str) -> None:
    text = "from fumehood.worker import game\ndef on_tick(dt):\n    for by in (1, {}, 2, 3): game.grow(by)\n"
    bench.load(mod, text.format(-1))
    bench.load(f"z{mod}", text.format(4))
    bench.mods.emit("tick", 0.1, budget=10.0)
    with pytest.raises(KeyboardInterrupt):
        bench.mods.apply()
    assert GROWN == [1]
    bench.mods["z" + mod].call_outcome("tick", 0.1, timeout=10.0)
    assert bench.mods.apply().count == 10
    assert [1, 2, 3, *[1, 4, 2, 3] * 2] == GROWN


def test_a_function_of_the_games_that_raises_is_logged_and_stops_nothing(
    bench: Any, mod: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench.load(
        mod,
        "from fumehood.worker import game\ndef on_price(item, count=1):\n"
        "    game.rain(10.0)\n    game.rain(1.0)\n    return 1.0",
    )
    bench.mods[mod].call("price", "iron", timeout=10.0)
    with caplog.at_level(logging.ERROR, "fumehood.game"):
        report = bench.mods.apply()
    assert (report.count, report.failures, report.failed[0].reason) == (1, 1, "OverflowError: the barrels are full")
    assert "the barrels are full" in caplog.text
    assert [(mod, 1.0)] == RAIN


def test_what_a_handler_returns_is_of_the_declared_type(bench: Any, mod: str) -> None:
    bench.load(mod, "def on_price(item, count=1):\n    return {'a': 1, 'b': 'dear', 'i': 3}[item[0]]")
    assert bench.mods[mod].call("price", "apple", timeout=10.0) == 1.0
    assert type(bench.mods[mod].call("price", "iron", timeout=10.0)) is float
    with pytest.raises(ModError, match="returned something else than declared: 'dear'") as caught:
        bench.mods[mod].call("price", "bread", timeout=10.0)
    assert caught.value.kind == "WrongType"
    assert bench.mods[mod].call_outcome("price", "bread", timeout=10.0).error is not None
    assert bench.mods.emit("price", "iron", budget=10.0).results[mod] == [3.0]
    report = bench.mods.emit("price", "bread", budget=10.0)
    assert mod not in report.results
    assert "'dear'" in str(report.failed[mod])


@pytest.mark.parametrize(
    ("act", "kind", "says"),
    [
        (lambda mods, mod: mods.emit("tik", 0.1), NotDeclared, "did you mean 'tick'"),
        (lambda mods, mod: mods.emit("tick"), PayloadError, "was given 0 arguments"),
        (lambda mods, mod: mods.emit("tick", "soon"), PayloadError, "dt is 'soon'"),
        (lambda mods, mod: mods[mod].call("price", 3), PayloadError, "item is 3"),
        (lambda mods, mod: mods[mod].post("prize", "iron"), NotDeclared, "did you mean 'price'"),
        (lambda mods, mod: mods[mod].post("price", "iron", 1.5), PayloadError, "count is 1.5"),
        (lambda mods, mod: mods.emit(3), PayloadError, "text, not int"),
    ],
)
def test_what_the_game_sends_is_checked_too(
    bench: Any, mod: str, act: Callable[[Any, str], Any], kind: type[Exception], says: str
) -> None:
    bench.load(mod, "def on_price(item, count=1): return 1.0")
    with pytest.raises(kind, match=says):
        act(bench.mods, mod)
    assert bench.mods[mod].call("price", "iron", timeout=10.0) == 1.0


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (
            "from fumehood.worker import on\n\n@on('tik')\ndef tick(dt): pass\n",
            3,
            "no event 'tik'; did you mean 'tick'",
        ),
        ("def on_tik(dt): pass\n", 1, "did you mean 'tick'"),
        ("def on_tick(): pass\n", 1, "cannot be called as tick(dt: float)"),
        ("def on_tick(dt, more): pass\n", 1, "cannot be called as tick(dt: float)"),
        ("def on_tick(dt, *, more): pass\n", 1, "cannot be called as tick(dt: float)"),
        ("def on_price(item): pass\n", 1, "cannot be called as price(item: str, count: int = …)"),
    ],
)
def test_a_handler_that_could_never_be_called_is_a_diagnostic(
    bench: Any, mod: str, text: str, line: int, says: str
) -> None:
    bench.load(mod, "def on_tick(dt, *rest, more=1): pass\n")
    diagnostic = bench.load(mod, text, "refused").diagnostic
    assert diagnostic is not None
    assert says in diagnostic.message
    assert (diagnostic.line, diagnostic.stage) == (line, "bind")
    assert bench.mods[mod].role == "active"


def test_intents_of_a_version_that_was_rolled_back_are_dropped_and_counted(bench: Any, mod: str) -> None:
    text = """
from fumehood.worker import game
def on_price(item, count=1):
    game.rain({strength})
    {then}
    return 1.0
"""
    bench.load(mod, text.format(strength=1.0, then=""))
    bench.mods[mod].call("price", "iron", timeout=10.0)  # not taken, and not rolled back: it is kept
    since = bench.load(mod, text.format(strength=2.0, then="raise ValueError(item)")).number
    before = bench.mods.statistics()["forsaken_intents"]
    for _ in range(5):
        bench.mods[mod].call_outcome("price", "iron", timeout=10.0)
    bench.next(mod, since, "rolled back")
    bench.mods[mod].call("price", "iron", timeout=10.0)
    assert bench.mods.apply().count == 2
    assert [(mod, 1.0), (mod, 1.0)] == RAIN
    assert bench.mods.statistics()["forsaken_intents"] == before + 5


def test_apply_and_declarations_need_an_api(tmp_path: Path, launched: Callable[..., Any]) -> None:
    with launched(tmp_path / "mods") as it, pytest.raises(UsageError, match="api=api"):
        it.mods.apply()
    with pytest.raises(UsageError, match="has to be an Api"):
        launched(tmp_path / "mods", api="farm").__enter__()


GAME_API = '# /// script\n# [tool.fumehood]\n# game-api = "{}"\n# ///\ndef on_tick(dt): pass\n'


def test_a_mod_for_another_version_of_the_game_is_refused(bench: Any, mod: str) -> None:
    assert bench.load(mod, GAME_API.format(">=2,<3")).verdict == "live"
    diagnostic = bench.load(mod, GAME_API.format(">=3"), "refused").diagnostic
    assert diagnostic is not None
    assert (diagnostic.kind, diagnostic.message) == (
        "GameApiMismatch",
        "it was written for game-api >=3, and this game is farm 2",
    )
    assert bench.mods[mod].role == "active"
    diagnostic = bench.load(mod, GAME_API.format("new"), "refused").diagnostic
    assert diagnostic is not None
    assert "no range of versions" in diagnostic.message
    assert diagnostic.line == 3


def test_games_that_come_and_go_each_find_the_mods_that_fit_them(
    tmp_path: Path, serve: Callable[[Path], Any], until: Callable[..., None]
) -> None:
    folder = tmp_path / "mods"
    folder.mkdir()
    (folder / "old.py").write_text(GAME_API.format("<3"))
    (folder / "new.py").write_text(GAME_API.format(">=3"))
    (folder / "any.py").write_text(
        "from fumehood.worker import game, state\n"
        "def on_tick(dt): state['n'] = state.get('n', 0) + 1; game.rain(strength=0.5); return state['n']\n"
    )
    (folder / "odd.py").write_text("def on_tik(dt): pass\n")
    serve(folder)
    for version, fitting in ((None, "any new old"), (2, "any old"), (3, "any new"), (2, "any old")):
        with connect(folder, api=farm(version) if version else None, timeout=20.0) as mods:
            until(lambda mods=mods: mods.settle(5.0), "every mod has a verdict")
            live = {name for name in mods if mods[name].role == "active"}
            assert live == {*fitting.split(), "odd"}  # what was live before anything was declared stays, unasked
            count = mods.emit("tick", 0.1, budget=10.0).results["any"]
            assert (mods.apply().count if version else len(mods.intents())) == 1
    assert count == [4]  # the state went on from game to game
