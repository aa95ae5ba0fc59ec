"""What a mod keeps in `state` goes from version to version, back again, and over the death of its worker."""

import os
import signal

import pytest

KEEPER = """
from fumehood.worker import on, state
V = {version}
{more}
@on("put")
def put(key, value): state[key] = value
@on("get")
def get(): return dict(state)
@on("die")
def die(): __import__("os")._exit(3)
"""


def keeper(version, more=""):
    return KEEPER.format(version=version, more=more)


def test_state_is_carried_over_a_reload_as_it_is(bench, mod):
    bench.load(mod, keeper(1))
    value = {"list": [1, 2.5, None, True, "ü"], "bytes": b"\0\xff", "nested": {"a": {"b": [{}]}}}
    bench.mods[mod].call("put", "x", value)
    bench.load(mod, keeper(2))
    assert bench.mods[mod].call("get") == {"x": value}


def test_one_object_in_two_places_stays_one(bench, mod):
    more = """
@on("twice")
def twice(): state["a"] = state["b"] = []
@on("same")
def same():
    state["a"].append(1)
    return state["b"]
"""
    bench.load(mod, keeper(1, more))
    bench.mods[mod].call("twice")
    bench.load(mod, keeper(2, more))
    assert bench.mods[mod].call("same") == [1]


def test_instances_of_the_mods_own_classes_run_the_new_code(bench, mod):
    more = """
class Cow:
    def __init__(self): self.milk = 1
    def give(self): return [{word!r}, self.milk]
@on("buy")
def buy(): state["cow"] = Cow()
@on("milk")
def milk(): return [*state["cow"].give(), isinstance(state["cow"], Cow)]
"""
    bench.load(mod, keeper(1, more.format(word="old")))
    bench.mods[mod].call("buy")
    assert bench.mods[mod].call("milk") == ["old", 1, True]
    bench.load(mod, keeper(2, more.format(word="new")))
    assert bench.mods[mod].call("milk") == ["new", 1, True]


def test_classes_of_a_folder_mods_parts_travel_too(bench, mod):
    bench.save(f"{mod}/parts.py", "class Part:\n    size = 1\n")
    main = keeper(
        1,
        "from .parts import Part\n@on('make')\ndef make(): state['p'] = Part()\n@on('size')\n"
        "def size(): return state['p'].size\n",
    )
    bench.load(mod, main, file=f"{mod}/__init__.py")
    bench.mods[mod].call("make")
    bench.load(mod, "class Part:\n    size = 2\n", file=f"{mod}/parts.py")
    assert bench.mods[mod].call("size") == 2


def test_migrate_gets_the_old_state_and_its_version(bench, mod):
    bench.load(mod, keeper(1, "STATE_VERSION = 3"))
    bench.mods[mod].call("put", "n", 7)
    migrate = "STATE_VERSION = 5\ndef migrate(old, version): return {'m': old['n'] * 10, 'was': version}\n"
    bench.load(mod, keeper(2, migrate))
    assert bench.mods[mod].call("get") == {"m": 70, "was": 3}
    bench.load(mod, keeper(3, migrate))
    assert bench.mods[mod].call("get") == {"m": 70, "was": 3}, "of the same version: not migrated again"


def test_migrate_may_change_the_old_state_in_place(bench, mod):
    bench.load(mod, keeper(1))
    bench.mods[mod].call("put", "n", 7)
    bench.load(mod, keeper(2, "STATE_VERSION = 2\ndef migrate(old, version): old['n'] += 1\n"))
    assert bench.mods[mod].call("get") == {"n": 8}


def test_a_rehearsed_migration_leaves_no_trace_when_it_is_refused(bench, mod):
    bench.load(mod, keeper(1))
    bench.mods[mod].call("put", "n", [7])
    bad = "STATE_VERSION = 2\ndef migrate(old, version):\n    old['n'].append(8)\n    raise KeyError('n')\n"
    receipt = bench.load(mod, keeper(2, bad), "refused")
    assert (receipt.diagnostic.stage, receipt.diagnostic.kind) == ("rehearse", "KeyError")
    assert bench.mods[mod].call("get") == {"n": [7]}


def test_a_mod_that_never_had_a_state_does_not_migrate(bench, mod):
    bench.load(mod, keeper(1, "def on_load(): pass"))
    bench.load(mod, keeper(2, "STATE_VERSION = 2\ndef migrate(old, version): return {**old, 'migrated': version}\n"))
    assert bench.mods[mod].call("get") in ({}, {"migrated": 1})


