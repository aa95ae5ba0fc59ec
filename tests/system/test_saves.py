"""Save slots: every mod's state at one point between frames, and all of them started anew from it."""

import os
import signal
import sys
from pathlib import Path

import pytest
from fumehood.runner import Limits, SaveError, UsageError, describe_save
from fumehood.runner.savefile import SavedMod, packed, unpacked
from fumehood.shared.saved import OURS

KEEPER = """
from fumehood.worker import game, on, state
V = {version}
{more}
@on("put")
def put(key, value): state[key] = value
@on("add")
def add(n):
    state["sum"] = state.get("sum", 0) + n
    game.added(n=n)
@on("get")
def get(): return dict(state)
@on("version")
def version(): return V
@on("die")
def die(): __import__("os")._exit(3)
"""
HANGS = """
class Hangs:
    def __reduce__(self):
        while True: pass
@on("spoil")
def spoil(): state["h"] = Hangs()
"""


def keeper(version=1, more=""):
    return KEEPER.format(version=version, more=more)


@pytest.fixture
def alone(root, launched):
    """A bench of the test's own: a save is of all mods, and a load starts all of them anew."""
    with launched(root.root) as bench:
        yield bench


def test_what_was_saved_is_restored(alone):
    for name in ("a", "b"):
        alone.load(name, keeper())
        alone.mods[name].call("put", "x", [name, {"deep": 1}])
    data = alone.mods.save()
    assert type(data) is bytes
    info = describe_save(data)
    assert set(info.mods) == {"a", "b"}
    assert not info.stale
    for name in ("a", "b"):
        alone.mods[name].call("put", "x", "later")
    report = alone.mods.load(data)
    assert report.ok, report
    assert report.restored == ["a", "b"]
    for name in ("a", "b"):
        assert alone.mods[name].call("get") == {"x": [name, {"deep": 1}]}, "at once: no old state is seen"
        assert alone.mods[name].call("version") == 1
    assert {r.mod for r in alone.mods.receipts() if r.cause == "load"} == {"a", "b"}
    assert alone.status("a").diagnostic is None


def test_posts_before_a_save_are_in_it_and_those_after_it_are_not(alone):
    """A command overtakes what lies in the ring: the save waits until that is handled."""
    alone.load("a", keeper(more="import time\n@on('slow')\ndef slow(): time.sleep(0.05)\n"))
    mod = alone.mods["a"]
    for _ in range(5):
        mod.post("slow")
        mod.post("add", 1)
    data = alone.mods.save()
    mod.post("add", 100)
    assert mod.call("get") == {"sum": 105}
    assert alone.mods.load(data).restored == ["a"]
    assert mod.call("get") == {"sum": 5}


def test_posts_and_intents_before_a_load_are_of_the_game_before_it(alone):
    alone.load("a", keeper())
    mod = alone.mods["a"]
    data = alone.mods.save()
    for _ in range(20):
        mod.post("add", 1)
    assert alone.mods.load(data).ok
    assert mod.call("get") == {}
    mod.call("add", 7)
    assert [(i.name, i.fields) for i in alone.mods.intents()] == [("added", {"n": 7})]
    assert alone.mods.statistics()["dropped_intents"] == 20


def test_migrate_runs_for_an_older_state_and_a_newer_one_is_left_alone(alone):
    alone.load("a", keeper())
    alone.load("b", keeper(more="STATE_VERSION = 3"))
    for name in ("a", "b"):
        alone.mods[name].call("put", "n", 7)
    data = alone.mods.save()
    migrate = "STATE_VERSION = 2\ndef migrate(old, version): return {'m': old.get('n'), 'was': version}\n"
    alone.load("a", keeper(2, migrate))
    alone.load("b", keeper(2, migrate))
    alone.mods["b"].call("put", "own", 1)
    before = alone.mods["b"].call("get")
    report = alone.mods.load(data)
    assert (report.migrated, list(report.newer), report.ok) == (["a"], ["b"], False)
    assert "STATE_VERSION 3" in report.newer["b"]
    assert alone.mods["a"].call("get") == {"m": 7, "was": 1}
    assert alone.mods["a"].call("version") == 2, "the code that is live, not the one that was"
    assert alone.mods["b"].call("get") == before


