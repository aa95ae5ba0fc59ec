"""Mods ask in the middle of a handler; the game answers in the middle of its own wait for them."""

import logging
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from fumehood.runner import Api, Mod, ModError, ModTimeout, QueryError, UsageError, connect
from fumehood.shared.policy import Limits

LIMITS = Limits(hang_after=1.0, load_timeout=2.0, query_timeout=0.3, queries_per_request=50)
ASKED: list[Any] = []
ACT: dict[str, Callable[[str], Any]] = {}
"""What `act` does in the game; set by a test."""


class Point(msgspec.Struct):
    x: int
    y: int


class World:
    """Queries may be methods."""

    def height(self, at: Point) -> int:
        return at.x * at.y


def farm() -> Api:
    api = Api("farm", version=2)

    @api.event
    def tick(what: str) -> Any: ...

    @api.query
    def tile(x: int, y: int = 0) -> str:
        ASKED.append((x, y))
        return f"{x},{y}"

    @api.query
    def who(mod: Mod) -> str:
        return mod.name

    @api.query
    def act(mod: Mod, what: str) -> Any:
        return ACT[what](mod.name)

    @api.intent
    def rain(strength: float) -> None: ...

    api.query(World().height)
    return api


ASKER = """
from fumehood.worker import game, on, state
@on("tick")
def tick(what):
    state["n"] = state.get("n", 0) + 1
    return eval(what)
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, launched: Callable[..., Any]) -> Iterator[Any]:
    with launched(tmp_path_factory.mktemp("queries") / "mods", api=farm(), limits=LIMITS) as it:
        yield it


@pytest.fixture(autouse=True)
def clean() -> None:
    ASKED.clear()
    ACT.clear()


@pytest.fixture
def asker(bench: Any, mod: str) -> Iterator[str]:
    bench.load(mod, ASKER)
    yield mod
    (bench.root / f"{mod}.py").unlink()
    bench.mods.settle()


def call(bench: Any, mod: str, what: str, timeout: float = 10.0) -> Any:
    return bench.mods[mod].call("tick", what, timeout=timeout)


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("game.tile(3, 4)", "3,4"),
        ("game.tile(3)", "3,0"),
        ("game.tile(y=4, x=3)", "3,4"),
        ("game.tile(3, y=4)", "3,4"),
        ("game.height({'x': 3, 'y': 4})", 12),
        ("[game.tile(n) for n in range(20)]", [f"{n},0" for n in range(20)]),
        ("game.rain(1.0)", None),
    ],
)
def test_a_handler_is_given_what_the_game_says(bench: Any, asker: str, what: str, value: Any) -> None:
    assert call(bench, asker, what) == value
    assert bench.mods.emit("tick", what, budget=10.0).results == {asker: [value]}
    assert len(bench.mods.intents()) == (2 if "rain" in what else 0)


def test_the_game_knows_who_asks(bench: Any, asker: str) -> None:
    assert call(bench, asker, "game.who()") == asker


@pytest.mark.parametrize(
    ("what", "kind", "says"),
    [
        ("game.tile('a', 4)", "PayloadError", "tile(x: int, y: int = …): x is 'a' (Expected `int`, got `str`)"),
        ("game.tile(1, 2, 3)", "PayloadError", "was given 3 arguments"),
        ("game.tile()", "PayloadError", "missing required field `x`"),
        ("game.tile(z=1)", "PayloadError", "unknown field `z`"),
        ("game.tiel(1, 2)", "NotDeclared", "farm 2 has no 'tiel'; did you mean 'tile'?"),
        ("game.tile({1, 'a', b''}, object())", "PayloadError", "args[1] is an object"),
        ("game.tile('x' * 20000)", "MessageTooLarge", "a query may be 16384"),
        ("game.act('no such')", "QueryError", "the game's act() failed: KeyError"),
        ("game.act('no')", "QueryError", "the well is dry"),
        ("game.act('object')", "QueryError", "cannot travel"),
        ("game.act('long')", "QueryError", "16384 fit"),
    ],
)
def test_what_goes_wrong_is_one_typed_error_in_the_mod(
    bench: Any, asker: str, what: str, kind: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    def no(_mod: str) -> None:
        raise QueryError("the well is dry")

    ACT.update({"no": no, "object": lambda _: object(), "long": lambda _: "x" * 20000})
    with caplog.at_level(logging.ERROR, "fumehood.game"), pytest.raises(ModError) as caught:
        call(bench, asker, what)
    assert caught.value.kind == kind
    assert says in str(caught.value)
    assert bool(caplog.records) == any(name in what for name in ("no such", "object'", "long"))
    assert ASKED == []
    assert call(bench, asker, "game.tile(1)") == "1,0"


def test_mods_asked_together_are_all_heard(bench: Any, mod: str) -> None:
    names = [f"{mod}_{letter}" for letter in "abcdefgh"]
    for name in names:
        bench.load(name, ASKER)
    report = bench.mods.emit("tick", "[game.tile(n) for n in range(10)] and game.who()", budget=10.0)
    assert report.results == {name: [name] for name in names}
    assert (report.late, report.failed) == ([], {})
    # The first is waited for first, and answers last: the others ask, and go on, meanwhile.
    bench.load(names[0], ASKER.replace("eval(what)", "[game.act('all') for n in range(40)][-1]"))
    done: set[str] = set()
    ACT["all"] = lambda _: sorted(done)
    ACT["done"] = lambda name: done.add(name)
    report = bench.mods.emit("tick", "game.act('done')", budget=10.0)
    assert set(report.results) == set(names)
    for name in names:
        (bench.root / f"{name}.py").unlink()
    bench.mods.settle()


def test_a_query_function_may_call_other_mods_but_not_one_that_waits(bench: Any, asker: str) -> None:
    other = f"{asker}_other"
    bench.load(other, ASKER)
    mods = bench.mods
    said: list[str] = []

    def attempt(act: Callable[[], Any]) -> None:
        try:
            act()
            said.append("done")
        except UsageError as error:
            said.append(str(error))

    def within(name: str) -> str:
        for act in (
            lambda: mods[name].call("tick", "1"),
            lambda: mods.emit("tick", "1"),
            mods.intents,
            mods.apply,
            lambda: mods.wait(name),
            mods.settle,
            mods.close,
        ):
            attempt(act)
        mods[name].post("tick", "game.tile(77)")
        return str(mods[other].call("tick", "game.tile(5) + game.who()"))

    ACT["within"] = within
    assert call(bench, asker, "game.act('within')") == f"5,0{other}"
    assert "waits for the answer to its own query" in said[0]
    assert all("within a query" in text for text in said[1:])
    assert len(said) == 7
    assert call(bench, asker, "2") == 2
    assert ASKED == [(5, 0), (77, 0)]
    (bench.root / f"{other}.py").unlink()
    bench.mods.settle()


def test_queries_are_nested_so_deep_and_no_deeper(bench: Any, mod: str) -> None:
    names = [f"{mod}_{number}" for number in range(6)]
    for name in names:
        bench.load(name, ASKER)
    deepest: list[str] = []

    def down(name: str) -> str:
        deepest.append(name)
        outcome = bench.mods[names[names.index(name) + 1]].call_outcome("tick", "game.act('down')")
        return str(outcome.error or outcome.value)

    ACT["down"] = down
    assert "nested 4 deep" in call(bench, names[0], "game.act('down')")
    assert deepest == names[:4]
    for name in names:
        (bench.root / f"{name}.py").unlink()
    bench.mods.settle()


def test_a_call_within_a_query_ends_with_the_wait_around_it(bench: Any, asker: str) -> None:
    slow = f"{asker}_slow"
    bench.load(slow, "import time\ndef on_tick(what): time.sleep(0.3)\n")
    seen: list[Exception] = []

    def wait(_name: str) -> None:
        try:
            bench.mods[slow].call("tick", "", timeout=60.0)
        except ModTimeout as error:
            seen.append(error)

    ACT["wait"] = wait
    with pytest.raises(ModTimeout):
        call(bench, asker, "game.act('wait')", timeout=0.05)
    assert len(seen) == 1
    assert call(bench, asker, "3") == 3
    (bench.root / f"{slow}.py").unlink()
    bench.mods.settle()


def test_a_game_that_does_not_wait_lets_a_query_time_out(bench: Any, asker: str, until: Callable[..., None]) -> None:
    """And that is not the mod's fault: no hang, no rollback, however often."""
    bench.load(asker, ASKER + "\n# a second version, on probation\n")
    pid = bench.status(asker).pid
    for _ in range(6):
        bench.mods[asker].post("tick", "game.tile(9)")
    port = bench.mods[asker]._port
    until(lambda: port.peer_done == port.head, "each of them timed out")  # seen without waiting for anybody
    until(lambda: bench.status(asker).handler_errors >= 6, "each of them was told of")
    bench.mods.settle()
    assert (bench.status(asker).pid, bench.mods[asker].role) == (pid, "active")
    assert call(bench, asker, "game.tile(1)") == "1,0", "a late answer is no answer to the next"