def test_a_rollback_to_older_code_gets_the_state_it_can_read(bench, mod):
    """What version 2 migrated the old code cannot load: it resumes from what it handed over itself."""
    bench.load(mod, keeper(1))
    bench.mods[mod].call("put", "n", 7)
    bench.load(mod, keeper(2, "STATE_VERSION = 2\ndef migrate(old, version): return {'m': old['n']}\n"))
    assert bench.mods[mod].call("get") == {"m": 7}
    since = bench.mark()
    assert not bench.mods[mod].call_outcome("die").ok
    bench.next(mod, since, "rolled back")
    assert bench.mods[mod].call("get", timeout=20) == {"n": 7}


def test_a_state_that_did_not_load_on_a_rollback_is_named_in_the_receipt(bench, mod, until):
    bench.load(mod, keeper(1))
    bench.mods[mod].call("put", "n", 7)
    bench.load(mod, keeper(2, "STATE_VERSION = 2\ndef migrate(old, version): return {'m': old['n']}\n"))
    bench.mods[mod].call("put", "x", "y" * 1000)
    until(lambda: bench.status(mod).state_bytes > 1000, "a checkpoint of the second version")
    since = bench.mark()
    assert not bench.mods[mod].call_outcome("die").ok
    receipt = bench.next(mod, since, "rolled back")
    assert "there is no migrate" in receipt.state_note
    assert "from an older one" in receipt.state_note
    assert bench.mods[mod].call("get", timeout=20) == {"n": 7}


UNCARRIED = [
    "lambda: 1",
    "open(__file__)",
    "(x for x in ())",
    "__import__('threading').Lock()",
    "type('Local', (), {})()",
]


def test_what_must_not_be_carried_is_named_by_its_path_and_costs_only_what_came_after(bench, mod, until):
    """The swap goes on with the newest state that could be taken: a version that mends it must be able to come."""
    spoil = "@on('spoil')\ndef spoil():\n    state['n'] = 2\n    state['jobs'] = {{'deep': [0, {}]}}\n"
    mods = {f"{mod}_{i}": spoil.format(what) for i, what in enumerate(UNCARRIED)}
    for name, more in mods.items():
        bench.load(name, keeper(1, more))
        bench.mods[name].call("put", "n", "x" * 100)
    for name in mods:
        until(lambda name=name: bench.status(name).state_bytes > 100, "a checkpoint with n in it")
        bench.mods[name].call("spoil")
    for name, more in mods.items():
        until(lambda name=name: bench.status(name).state_error, "the next checkpoint is refused")
        assert "state['jobs']['deep'][1]" in bench.status(name).state_error
        assert bench.mods[name].call("put", "m", 1) is None, "the mod itself goes on"
        bench.load(name, keeper(2, more))
        assert bench.mods[name].call("get") == {"n": "x" * 100}
        bench.mods[name].call("put", "n", 3)
    for name in mods:
        until(lambda name=name: not bench.status(name).state_error, "a state that can be taken again")


def test_a_state_over_its_limit_is_refused_and_says_so(bench, mod, until):
    bench.load(mod, keeper(1, "@on('grow')\ndef grow(): state['big'] = b'x' * (5 << 20)\n"))
    bench.mods[mod].call("grow")
    until(lambda: "state_bytes" in bench.status(mod).state_error, "the checkpoint is refused")
    assert bench.mods[mod].call("put", "m", 2) is None


def test_a_large_state_is_carried(bench, mod):
    bench.load(
        mod,
        keeper(
            1,
            "@on('grow')\ndef grow(): state['big'] = b'x' * (2 << 20)\n@on('size')\n"
            "def size(): return len(state['big'])\n",
        ),
    )
    bench.mods[mod].call("grow")
    bench.load(mod, keeper(2, "@on('size')\ndef size(): return len(state['big'])\n"))
    assert bench.mods[mod].call("size", timeout=20) == 2 << 20


@pytest.mark.parametrize("standby", [True, False], ids=["with a standby", "alone"])
def test_a_checkpoint_made_by_itself_survives_kill_9_of_the_worker(bench, mod, until, standby):
    if standby:
        bench.load(mod, keeper(1))
    bench.load(mod, keeper(2))
    bench.mods[mod].call("put", "x", "y" * 1000)
    until(lambda: bench.status(mod).state_bytes > 1000, "a checkpoint with x in it")
    since = bench.mark()
    os.kill(bench.status(mod).pid, signal.SIGKILL)
    receipt = bench.next(mod, since, "rolled back")
    assert bench.mods[mod].call("get", timeout=20) == {"x": "y" * 1000}
    assert receipt.state_age_ms is not None


