"""Mods that say no: asked in parallel, the refusal of highest priority counts, and silence counts as declared."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fumehood.runner import Api, PayloadError, Refusal, UsageError, connect


def farm() -> Api:
    api = Api("farm", version=2)

    @api.event
    def tick(dt: float) -> None: ...

    @api.event(veto=True)
    def can_enter(who: str, where: str) -> None: ...

    @api.event(veto=True, default="refuse")
    def can_leave(who: str) -> None: ...

    @api.query
    def is_open(where: str) -> bool:
        return where == "inn"

    return api


@pytest.fixture
def bench(tmp_path: Any, launched: Callable[..., Any]) -> Iterator[Any]:
    with launched(tmp_path / "mods", api=farm()) as it:
        yield it


REFUSING = """
from fumehood.worker import game, on, refuse
@on("{event}", priority={priority})
def decide(who, *where):
    {body}
"""


def mod(body: str, *, priority: int = 0, event: str = "can_enter") -> str:
    return REFUSING.format(body=body, priority=priority, event=event)


def test_the_refusal_of_highest_priority_counts_and_of_equals_the_first(bench: Any, until: Any) -> None:
    assert bench.mods.veto("can_enter", "ann", "cave", budget=10.0) is None
    bench.load("b", mod("refuse('b says no')", priority=5))
    bench.load("a", mod("refuse('a says no')", priority=5))
    bench.load("c", mod("who == 'wolf' and refuse('wolves stay outside')", priority=100))
    bench.load("d", mod("refuse()", priority=-3))
    ask = bench.mods.veto
    assert ask("can_enter", "ann", "cave", budget=10.0) == Refusal("a", "a says no", 5)
    assert ask("can_enter", "wolf", "cave", budget=10.0) == Refusal("c", "wolves stay outside", 100)
    for name in "abc":
        (bench.root / f"{name}.py").unlink()
    until(lambda: list(bench.mods) == ["d"], "they are gone")
    assert ask("can_enter", "ann", "cave", budget=10.0) == Refusal("d", "", -3)


def test_handlers_of_lower_priority_are_not_asked_once_one_refused(bench: Any) -> None:
    bench.load(
        "a",
        """
from fumehood.worker import on, refuse, state
def note(name): state["asked"] = state.get("asked", []) + [name]
@on("can_enter", priority=3)
def first(who, where): note("first")
@on("can_enter", priority=2)
def second(who, where):
    note("second")
    try:
        refuse("no")
    except Exception:
        note("swallowed")
@on("can_enter", priority=1)
def third(who, where): note("third"); refuse("later")
@on("tick")
def tick(dt): return state["asked"]
""",
    )
    assert bench.mods.veto("can_enter", "ann", "cave", budget=10.0) == Refusal("a", "no", 2)
    assert bench.mods.emit("tick", 0.0, budget=10.0).results["a"] == [["first", "second"]]


def test_a_veto_may_ask_the_game(bench: Any) -> None:
    for name in "abcde":
        bench.load(name, mod("game.is_open(where[0]) or refuse(f'{where[0]} is closed')"))
    assert bench.mods.veto("can_enter", "ann", "inn", budget=10.0) is None
    assert bench.mods.veto("can_enter", "ann", "cave", budget=10.0) == Refusal("a", "cave is closed")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("raise ValueError('broken')", "ValueError: broken"),
        ("import time; time.sleep(0.5)", "no answer"),
        ("import os; os._exit(3)", "crashed"),
        ("raise SystemExit", "SystemExit"),
        ("refuse(3)", "takes the reason as text"),
        ("while True: pass", "no answer"),
    ],
)
def test_a_mod_without_an_answer_counts_as_declared(bench: Any, body: str, says: str) -> None:
    bench.load("odd", mod(body))
    assert bench.mods.veto("can_enter", "ann", "cave", budget=0.1) is None
    bench.load("odder", mod(body, event="can_leave"))
    refusal = bench.mods.veto("can_leave", "ann", budget=0.1)
    assert refusal is not None
    assert (refusal.mod, refusal.by_default) == ("odder", True)
    assert says in refusal.reason
    bench.load("plain", mod("refuse('a reason')", event="can_leave", priority=-9))
    bench.load("odder", mod(f"{body}  # again", event="can_leave"))
    assert bench.mods.veto("can_leave", "ann", budget=0.1) == Refusal("plain", "a reason", -9)


def test_a_reason_is_a_mods_words(bench: Any) -> None:
    bench.load("a", mod("refuse('\\x1b[2J' + 'x' * 50_000)"))
    refusal = bench.mods.veto("can_enter", "ann", "cave", budget=10.0)
    assert refusal is not None
    assert "\x1b" not in refusal.reason
    assert len(refusal.reason) <= 1100


@pytest.mark.parametrize(
    ("act", "kind", "says"),
    [
        (lambda mods: mods.emit("can_enter", "ann", "cave"), UsageError, "mods.veto"),
        (lambda mods: mods.veto(["can_enter"]), PayloadError, "an event's name is text"),
        (lambda mods: mods.veto("tick", 0.1), UsageError, "veto=True"),
        (lambda mods: mods.veto("can_entre", "ann", "cave"), UsageError, "did you mean 'can_enter'"),
        (lambda mods: mods.veto("can_enter", "ann"), PayloadError, "was given 1 argument"),
        (lambda mods: mods.veto("can_enter", "ann", "cave", budget=float("nan")), UsageError, "budget"),
    ],
)
def test_asking_wrongly_is_said(bench: Any, act: Callable[[Any], Any], kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        act(bench.mods)


def test_refusing_what_is_no_question_is_an_error_like_any_other(bench: Any) -> None:
    bench.load("a", "from fumehood.worker import refuse\ndef on_tick(dt): refuse('no')\n")
    report = bench.mods.emit("tick", 0.1, budget=10.0)
    assert "Refusal: no" in str(report.failed["a"])


def test_a_game_that_declares_nothing_can_ask_too(tmp_path: Any, launched: Callable[..., Any]) -> None:
    with launched(tmp_path / "mods") as bench:
        bench.load("a", mod("refuse('no')"))
        assert bench.mods.veto("can_enter", "ann", "cave", budget=10.0) == Refusal("a", "no")
        assert bench.mods.veto("anything", budget=10.0) is None


def test_what_a_hostile_mod_answers_is_no_refusal(bench: Any) -> None:
    text = bench.hostile("""