def test_a_look_for_intents_answers_too(bench: Any, asker: str, until: Callable[..., None]) -> None:
    bench.mods[asker].post("tick", "game.tile(9) and game.rain(2.0)")
    taken: list[Any] = []
    until(lambda: taken.extend(bench.mods.intents()) or taken, "answered between frames")
    assert ASKED == [(9, 0)]
    assert [intent.name for intent in taken] == ["rain"]


def test_a_storm_of_queries_is_bounded_for_each_request(bench: Any, asker: str) -> None:
    endless = "[game.tile(n) for n in range(10**9)]"
    with pytest.raises(ModTimeout):
        call(bench, asker, endless, timeout=0.2)
    bound = 2 * LIMITS.queries_per_request  # what it may ask in this message, and what is left of before
    assert LIMITS.queries_per_request <= len(ASKED) <= bound
    while bench.status(asker).handler_errors == 0:  # not heard any more, it times out, and goes on
        bench.mods.intents()
    assert len(ASKED) <= bound
    assert call(bench, asker, "3") == 3


def test_one_that_asks_for_ever_hangs(bench: Any, mod: str) -> None:
    """Whatever it is told: waiting for answers excuses a handler for so long, and not longer."""
    text = "def on_tick(what):\n    while True:\n        try: game.tile(1)\n        except Exception: pass\n"
    since = bench.load(mod, f"from fumehood.worker import game\n{text}").number
    bench.mods[mod].post("tick", "")
    receipt = bench.next(mod, since, "rolled back")
    assert "hang_after" in str(receipt.diagnostic)
    (bench.root / f"{mod}.py").unlink()
    bench.mods.settle()