def test_a_state_whose_loading_runs_wild_ends_only_its_worker(bench, mod):
    """Unpickling runs the mod's code: in the candidate, which is refused."""
    more = (
        "class Trap:\n    def __setstate__(self, _): {}\n    x = 1\n@on('set')\n"
        "def set_(): state['t'] = Trap(); state['t'].y = 1\n"
    )
    bench.load(mod, keeper(1, more.format("pass")))
    bench.mods[mod].call("set")
    for version, how in ((2, "1 / 0"), (3, "__import__('os')._exit(1)"), (4, "exec('while True: pass')")):
        receipt = bench.load(mod, keeper(version, more.format(how)), "refused")
        assert receipt.diagnostic.stage == "rehearse"
        assert bench.mods[mod].version == 1
    assert bench.mods[mod].call("put", "n", 1) is None


def test_on_load_finds_the_state_and_import_does_not(bench, mod):
    more = """
AT_IMPORT = dict(state)
def on_load(): state.setdefault("loads", []).append(V)
@on("imported")
def imported(): return AT_IMPORT
"""
    for version in (1, 2, 3):
        bench.load(mod, keeper(version, more))
    assert bench.mods[mod].call("get") == {"loads": [1, 2, 3]}
    assert bench.mods[mod].call("imported") == {}


def test_bytes_that_are_no_state_are_not_taken_and_block_no_later_version(bench, mod, until):
    """A live version wrote them; every later one was refused for them, and quarantined."""
    spoil = """
import os, sys
from fumehood.shared.messages import Carried
@on("spoil")
def spoil():
    frame = sys._getframe()
    while "restored" not in dir(frame.f_locals.get("self")):
        frame = frame.f_back
    worker = frame.f_locals["self"]
    os.pwrite(worker.state_fd, b"garbage!" * 10, 0)
    worker.save = lambda: (Carried(80, 1), "")
"""
    bench.load(mod, keeper(1, spoil))
    bench.mods[mod].call("put", "x", "y" * 1000)
    until(lambda: bench.status(mod).state_bytes > 1000, "a checkpoint with x in it")
    bench.mods[mod].call("spoil")
    until(lambda: "do not begin as a saved state" in bench.status(mod).state_error, "the next one is not taken")
    receipt = bench.load(mod, keeper(2))
    assert "do not begin as a saved state" in receipt.state_note
    assert bench.mods[mod].call("get", timeout=20) == {"x": "y" * 1000}
    bench.mods[mod].call("put", "x", 1)
    until(lambda: not bench.status(mod).state_error, "a state that can be taken again")
    assert bench.load(mod, keeper(3)).state_note == ""


def test_a_state_that_the_new_code_cannot_read_refuses_it_and_is_kept(bench, mod):
    """Whose fault it is cannot be told, and a state is never dropped silently."""
    bench.load(mod, keeper(1, "class Cow: pass\n@on('buy')\ndef buy(): state['cow'] = Cow()\n"))
    bench.mods[mod].call("buy")
    receipt = bench.load(mod, keeper(2), "refused")
    assert receipt.diagnostic.stage == "rehearse"
    assert "Cow" in receipt.diagnostic.message
    bench.load(mod, keeper(3, "class Cow: pass\n@on('has')\ndef has(): return 'cow' in state\n"))
    assert bench.mods[mod].call("has") is True


@pytest.mark.parametrize("standby", [True, False], ids=["with a standby", "alone"])
def test_effects_that_died_with_a_worker_are_counted_apart_from_posts(bench, mod, until, standby):
    """What was handled after the state was taken is lost with its worker; what was handled before it is not."""
    if standby:
        bench.load(mod, keeper(1))
    bench.load(mod, keeper(2))
    for n in range(20):
        bench.mods[mod].call("put", f"before{n}", "y" * 100)
    until(lambda: bench.status(mod).state_bytes > 2000, "a checkpoint with all of them in it")
    for n in range(7):  # within a second of it: the next checkpoint may come in between, and then covers some
        bench.mods[mod].call("put", f"after{n}", n)
    since = bench.mark()
    assert not bench.mods[mod].call_outcome("die").ok
    receipt = bench.next(mod, since, "rolled back")
    kept = bench.mods[mod].call("get", timeout=20)
    assert len([key for key in kept if key.startswith("before")]) == 20
    lost = 27 - len(kept)
    assert lost <= receipt.lost_effects <= lost + 1, "one begun while the state was asked for is counted all the same"
    assert (bench.status(mod).lost_effects, bench.status(mod).lost_posts) == (receipt.lost_effects, 0)
    assert receipt.state_age_ms > 0