from fumehood.shared.messages import Value, Vetoed
@on("can_enter")
def decide(who, where):
    port = grip()["Serving"].port
    for number in range(2**40, 2**40 + 50):
        port.push(WHAT)
""")
    for what in ("pack(Value(number, True))", "pack([5, number, 1, 'x', 3, []])", "pack([5, number])", "b'junk'"):
        bench.load("liar", text.replace("WHAT", what))
        assert bench.mods.veto("can_enter", "ann", "cave", budget=0.5) is None
    bench.load("liar", text.replace("WHAT", "pack(Vetoed(number, True, 2**63, 'because', []))"))
    refusal = bench.mods.veto("can_enter", "ann", "cave", budget=0.5)
    assert refusal is None or (refusal.mod, refusal.reason) == ("liar", "because")  # its own word, as any refusal is


def test_who_refuses_changes_with_reload_and_rollback(bench: Any, until: Any) -> None:
    ask = bench.mods.veto
    bench.load("a", mod("refuse('one')"))
    bench.load("a", mod("refuse('two')"))
    assert ask("can_enter", "ann", "cave", budget=10.0) == Refusal("a", "two")
    since = bench.load("a", mod("who == 'die' and __import__('os')._exit(1)")).number
    assert ask("can_enter", "ann", "cave", budget=10.0) is None
    assert ask("can_enter", "die", "cave", budget=10.0) is None  # nor does one that dies of it
    bench.next("a", since, "rolled back")
    assert ask("can_enter", "ann", "cave", budget=10.0) == Refusal("a", "two")
    (bench.root / "a.py").unlink()
    until(lambda: "a" not in bench.mods, "it is gone")
    assert ask("can_enter", "ann", "cave", budget=10.0) is None


def test_a_game_that_comes_back_is_refused_as_before(tmp_path: Path, serve: Callable[[Path], Any]) -> None:
    folder = tmp_path / "mods"
    folder.mkdir()
    (folder / "a.py").write_text(mod("refuse('no')"))
    serve(folder)
    for _ in range(2):
        with connect(folder, api=farm(), timeout=20.0) as mods:
            assert mods.veto("can_enter", "ann", "cave", budget=10.0) == Refusal("a", "no")


def test_a_guard_that_is_down_refuses_where_silence_does(bench: Any) -> None:
    ask = bench.mods.veto
    text = mod("who == 'die' and __import__('os')._exit(1)", event="can_leave", priority=3)
    bench.load("guard", text)
    assert ask("can_leave", "ann", budget=10.0) is None
    while bench.mods["guard"].role != "down":
        ask("can_leave", "die", budget=10.0)
        bench.mods.settle()
    refusal = ask("can_leave", "ann", budget=10.0)
    assert (refusal.mod, refusal.by_default) == ("guard", True)
    assert "no version of it is live" in refusal.reason
    assert ask("can_enter", "ann", "cave", budget=10.0) is None
    (bench.root / "guard.py").unlink()
    while ask("can_leave", "ann", budget=10.0) is not None:  # until the supervisor has seen it
        bench.mods.settle()
    since = bench.mark()
    bench.save("guard.py", "no python")
    bench.next("guard", since, "refused")
    assert ask("can_leave", "ann", budget=10.0) is not None


def test_a_guard_that_is_down_is_missed_only_for_what_it_asked_for(bench: Any) -> None:
    bench.load(
        "guard", "import os\nfrom fumehood.worker import on\n@on('can_leave', who='die')\ndef guard(who): os._exit(1)\n"
    )
    while bench.mods["guard"].role != "down":
        assert bench.mods.veto("can_leave", "die", budget=10.0).by_default
        bench.mods.settle()
    assert bench.mods.veto("can_leave", "ann", budget=10.0) is None
    assert bench.mods.veto("can_leave", "die", budget=10.0).mod == "guard"
