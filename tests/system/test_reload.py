"""What is saved goes live, what is broken does not, and what ends up live is what is on disk."""

import os
import resource
import time
from collections import Counter

import pytest


def test_two_broken_saves_in_a_row_leave_the_last_good_version_and_its_state(bench, mod):
    for version in (1, 2, 3):
        assert bench.load(mod, bench.counter(version)).version == version
        assert bench.mods[mod].call("count") == [version, version]
    epoch = bench.mods[mod].epoch
    first = bench.load(mod, "def broken(:\n", "refused")
    second = bench.load(mod, "import nothing_of_that_name\n", "refused")
    assert first.diagnostic.kind == "SyntaxError"
    assert second.diagnostic.kind == "ModuleNotFoundError"
    assert bench.mods[mod].call("count") == [4, 3]
    assert bench.mods[mod].epoch == epoch
    fixed = bench.load(mod, bench.counter(6))
    assert (fixed.version, fixed.live_version) == (6, 6)
    assert bench.mods[mod].call("count") == [5, 6]


def test_going_back_to_earlier_bytes_is_a_new_epoch_of_the_earlier_version(bench, mod):
    bench.load(mod, bench.counter(1))
    bench.load(mod, bench.counter(2))
    epoch = bench.mods[mod].epoch
    back = bench.load(mod, bench.counter(1))
    assert back.version == 1
    assert bench.mods[mod].epoch > epoch
    assert bench.mods[mod].call("count") == [1, 1]


def test_a_save_that_changes_no_byte_reloads_nothing(bench, mod):
    bench.load(mod, bench.counter(1))
    bench.mods[mod].call("count")
    epoch, pid, since = bench.mods[mod].epoch, bench.status(mod).pid, bench.mark()
    bench.save(f"{mod}.py", bench.counter(1))
    (bench.root / f"{mod}.py").touch()
    bench.load(f"{mod}_after", bench.counter(1))  # a later save that was noticed: so was the one before it
    bench.load(mod, bench.counter(2))
    assert [r.version for r in bench.mods.receipts(since) if r.mod == mod] == [2]
    assert bench.mods[mod].epoch != epoch
    assert bench.status(mod).pid != pid
    assert bench.mods[mod].call("count") == [2, 2]


def test_ten_saves_at_once_are_at_most_two_reloads_and_end_on_the_last_bytes(bench, mod):
    bench.load(mod, bench.counter(0))
    since = bench.mark()
    for version in range(1, 11):
        bench.save(f"{mod}.py", bench.counter(version))
    seen = since
    while bench.mods[mod].call("count")[1] != 10:
        seen = bench.next(mod, seen).number
    assert bench.mods.settle(30)
    assert len([r for r in bench.mods.receipts(since) if r.mod == mod and r.verdict == "live"]) <= 2
    assert bench.mods[mod].call("count")[1] == 10


def test_constant_saving_does_not_starve_reloads(bench, mod):
    bench.load(mod, bench.counter(0))
    since, began, version = bench.mark(), time.monotonic(), 0
    began_at = time.time()
    while time.monotonic() - began < 5.0:
        version += 1
        bench.save(f"{mod}.py", bench.counter(version))
        until = began + version * 0.05
        while (left := until - time.monotonic()) > 0:
            bench.mods.settle(min(left, 0.05))
            bench.mods.intents()
    live = [r for r in bench.mods.receipts(since) if r.mod == mod and r.verdict == "live"]
    seconds = Counter(int(r.at - began_at) for r in live)
    assert seconds.keys() >= {0, 1, 2, 3, 4}, "in each second there is one"
    assert [r.version for r in live] == sorted({r.version for r in live}), "never an older one, nor the same again"
    assert bench.mods.settle(30)  # the last of them is live: the next verdict is on what follows
    last = bench.load(mod, bench.counter(version + 1))
    assert bench.mods[mod].call("count")[1] == version + 1
    assert last.live_digest == bench.status(mod).target


def test_a_worker_that_is_live_is_scheduled_as_a_batch(bench, mod):
    """So that it never preempts the game: once it went live, after a reload, and after a way back."""
    die = "@on('die')\ndef die():\n    import os\n    os._exit(3)\n"
    bench.load(mod, bench.counter(1))
    assert os.sched_getscheduler(bench.status(mod).pid) == os.SCHED_BATCH
    assert bench.mods[mod].call("count") == [1, 1]
    old = bench.status(mod).pid
    bench.load(mod, bench.counter(2, die))
    assert bench.status(mod).pid != old
    assert os.sched_getscheduler(bench.status(mod).pid) == os.SCHED_BATCH
    assert bench.mods[mod].call("count") == [2, 2]
    since = bench.mark()
    assert not bench.mods[mod].call_outcome("die", timeout=20).ok
    bench.next(mod, since, "rolled back")
    assert bench.status(mod).pid == old
    assert os.sched_getscheduler(old) == os.SCHED_BATCH