def test_on_load_and_on_unload_may_ask(bench: Any, mod: str) -> None:
    text = """
from fumehood.worker import game, state
def on_load():
    game.rain(1.0)
    state["at"] = game.tile({version})
    game.rain(2.0)
def on_tick(what): return state["at"]
"""
    for version in (1, 2):
        bench.save(f"{mod}.py", text.format(version=version))
        while mod not in bench.mods or bench.mods[mod].version != version:
            bench.mods.intents()
        assert call(bench, mod, "") == f"{version},0"


def test_at_import_and_in_selftest_nobody_can_be_asked(bench: Any, mod: str) -> None:
    for text in ("game.tile(1)", "def selftest(): game.tile(1)"):
        diagnostic = bench.load(mod, f"from fumehood.worker import game\n{text}\n", "refused").diagnostic
        assert diagnostic is not None
        assert diagnostic.kind == "NotLive"


def test_an_old_version_is_answered_while_it_drains(bench: Any, mod: str) -> None:
    """It has posts to finish that ask, and the caller waits for the new version meanwhile."""
    text = ASKER + "\nV = {version}\n"
    bench.load(mod, text.format(version=1))
    for round_ in range(5):
        for number in range(20):
            bench.mods[mod].post("tick", f"game.tile({number}, {round_})")
        bench.save(f"{mod}.py", text.format(version=round_ + 2))
        while bench.mods[mod].version != round_ + 2:
            bench.mods.intents()
        assert call(bench, mod, "V") == round_ + 2
    assert sorted(ASKED) == [(number, round_) for number in range(20) for round_ in range(5)]
    assert call(bench, mod, "state['n']") == 106
    assert bench.status(mod).handler_errors == 0