def test_mods_that_are_missing_or_not_in_the_save(alone):
    alone.load("gone", keeper())
    alone.mods["gone"].call("put", "n", 1)
    alone.load("there", keeper())
    data = alone.mods.save()
    since = alone.mark()
    (alone.root / "gone.py").unlink()
    alone.next("gone", since, "unloaded")
    alone.load("new", keeper(more="def on_load(): state['loads'] = state.get('loads', 0) + 1"))
    alone.mods["new"].call("put", "n", 1)
    strange = packed([*unpacked(data).mods, SavedMod("no\x1bsuch", 1, "", 1, 0.0, "", OURS)])
    report = alone.mods.load(strange)
    assert report.restored == ["there"]
    assert set(report.missing) == {"gone", r"no\x1bsuch"}
    assert set(report.stateless) == {"new"}
    assert alone.mods["new"].call("get") == {"loads": 1}, "it starts empty"
    alone.load("gone", keeper(2))
    assert alone.mods["gone"].call("get") == {"n": 1}, "one that was there gets its state when it comes back"


def test_a_state_that_does_not_load_is_reported_and_the_mod_goes_on(alone):
    cow = "class Cow: pass\n@on('buy')\ndef buy(): state['cow'] = Cow()\n@on('has')\ndef has(): return sorted(state)\n"
    alone.load("a", keeper(1, cow))
    alone.mods["a"].call("buy")
    data = alone.mods.save()
    alone.load("a", keeper(2, cow + "@on('sell')\ndef sell(): del state['cow']\n"))
    alone.mods["a"].call("sell")
    alone.load("a", keeper(3))
    alone.mods["a"].call("put", "mine", 1)
    report = alone.mods.load(data)
    assert "Cow" in report.refused["a"].message
    assert alone.mods["a"].call("get") == {"mine": 1}
    receipt = alone.mods.receipts()[-1]
    assert (receipt.cause, receipt.verdict) == ("load", "refused")
    assert alone.status("a").diagnostic is None, "what is on disk is live"


def test_an_on_load_that_fails_goes_back_to_what_it_had(alone):
    more = "def on_load():\n    if state.get('n') == 1 and state.get('armed'): raise RuntimeError('not again')\n"
    alone.load("a", keeper(1, more))
    alone.mods["a"].call("put", "n", 1)
    alone.mods["a"].call("put", "armed", True)
    data = alone.mods.save()
    alone.mods["a"].call("put", "n", 2)
    report = alone.mods.load(data)
    assert "not again" in report.refused["a"].message
    assert alone.mods["a"].call("get", timeout=20) == {"n": 2, "armed": True}


def test_a_crash_after_a_load_resumes_from_what_was_loaded(alone):
    alone.load("a", keeper())
    alone.mods["a"].call("put", "n", 1)
    data = alone.mods.save()
    alone.mods["a"].call("put", "n", 2)
    assert alone.mods.load(data).ok
    since = alone.mark()
    os.kill(alone.status("a").pid, signal.SIGKILL)
    alone.next("a", since, "rolled back")
    assert alone.mods["a"].call("get", timeout=20) == {"n": 1}


def test_a_save_survives_a_reload_and_a_rollback(alone):
    alone.load("a", keeper(1))
    alone.mods["a"].call("put", "n", 1)
    data = alone.mods.save()
    alone.load("a", keeper(2))
    alone.mods["a"].call("put", "n", 2)
    second = alone.mods.save()
    assert alone.mods.load(data).ok
    assert (alone.mods["a"].call("get"), alone.mods["a"].call("version")) == ({"n": 1}, 2)
    alone.load("a", keeper(3))
    since = alone.mark()
    assert not alone.mods["a"].call_outcome("die").ok
    alone.next("a", since, "rolled back")
    assert alone.mods["a"].call("version", timeout=20) == 2
    assert alone.mods.load(second).ok
    assert alone.mods["a"].call("get") == {"n": 2}


def test_a_save_while_a_reload_is_on_its_way(alone):
    """The game adopts while it waits; whichever version answers, the state is that of the save's point."""
    alone.load("a", keeper(1))
    alone.mods["a"].call("put", "n", 1)
    for version in range(2, 8):
        since, before = alone.mark(), alone.mods["a"].digest
        alone.save("a.py", keeper(version))
        alone.mods["a"].post("add", 1)
        data = alone.mods.save()
        assert not describe_save(data).stale
        alone.next("a", since, besides=before)
        assert alone.mods["a"].call("get", timeout=20) == {"n": 1, "sum": version - 1}
        assert alone.mods.load(data).ok
        assert alone.mods["a"].call("get") == {"n": 1, "sum": version - 1}