def test_a_deleted_mod_is_unloaded(bench, mod):
    bench.load(
        mod, bench.counter(1, "\nfrom fumehood.worker import game\ndef on_unload():\n    game.gone(n=state['n'])\n")
    )
    bench.mods[mod].call("count")
    pid, since = bench.status(mod).pid, bench.mark()
    (bench.root / f"{mod}.py").unlink()
    bench.next(mod, since, "unloaded")
    assert mod not in bench.mods
    assert bench.mods[mod].role == "down"
    assert [(i.name, i.fields) for i in bench.mods.intents() if i.mod == mod] == [("gone", {"n": 1})]
    outcome = bench.mods[mod].call_outcome("count", timeout=1)
    assert type(outcome.error).__name__ == "ModUnavailable"
    assert bench.status(mod).pid == 0 != pid
    assert bench.status(mod).down == "its files are gone"


def test_a_deleted_mod_that_comes_back_is_live_again(bench, mod):
    bench.load(mod, bench.counter(1))
    since = bench.mark()
    (bench.root / f"{mod}.py").unlink()
    bench.next(mod, since, "unloaded")
    bench.load(mod, bench.counter(2))
    assert bench.mods[mod].call("count")[1] == 2


def test_a_renamed_mod_moves(bench, mod):
    bench.load(mod, bench.counter(1))
    since = bench.mark()
    (bench.root / f"{mod}.py").rename(bench.root / f"{mod}_new.py")
    bench.next(f"{mod}_new", since)
    bench.next(mod, since, "unloaded")
    assert bench.mods[f"{mod}_new"].call("count") == [1, 1]
    assert mod not in bench.mods
    assert f"{mod}_new" in bench.mods


def test_the_same_stem_in_two_folders_is_two_mods(bench, mod):
    bench.load(f"{mod}/a/x", bench.counter(1))
    bench.load(f"{mod}/b/x", bench.counter(2))
    assert bench.mods[f"{mod}/a/x"].call("count") == [1, 1]
    assert bench.mods[f"{mod}/b/x"].call("count") == [1, 2]
    bench.load(f"{mod}/a/x", bench.counter(3))
    assert bench.mods[f"{mod}/a/x"].call("count") == [2, 3]
    assert bench.mods[f"{mod}/b/x"].call("count") == [2, 2]


@pytest.mark.parametrize("name", ["two words", "with-dashes", "wétter", "天気", "3d", "class", "a.b", "x'y", "100%"])
def test_names_that_are_no_identifiers(bench, mod, name):
    key = f"{mod[:20]} {name}"
    point = (
        "class Point:\n    x = 1\n@on('keep')\ndef keep():\n    state['p'] = Point()\n"
        "@on('kept')\ndef kept():\n    return state['p'].x\n"
    )
    bench.load(key, bench.counter(1, point))
    bench.mods[key].call("keep")
    bench.load(key, bench.counter(2, point.replace("x = 1", "x = 2")))
    assert bench.mods[key].call("kept") == 2


def test_a_folder_mod_reloads_with_each_of_its_files(bench, mod):
    bench.save(f"{mod}/data/t.json", '{"t": 1}')
    bench.save(f"{mod}/sub.py", "def double(x):\n    return 2 * x\n")
    main = """
import json
from pathlib import Path
from fumehood.worker import on
from .sub import double
T = json.loads((Path(__file__).parent / "data" / "t.json").read_text())["t"]
@on("get")
def get():
    return double(T)
"""
    bench.load(mod, main, file=f"{mod}/__init__.py")
    assert bench.mods[mod].call("get") == 2
    bench.load(mod, '{"t": 5}', file=f"{mod}/data/t.json")
    assert bench.mods[mod].call("get") == 10
    bench.load(mod, "def double(x):\n    return 20 * x\n", file=f"{mod}/sub.py")
    assert bench.mods[mod].call("get") == 100
    broken = bench.load(mod, "def double(x):\n    return 1 +\n", "refused", file=f"{mod}/sub.py")
    assert (broken.diagnostic.file, broken.diagnostic.line) == (f"{mod}/sub.py", 2)
    assert bench.mods[mod].call("get") == 100


