"""A call that waited for the swap is answered before the worker says that it is live. However long it takes, the
version was live all the time, and nobody takes its slowness for something else."""

from fumehood.runner import Limits

SLOW = """
import time
from fumehood.worker import on

first = True

@on("count")
def count(die=False):
    global first
    if die:
        import os
        os._exit(3)
    if first:
        first = False
        time.sleep({handler})
    return [{version}]

def on_load():
    time.sleep({on_load})
"""


def slow(version, handler=0.0, on_load=0.0):
    return SLOW.format(version=version, handler=handler, on_load=on_load)


def begin(bench, mod, version):
    """Call until `version` is adopted, and leave one call in its ring that it begins as soon as it can."""
    while bench.mods[mod].version != version:
        bench.mods[mod].call_outcome("count", timeout=0.005)
    return bench.mods[mod].call_outcome("count", timeout=0.03)


def test_the_deadline_of_loading_does_not_count_the_first_call(launched, tmp_path):
    with launched(tmp_path / "mods", limits=Limits(load_timeout=2.0, hang_after=20.0)) as bench:
        bench.load("m", slow(1))
        for version in (2, 3, 4):
            since = bench.mark()
            bench.save("m.py", slow(version, handler=1.2, on_load=1.2))
            begin(bench, "m", version)
            assert bench.next("m", since).version == version
            assert bench.mods["m"].call("count", timeout=20) == [version]


def test_a_version_that_is_passed_over_during_its_first_call_is_the_way_back(launched, tmp_path):
    with launched(tmp_path / "mods", limits=Limits(hang_after=5.0)) as bench:
        bench.load("m", slow(1))
        since = bench.mark()
        bench.save("m.py", slow(2, handler=0.3))
        begin(bench, "m", 2)
        bench.save("m.py", slow(3))
        assert bench.next("m", since).version == 2, "it was live, and has its receipt"
        while bench.mods["m"].version != 3:
            bench.mods.status()
        assert bench.mods["m"].call("count", timeout=20) == [3]
        assert type(bench.mods["m"].call_outcome("count", True, timeout=20).error).__name__ == "ModCrashed"
        assert bench.mods["m"].call("count", timeout=20) == [2]


def test_one_that_is_told_to_stop_begins_no_further_message(launched, tmp_path):
    with launched(tmp_path / "mods", limits=Limits(drain_timeout=0.5, hang_after=5.0)) as bench:
        bench.load("m", slow(1))
        bench.save("m.py", slow(2, handler=0.5, on_load=0.6))
        begin(bench, "m", 2)
        since = bench.mark()
        bench.save("m.py", slow(3))
        assert bench.next("m", since).version == 3
        assert bench.mods["m"].call("count", timeout=20) == [3]
        assert bench.status("m").lost_posts == 0


def test_its_slowness_is_not_the_hand_overs(launched, tmp_path):
    with launched(tmp_path / "mods", limits=Limits(hang_after=5.0)) as bench:
        bench.load("m", slow(1))
        for version in range(2, 6):
            since = bench.mark()
            bench.save("m.py", slow(version, handler=0.3))
            outcome = begin(bench, "m", version)
            while type(outcome.error).__name__ == "ModTimeout" and outcome.error.handing_over:  # not begun by then
                outcome = bench.mods["m"].call_outcome("count", timeout=0.03)
            assert outcome.error is None or "no answer within" in str(outcome.error), outcome
            assert bench.next("m", since).version == version
            assert bench.mods["m"].call("count", timeout=20) == [version]


STARTED_BEFORE = """
    found = grip()["Serving"]
    found._up.store64(_ring.STARTED, 2**62)
"""


def test_one_that_says_it_serves_before_it_does_is_held_to_what_serving_means(launched, tmp_path):
    """It stores STARTED in on_load, with a call waiting, and never comes back: seen as live, and then as hanging."""
    with launched(tmp_path / "mods", limits=Limits(hang_after=0.4, load_timeout=5.0)) as bench:
        bench.load("m", slow(1))
        since = bench.mark()
        forging = "def on_count(): return [2]\ndef on_load():" + STARTED_BEFORE + "    while True: pass\n"
        bench.save("m.py", bench.hostile(forging))
        while bench.mods["m"].version != 2:
            bench.mods["m"].call_outcome("count", timeout=0.005)
        assert not bench.mods["m"].call_outcome("count", timeout=0.01).ok
        receipt = bench.next("m", since, "rolled back")
        assert (receipt.version, receipt.diagnostic.kind) == (2, "LimitExceeded"), receipt
        assert "hang_after" in receipt.diagnostic.message
        assert bench.mods["m"].call("count", timeout=20) == [1]