def test_a_large_state_travels(alone):
    alone.load("a", keeper(1, "@on('grow')\ndef grow(): state['b'] = b'x' * (3 << 20)\n"))
    alone.mods["a"].call("grow")
    data = alone.mods.save()
    assert len(data) > 3 << 20
    alone.mods["a"].call("put", "b", b"")
    assert alone.mods.load(data).ok
    assert len(alone.mods.save()) > 3 << 20


def test_bytes_that_are_no_save_and_timeouts_that_are_none(alone):
    for wrong in (b"", b"nothing", None, alone.mods.save()[:-1]):
        with pytest.raises(SaveError):
            alone.mods.load(wrong)
    for act in (alone.mods.save, lambda timeout: alone.mods.load(packed([]), timeout)):
        for wrong in ("soon", float("nan"), None):
            with pytest.raises(UsageError, match="timeout"):
                act(timeout=wrong)


def test_a_state_of_another_python_is_reported_and_not_restored(alone):
    alone.load("a", keeper())
    alone.mods["a"].call("put", "n", 1)
    (saved,) = unpacked(alone.mods.save()).mods
    other = b"FHS1" + bytes([3, sys.version_info[1] - 1, 5, 0]) + saved.state[8:]
    too_long = OURS + b"x" * Limits().state_bytes
    for state, word in ((other, "written by Python"), (b"garbage", "do not begin"), (too_long, "state_bytes")):
        data = packed([SavedMod("a", 1, "", 1, 0.0, "", state)])
        assert word in alone.mods.load(data).refused["a"].message
        assert alone.mods["a"].call("get") == {"n": 1}
    trap = packed([SavedMod("a", 1, "", 1, 0.0, "", OURS + b"cos\n_exit\n(I1\ntR.")])
    assert "a" in alone.mods.load(trap).refused, "it ran in the candidate, and ended that alone"
    assert alone.mods["a"].call("get") == {"n": 1}


# ── hostile ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_mod_that_hangs_in_pickling_is_saved_as_it_was_kept(alone, until):
    alone.load("good", keeper())
    alone.mods["good"].call("put", "n", 1)
    alone.load("bad", keeper(1, HANGS))
    alone.mods["bad"].call("put", "x", "y" * 1000)
    until(lambda: alone.status("bad").state_bytes > 1000, "a checkpoint with x in it")
    alone.mods["bad"].call("spoil")
    data = alone.mods.save(timeout=1.0)
    info = describe_save(data)
    assert set(info.stale) == {"bad"}
    assert "in time" in info.stale["bad"]
    assert info.mods["bad"].age > 0
    assert alone.mods.load(data).restored == ["bad", "good"], "the one that hangs is replaced"
    assert alone.mods["bad"].call("get") == {"x": "y" * 1000}


def test_what_cannot_be_pickled_is_named(alone):
    alone.load("bad", keeper(1, "@on('spoil')\ndef spoil(): state['f'] = lambda: 1\n"))
    alone.mods["bad"].call("spoil")
    info = describe_save(alone.mods.save())
    assert "state['f']" in info.stale["bad"]


def test_a_mod_that_dies_when_it_is_saved_does_not_keep_others_from_it(alone):
    dies = "class Dies:\n    def __reduce__(self): __import__('os')._exit(1)\n"
    dies += "@on('spoil')\ndef spoil(): state['d'] = Dies()\n"
    alone.load("good", keeper())
    alone.mods["good"].call("put", "n", 1)
    alone.load("bad", keeper(1, dies))
    alone.mods["bad"].call("spoil")
    info = describe_save(alone.mods.save())
    assert info.mods["good"].age == 0
    assert "good" not in info.stale
    assert "bad" in info.mods


def test_a_mod_that_hangs_in_a_handler_does_not_keep_a_save_from_finishing(alone):
    alone.load("bad", keeper(1, "@on('hang')\ndef hang():\n    while True: pass\n"))
    alone.mods["bad"].call("put", "n", 1)
    alone.mods["bad"].post("hang")
    alone.mods["bad"].post("add", 1)
    data = alone.mods.save(timeout=20)
    assert not describe_save(data).stale, "it was killed, and its successor handled the rest"
    assert alone.mods["bad"].call("get", timeout=20)["sum"] == 1