def test_one_mods_failures_leave_every_other_epoch_alone(bench, mod):
    others = [f"{mod}_other{i}" for i in range(3)]
    for name in [mod, *others]:
        bench.load(name, bench.counter(1))
    before = {name: (bench.mods[name].epoch, bench.status(name).pid) for name in others}
    bench.load(mod, "raise ValueError\n", "refused")
    bench.load(mod, bench.counter(2, "@on('die')\ndef die():\n    import os\n    os._exit(1)\n"))
    since = bench.mark()
    assert not bench.mods[mod].call_outcome("die").ok
    bench.next(mod, since, "rolled back")
    assert {name: (bench.mods[name].epoch, bench.status(name).pid) for name in others} == before
    assert [bench.mods[name].call("count") for name in others] == [[1, 1]] * 3


def test_a_slow_older_save_never_replaces_a_newer_one(bench, mod, until):
    slow = "import time\nuntil = time.process_time() + 0.3\nwhile time.process_time() < until:\n    pass\n"
    bench.load(mod, bench.counter(1))
    since = bench.mark()
    bench.save(f"{mod}.py", bench.counter(2, slow))
    until(lambda: not bench.mods.settle(0), "the slow save is being built")
    bench.save(f"{mod}.py", bench.counter(3))
    receipt = bench.next(mod, since)
    assert bench.mods.settle(30)
    assert bench.mods[mod].call("count")[1] == 3
    live = [r.version for r in bench.mods.receipts(since) if r.mod == mod and r.verdict == "live"]
    assert live == [receipt.version] == [bench.mods[mod].version]


def test_settle_is_about_what_is_on_disk_whether_or_not_it_was_noticed(launched, tmp_path):
    """With a watcher that looks every 2 s: it has noticed nothing of this when settle() is called."""
    with launched(tmp_path, watcher="polling") as bench:
        for version in (1, 2, 3):
            bench.save("it.py", bench.counter(version))
            assert bench.mods.settle(30)
            assert bench.mods["it"].call("count") == [version, version]
        bench.save("it.py", bench.counter(4))
        assert not bench.mods.settle(0), "what is on disk is not what runs"
        assert bench.mods.settle(30)
        assert bench.mods["it"].call("count") == [4, 4]
        assert bench.mods.settle(0), "with no time at all it says how things stand"
        (bench.root / "it.py").unlink()
        assert bench.mods.settle(30)
        assert "it" not in bench.mods
        bench.save("other.py", "def broken(:\n")
        assert bench.mods.settle(30)
        assert bench.mods.receipts()[-1].verdict == "refused"


def test_saves_that_the_game_does_not_take_leave_nothing_behind(launched, tmp_path, until):
    """It sleeps: each version is offered, passed over by the next, and gets no receipt."""
    size, saves = 4_000_000, 40
    with launched(tmp_path, reload_interval=0.01) as bench:
        bench.load("it", bench.counter(0))
        before = bench.supervisor.memory_info().rss
        for version in range(1, saves + 1):
            settled = bench.status("it").target
            bench.save("it.py", bench.counter(version, "#" + "x" * size))
            until(lambda settled=settled: bench.status("it").target != settled, "it is what ought to be live")
        grown = bench.supervisor.memory_info().rss - before
        assert grown < saves / 2 * size, "what may still be loaded is kept: some ten of them"
        assert bench.mods.settle(30)
        assert bench.mods["it"].call("count") == [1, saves]


def test_names_that_come_and_go_leave_descriptors_for_who_is_there(launched, tmp_path, until):
    """Each name keeps some for good. With none left no process could be born, and the zygote was given up: the end."""
    said = tmp_path / "said"
    with launched(tmp_path / "mods", said=said) as bench:
        bench.load("honest", bench.counter(1))
        room = 8 * 2 + 64 + 40
        resource.prlimit(bench.supervisor.pid, resource.RLIMIT_NOFILE, [bench.supervisor.num_fds() + room] * 2)
        for number in range(room):
            bench.save(f"name{number}.py", "")
            assert bench.mods.settle(30)
            if f"name{number}" not in bench.names():
                break
            (bench.root / f"name{number}.py").unlink()
            assert bench.mods.settle(30)
        assert 0 < number < 9, "they are turned away while there is room for others"
        until(lambda: f"name{number}: cannot be taken in: too few descriptors" in said.read_text(), "it is said why")
        for version in range(2, 6):
            bench.load("honest", bench.counter(version))
        assert bench.mods["honest"].call("count") == [1, 5]
