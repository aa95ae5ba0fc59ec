"""Mods that make the game work for what they say: each look at them costs a bounded time, and nothing raises."""

import time

import pytest
from fumehood.shared.errors import ModError, ModFailure

DEAR = {
    "keys of one hash": "{(n, -n): 0 for n in range(4000)}",
    "empty lists": "[[] for n in range(60_000)]",
    "lists in lists": "[[[[[[]]]]] for n in range(10_000)]",
}


@pytest.mark.parametrize("value", DEAR.values(), ids=DEAR)
def test_an_answer_that_is_dear_to_decode_fails_its_request(bench, mod, value):
    text = f"from fumehood.worker import game, on\n@on('ask_{mod}')\ndef ask():\n    return {value}\n"
    text += f"@on('say')\ndef say():\n    game.word(value={value})\n    return 1\n"
    bench.load(mod, text)
    with pytest.raises(ModError, match="cannot be read") as caught:
        bench.mods[mod].call(f"ask_{mod}", timeout=20)
    assert caught.value.kind == "PayloadError"
    failed = bench.mods.emit(f"ask_{mod}", budget=20).failed
    assert failed[mod].kind == "PayloadError"
    before = bench.mods.statistics()["dropped_intents"]
    assert bench.mods[mod].call("say", timeout=20) == 1
    assert not [intent for intent in bench.mods.intents() if intent.mod == mod]
    assert bench.mods.statistics()["dropped_intents"] == before + 1


def test_large_answers_of_an_honest_mod_arrive(bench, mod):
    text = "from fumehood.worker import on\n@on('ask')\ndef ask(): return [[n, -n] for n in range(5000)]\n"
    text += "@on('numbers')\ndef numbers(): return list(range(20_000))\n"
    bench.load(mod, text)
    assert bench.mods[mod].call("ask", timeout=20)[4999] == [4999, -4999]
    assert bench.mods[mod].call("numbers", timeout=20)[-1] == 19_999


MAGIC = """
def spoil(): grip()["Serving"]._up.store64(0, 0)
def on_frame(): return V
"""


def test_a_candidate_that_spoils_its_memory_before_it_is_live(bench, mod):
    bench.load(mod, bench.counter(1))
    since = bench.mark()
    bench.save(f"{mod}.py", bench.hostile(MAGIC + "V = 2\nspoil()\n"))
    diagnostic = bench.next(mod, since, "rolled back").diagnostic
    assert "MAGIC" in diagnostic.message
    assert bench.mods[mod].call("count", timeout=20) == [1, 1]


def test_a_game_starts_over_a_mod_that_spoils_its_memory(launched, root):
    root.save("evil.py", root.hostile(MAGIC + "V = 2\nspoil()\n"))
    root.save("good.py", "def on_frame(): return 7\n")
    with launched(root.root) as bench:
        assert bench.mods.emit("frame", budget=20).results == {"good": [7]}
        with pytest.raises(ModFailure):
            bench.mods["evil"].call("frame", timeout=1)


def test_versions_that_spoil_their_memory_leave_no_slot_taken(bench, mod):
    """The game never enters them: it has left them all the same. After four of them no version could be loaded."""
    for n in range(6):
        assert "MAGIC" in bench.load(mod, bench.hostile(MAGIC + f"V = {n}\nspoil()\n"), "down").diagnostic.message
    bench.load(mod, bench.counter(7))
    assert bench.mods[mod].call("count") == [1, 7]


def test_a_standby_that_spoils_its_memory_is_passed_over(launched, until, tmp_path):
    with launched(tmp_path / "mods") as bench:
        bench.load("a", bench.hostile(MAGIC + "V = 1\ndef on_unload(): spoil()\n"))
        bench.load("a", "import os\ndef on_frame(): return 2\ndef on_die(): os._exit(1)\n")
        assert bench.status("a").standby == 1
        bench.mods["a"].post("die")

        def serves():
            report = bench.mods.emit("frame", budget=0.05)
            assert set(report.failed) <= {"a"}
            return report.results.get("a")

        until(serves, "somebody serves again")


FULL = """
def on_unload():
    port, heavy = grip()["Serving"].port, pack([1, 7, [[] for _ in range(9000)]])
    while True:
        while port.push(heavy): pass
"""
PRIMED = """
port, small = grip()["Serving"].port, pack([1, 7, 0])
while port.push(small): pass
"""


def test_two_versions_that_both_fill_their_rings_do_not_freeze_a_frame(launched, tmp_path):
    """The old one's ring is read before each look at the new one's, not before each of its thousand messages."""
    with launched(tmp_path / "mods") as bench:
        bench.load("good", "def on_frame(): return 1\n")
        bench.load("evil", bench.hostile(FULL))
        bench.save("evil.py", bench.hostile(PRIMED))
        answered = 0
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            answered += "good" in bench.mods.emit("frame", budget=0.05).results
            bench.mods.intents()
        assert answered > 10, "a game that froze for a second a look would get no further"


RAISES = """
from fumehood.worker import on
@on("frame")
def frame(): raise ValueError("\\u0488" * 4000)
"""


def test_an_error_is_made_readable_when_it_is_read(bench, mod):
    bench.load(mod, RAISES.replace('"frame"', f'"{mod}"'))
    failed = bench.mods.emit(mod, budget=20).failed[mod]
    assert isinstance(failed, ModError)
    assert failed.kind == "ValueError"
    assert f'File "{mod}.py", line 4' in failed.traceback