def test_a_mod_that_dies_while_it_asks_is_rolled_back(bench: Any, asker: str) -> None:
    bench.load(asker, ASKER + "\n# two\n")
    since = bench.mark()
    pid = bench.status(asker).pid
    ACT["die"] = lambda _: os.kill(pid, signal.SIGKILL)

    outcome = bench.mods[asker].call_outcome("tick", "game.act('die')", timeout=10.0)
    assert type(outcome.error).__name__ == "ModCrashed"
    bench.next(asker, since, "rolled back")
    assert call(bench, asker, "game.tile(1)") == "1,0"


HOSTILE_ASKER = """
import ctypes, threading, time
from fumehood.shared._ring import ASKED, LETTER
def up():
    return grip()["Serving"]._up
def ask(number, data, length=None):
    segment = up()
    segment.write(LETTER, data)
    segment.store64(ASKED, (number << 32) | (len(data) if length is None else length))
    segment.nudge()
@on("tick")
def tick(what):
    return eval(what)
"""


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x93\xa4tile\x92\x01\x02\x80",
        pytest.param(b"\x91" * 16000, id="deep"),
        pytest.param(b"\x92\xa4tile\xdc\x3e\x80" + b"\x90" * 16000, id="many lists"),
        b"\x92\xa4tile\x92\xc0\xc0",
        b"\x92\x01\x90",
        b"\x92\xa9__class__\x90",
        b"\x92\xa4send\x90",
        b"\x92\xa4rain\x91\x01",
        b"\x92\xa4\xff\xff\xff\xff\x90",
        b"\x92\xa4tile\x81\x01\x02",
        b"\x93\xa4tile\x90\x81\xa1x\xa1y",
        b"\x93\xa3who\x90\x81\xa3mod\xa1x",
    ],
)
def test_what_no_honest_mod_asks_is_answered_with_an_error_and_no_function_sees_it(
    bench: Any, mod: str, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    bench.load(mod, bench.hostile(HOSTILE_ASKER))
    good = data == b"\x93\xa4tile\x92\x01\x02\x80"
    with caplog.at_level(logging.ERROR, "fumehood.game"):
        assert call(bench, mod, f"ask(7, {data!r}) or time.sleep(0.05) or 5") == 5
    assert ([(1, 2)] if good else []) == ASKED
    assert not caplog.records
    assert call(bench, mod, "6") == 6


def test_lies_about_a_query_cost_the_liar_alone(bench: Any, asker: str, mod: str) -> None:
    liar = f"{mod}_liar"
    bench.load(liar, bench.hostile(HOSTILE_ASKER))
    for lie in ("ask(9, b'', 2**32 - 1)", "ask(2**32 - 1, b'x', 16385)", "ask(0, b'')"):
        assert call(bench, liar, f"{lie} or 1") == 1
        assert call(bench, asker, "game.tile(1)") == "1,0"
    storm = "[ask(n & 0xFFFFFFFF, b'junk') for n in iter(int, 1)]"
    report = bench.mods.emit("tick", storm, budget=0.1)
    assert liar in report.late
    since = bench.mark()
    while not any(receipt.mod == liar for receipt in bench.mods.receipts(since)):  # it hangs, and is rolled back
        report = bench.mods.emit("tick", "game.tile(2)", budget=0.05)
        assert asker not in report.failed
    assert call(bench, asker, "game.tile(3)") == "3,0"


def test_one_that_claims_to_wait_for_an_answer_for_ever_hangs_all_the_same(bench: Any, mod: str) -> None:
    since = bench.load(mod, bench.hostile(HOSTILE_ASKER)).number
    bench.mods[mod].post("tick", "[ask(1, b''), time.sleep(60)]")
    receipt = bench.next(mod, since, "rolled back")
    assert receipt.diagnostic is not None
    assert "hang_after" in str(receipt.diagnostic)


def test_a_game_that_comes_back_answers(tmp_path: Any, serve: Callable[[Any], Any], until: Callable[..., None]) -> None:
    folder = tmp_path / "mods"
    folder.mkdir()
    (folder / "asker.py").write_text(ASKER)
    serve(folder)
    for _ in range(3):
        with connect(folder, api=farm(), timeout=20.0) as mods:
            assert mods["asker"].call("tick", "game.tile(1, 2)", timeout=10.0) == "1,2"
            mods["asker"].post("tick", "game.tile(3, 4)")  # asked, perhaps, when this game is gone
    with connect(folder, timeout=20.0) as mods:  # declares nothing: nothing can be asked
        assert mods["asker"].call("tick", "hasattr(game, 'anything')", timeout=10.0) is True
        assert mods["asker"].call("tick", "game.tile(strength=1)", timeout=10.0) is None
        until(mods.intents, "an intent like any other")


def test_one_that_is_asked_in_a_query_of_another_answers_the_same_emit(bench: Any, mod: str) -> None:
    """Both were asked together; the query of the one calls the other, whose answer is taken in the middle of that."""
    names = [f"{mod}_a", f"{mod}_b"]
    bench.load(names[0], ASKER)
    both = "[game.act('other'), game.tile(7)] if what == 'both' else eval(what)"
    bench.load(names[1], ASKER.replace("eval(what)", both))
    ACT["other"] = lambda _: bench.mods[names[0]].call("tick", "'called'")
    for _ in range(20):
        report = bench.mods.emit("tick", "both", budget=10.0)
        assert report.results[names[1]] == [["called", "7,0"]]
        assert "both" in str(report.failed[names[0]])
    ACT["die"] = lambda name: bench.mods[names[0]].call_outcome("tick", "__import__('os')._exit(1)", timeout=5.0) and 0
    what = "game.act('die') if game.who().endswith('b') else __import__('time').sleep(0.05)"
    report = bench.mods.emit("tick", what, budget=10.0)
    assert report.results[names[1]] == [0]
    assert names[0] not in report.late
    for name in names:
        (bench.root / f"{name}.py").unlink()
    bench.mods.settle()


def test_queries_are_answered_while_the_game_waits_for_the_supervisor(bench: Any, mod: str, asker: str) -> None:
    bench.load(mod, "from fumehood.worker import game, state\ndef on_load(): state['at'] = game.tile(5)\n" + ASKER)
    assert call(bench, mod, "state['at']") == "5,0"
    for wait in (bench.mods.save, lambda: bench.mods.settle(0.2), lambda: bench.mods.provide("f", len)):
        bench.mods[asker].post("tick", "state.update(said=game.tile(6))")
        wait()
        assert call(bench, asker, "state.pop('said')") == "6,0"


ASKING_AT_ONCE = """
from fumehood.worker import game
AT = []
def on_load(): AT.append(game.who())
def on_tick(what): return AT[0]
"""


def test_queries_are_answered_at_the_start(tmp_path: Any, launched: Callable[..., Any]) -> None:
    root = tmp_path / "mods"
    root.mkdir()
    for name in "abc":
        (root / f"{name}.py").write_text(ASKING_AT_ONCE)
    with launched(root, api=farm()) as it:
        assert it.mods.emit("tick", "", budget=10.0).results == {name: [name] for name in "abc"}
        assert {receipt.cause for receipt in it.mods.receipts()} == {"startup"}


def test_each_posted_message_may_ask_as_often(bench: Any, asker: str) -> None:
    for _ in range(3):
        bench.mods[asker].post("tick", f"[game.tile(n) for n in range({LIMITS.queries_per_request - 1})]")
    assert call(bench, asker, "4") == 4
    assert len(ASKED) == 3 * (LIMITS.queries_per_request - 1)


class Unspeakable(QueryError):
    def __str__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (QueryError("no file \udce4.png"), "no file"),
        (Unspeakable(), "its text cannot be had"),
        (QueryError("x" * 10**6), "xxx"),
    ],
)
def test_whatever_a_query_function_raises_the_frame_goes_on(
    bench: Any, asker: str, error: Exception, says: str
) -> None:
    def fail(_name: str) -> None:
        raise error

    ACT["fail"] = fail
    with pytest.raises(ModError, match=says):
        call(bench, asker, "game.act('fail')")
    assert call(bench, asker, "5") == 5


def test_ctrl_c_in_a_query_function_leaves_the_game_and_runs_it_once(bench: Any, asker: str) -> None:
    runs: list[str] = []

    def interrupted(name: str) -> None:
        runs.append(name)
        raise KeyboardInterrupt

    ACT["stop"] = interrupted
    with pytest.raises(KeyboardInterrupt):
        call(bench, asker, "game.act('stop')")
    assert call(bench, asker, "6") == 6
    assert runs == [asker]
    assert bench.mods.emit("tick", "7", budget=10.0).results[asker] == [7]
