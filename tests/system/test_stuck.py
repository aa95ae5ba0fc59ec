"""What could leave a mod, or the game that talks to it, stuck: each ends in a verdict or a typed outcome instead."""

import os
import select

import pytest
from fumehood.runner.inbox import MOST_INTENT_BYTES
from fumehood.shared.errors import ModCrashed, ModTimeout, ModUnavailable
from fumehood.shared.policy import Limits

BROKEN = """
def on_load():
    raise RuntimeError("broken {n}")
"""


def test_after_many_versions_that_never_got_live_a_good_one_does(bench, mod):
    """A slot whose worker is gone is left although nobody came after it."""
    for n in range(6):
        assert bench.load(mod, BROKEN.format(n=n), "down").diagnostic.message == f"broken {n}"
        assert list(bench.mods.intents()) == []
    bench.load(mod, bench.counter(7))
    assert bench.mods[mod].call("count") == [1, 7]


def test_a_call_to_a_mod_that_goes_down_is_told_at_once(bench, mod):
    """Not left to its deadline: the word that nobody serves does not hide the death of who served."""
    bench.load(mod, "import os\nfrom fumehood.worker import on\n@on('die')\ndef die(): os._exit(3)\n")
    for _ in range(8):
        with pytest.raises((ModCrashed, ModUnavailable)):
            bench.mods[mod].call("die", timeout=30)
    assert bench.status(mod).down


BUSY = """
from fumehood.worker import game
@on("busy")
def busy():
    game.begun()
    while True: pass
"""


def test_a_handler_that_outlasts_drain_timeout_does_not_hold_the_next_version(launched, tmp_path, until):
    """No other limit ends it. What it had in hand is lost and counted; what waited behind it is not."""
    limits = Limits(drain_timeout=0.2, hang_after=3600.0, load_timeout=60.0)
    with launched(tmp_path / "mods", limits=limits) as bench:
        bench.load("a", bench.counter(1, BUSY))
        assert bench.mods["a"].call("count") == [1, 1]
        until(lambda: bench.status("a").state_bytes, "a checkpoint")
        old = os.pidfd_open(bench.status("a").pid)
        try:
            assert bench.mods["a"].post("busy")
            until(lambda: [i for i in bench.mods.intents() if i.name == "begun"], "it is in hand")
            assert bench.mods["a"].post("count")
            receipt = bench.load("a", bench.counter(2))
            assert (receipt.version, receipt.live_version) == (2, 2)
            assert select.select([old], [], [], 20)[0], "the old one is killed"
        finally:
            os.close(old)
        assert bench.mods["a"].call("count", timeout=20) == [3, 2], "the post that waited was handled, by the new one"
        assert bench.status("a").lost_posts == 1
        assert (bench.status("a").rollbacks, bench.status("a").standby) == (0, 0)


FLOOD = """
@on("flood")
def flood():
    port = grip()["Port"]
    message = pack([4, "noise", {}])
    while True:
        port.push(message)
"""


def test_a_flood_does_not_outlast_the_deadline_of_a_call(bench, mod):
    """What a mod says without end does not keep the game from looking at the clock."""
    bench.load(mod, bench.hostile(FLOOD))
    with pytest.raises(ModTimeout):
        bench.mods[mod].call("flood", timeout=0.05)
    assert bench.status(mod).pid, "nobody had to be killed for it"
    assert bench.status(mod).rollbacks == 0
    assert bench.mods.intents()


BULK = """
from fumehood.worker import game, on
@on("bulk")
def bulk(size, count):
    for n in range(count):
        game.noise(n=n, data="x" * size)
"""


def test_few_and_large_intents_are_bounded_as_many_and_small_ones(bench, mod):
    """What a mod says takes a bounded part of the game's memory; what is over is counted."""
    bench.load(mod, BULK)
    dropped = bench.mods.statistics()["dropped_intents"]
    for _ in range(40):
        bench.mods[mod].call("bulk", 50_000, 1, timeout=10)
    kept = [intent for intent in bench.mods.intents() if intent.mod == mod]
    assert 0 < len(kept) <= MOST_INTENT_BYTES // 50_000
    assert bench.mods.statistics()["dropped_intents"] - dropped >= 40 - len(kept)
    bench.mods[mod].call("bulk", 1, 100, timeout=10)
    assert [intent.fields["n"] for intent in bench.mods.intents() if intent.mod == mod] == list(range(100))


def test_intents_past_their_limit_are_dropped_and_counted(launched, tmp_path):
    """The limit is the mod's: a manifest may lower it, and a second look of the game starts anew."""
    lower = "# /// script\n# [tool.fumehood.limits]\n# intents_per_frame = 2\n# ///\n"
    with launched(tmp_path / "mods", limits=Limits(intents_per_frame=5)) as bench:
        bench.load("five", BULK)
        bench.load("two", lower + BULK)

        def kept(name):
            bench.mods[name].call("bulk", 0, 50, timeout=10)
            return [intent.fields["n"] for intent in bench.mods.intents() if intent.mod == name]

        assert kept("five") == [0, 1, 2, 3, 4]
        assert bench.mods.statistics()["dropped_intents"] == 45
        assert kept("two") == [0, 1]
        assert bench.mods.statistics()["dropped_intents"] == 45 + 48
        assert kept("five") == [0, 1, 2, 3, 4]
        assert bench.mods.statistics()["dropped_intents"] == 45 + 48 + 45


FULL = """
from fumehood.worker import QueueFull, on
@on("{name}")
def crowd(): raise QueueFull("game.word(): the game has not read what was said before")
"""


def test_a_game_that_reads_too_little_is_not_the_mods_fault(bench, mod):
    """It shows as QueueFull in the mod, which is no burst of errors of its own."""
    bench.load(mod, bench.counter(1))
    bench.load(mod, FULL.format(name=mod))
    for _ in range(20):
        assert bench.mods.emit(mod, budget=20).failed[mod].kind == "QueueFull"
    bench.mods.settle(20)
    assert bench.status(mod).rollbacks == 0


VETO = """
@on("arm")
def arm():
    link = grip()["Link"]
    empty = {"events": [], "filters": {}, "stages": {}}
    bound = pack({"type": "Bound", **empty, "state_version": 0, "has_selftest": False})
    def tell(report): os.write(link._fd, bound)
    link.tell = tell
@on("work")
def work(): return 1
"""


def test_a_live_version_cannot_have_the_next_one_refused(bench, mod):
    """Its answer to a checkpoint is not taken for the candidate's."""
    bench.load(mod, bench.hostile(VETO))
    bench.mods[mod].call("arm", timeout=5)
    bench.mods[mod].call("work", timeout=5)
    assert bench.load(mod, bench.counter(2), None).verdict == "live"