LIES = """
import threading
class Lies:
    def __init__(self, more): self.more = more
    def __reduce__(self):
        link = grip()["Link"]
        for n in range(10):
            link.tell(Checkpointed(n, {state}, ""))
        return (Lies, (self.more,))
@on("spoil")
def spoil(): state["l"] = Lies(0)
"""


@pytest.mark.parametrize(
    "state",
    [
        "Carried(2**40, 1)",
        "Carried(-1, 1)",
        "Carried(5, 1, b'abc')",
        "Carried(80, 2**40)",
        "Carried(9, 1, b'notours!x')",
    ],
)
def test_a_mod_that_lies_about_its_state_gets_nothing_for_it(alone, state):
    text = alone.hostile(keeper() + LIES.format(state=state)).replace(
        "import pack", "import Carried, Checkpointed, pack"
    )
    alone.load("good", keeper())
    alone.load("bad", text)
    alone.mods["bad"].call("spoil")
    info = describe_save(alone.mods.save(timeout=1.0))
    assert set(info.mods) == {"good", "bad"}
    assert info.mods["bad"].size <= Limits().state_bytes
    assert "cannot be pickled" not in info.stale.get("bad", ""), "it did tell its lies"
    assert "good" not in info.stale
    assert alone.mods.load(packed([])).stateless.keys() == {"bad", "good"}


def test_a_mod_that_floods_the_supervisor_does_not_keep_a_save_from_finishing(alone):
    flood = "@on('flood')\ndef flood():\n    for _ in range(3000): print('x' * 200)\n"
    alone.load("good", keeper())
    alone.load("bad", keeper(1, flood))
    alone.mods["bad"].post("flood")
    info = describe_save(alone.mods.save(timeout=10))
    assert set(info.mods) == {"good", "bad"}
    assert "good" not in info.stale


def test_nothing_is_left_of_saves_and_loads(alone, until):
    def ours():
        return len(list(Path("/proc/self/fd").iterdir()))

    alone.load("a", keeper())
    alone.mods["a"].call("put", "n", 1)
    alone.mods.load(alone.mods.save())
    alone.mods.settle()
    before, theirs = ours(), alone.supervisor.num_fds()
    for _ in range(5):
        data = alone.mods.save()
        assert alone.mods.load(data).ok
    alone.mods.settle()
    assert ours() == before
    until(lambda: alone.supervisor.num_fds() <= theirs + 8, "no more descriptors than before and a spare of its own")


def test_a_save_that_fails_again_and_again_puts_no_version_out(alone):
    more = "def on_load():\n    if state.get('n') == 1 and state.get('armed'): raise RuntimeError('not again')\n"
    alone.load("a", keeper(1, more))
    alone.mods["a"].call("put", "n", 1)
    alone.mods["a"].call("put", "armed", True)
    data = alone.mods.save()
    alone.mods["a"].call("put", "n", 2)
    for _ in range(6):
        assert set(alone.mods.load(data).refused) == {"a"}
        assert alone.mods["a"].call("get", timeout=20) == {"n": 2, "armed": True}
    assert alone.mods["a"].call("version") == 1


def test_a_mod_that_hangs_while_it_loads_does_not_keep_a_load_from_finishing(alone):
    trap = "class Trap:\n    def __setstate__(self, _):\n        while {}: pass\n    x = 1\n"
    trap += "@on('set')\ndef set_(): state['t'] = Trap(); state['t'].y = 1\n@on('clear')\ndef clear(): state.clear()\n"
    alone.load("good", keeper())
    alone.load("bad", keeper(1, trap.format("False")))
    alone.load("slow", keeper(1, "import time\ndef on_load(): time.sleep(0.6 if 'n' in state else 0)\n"))
    alone.mods["bad"].call("set")
    alone.mods["slow"].call("put", "n", 1)
    data = alone.mods.save()
    alone.mods["bad"].call("clear")
    alone.load("bad", keeper(2, trap.format("True")))
    report = alone.mods.load(data)
    assert report.restored == ["good", "slow"]
    assert "rehearse took longer" in report.refused["bad"].message
    assert alone.mods["bad"].call("get") == {}
    report = alone.mods.load(data, timeout=0.3)
    assert {"bad", "slow"} <= report.refused.keys()
    assert "in time" in report.refused["bad"].message
    assert alone.mods["good"].call("version") == 1
    assert alone.mods["bad"].call("version", timeout=20) == 2
    assert alone.mods["slow"].call("get", timeout=20) == {"n": 1}
