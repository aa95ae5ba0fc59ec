"""What one mod may use: each limit crossed against real processes, and the outcome names it."""

import os
import select
import time

import pytest
from fumehood.shared.policy import MIB, Limits

MOD = """
import time
from fumehood.worker import on, state
V = {version}
@on("work")
def work(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until: pass
    state["n"] = state.get("n", 0) + 1
    return [state["n"], V]
@on("nap")
def nap(seconds): time.sleep(seconds)
"""


def limited(name, value, text):
    """The text of a mod that sets one limit for itself."""
    return f"# /// script\n# [tool.fumehood.limits]\n# {name} = {value}\n# ///\n{text}"


def test_a_worker_near_the_end_of_its_cpu_time_gives_way_to_a_fresh_one(launched, tmp_path):
    """A good mod does not notice: same version, same state, nobody is blamed, no call fails."""
    with launched(tmp_path / "mods", limits=Limits(cpu_total=5, hang_after=20.0)) as bench:
        bench.load("a", MOD.format(version=1))
        bench.load("a", MOD.format(version=2))
        since = bench.mark()
        first = bench.status("a").pid
        for count in range(1, 95):
            outcome = bench.mods["a"].call_outcome("work", 0.1, timeout=20)
            assert outcome.ok, f"call {count}: {outcome.error}; {bench.next('a', since, 'rolled back').diagnostic}"
            assert outcome.value == [count, 2]
            assert bench.mods.settle(20)
        status = bench.status("a")
        assert status.pid != first
        assert (status.version, status.rollbacks, status.standby) == (2, 0, 1)
        receipts = [(r.verdict, r.cause, r.version) for r in bench.mods.receipts(since)]
        assert set(receipts) == {("live", "renewal", 2)}
        assert len(receipts) >= 2


def test_a_worker_that_uses_up_its_cpu_time_all_at_once_is_named(launched, tmp_path):
    """Its version loads too slowly for a fresh worker to be there in time."""
    with launched(tmp_path / "mods", limits=Limits(cpu_total=1, hang_after=30.0, cpu_window=60.0)) as bench:
        bench.load("a", bench.counter(1))
        bench.load("a", MOD.format(version=2) + "time.sleep(2)\n")
        since = bench.mark()
        bench.mods["a"].post("work", 20.0)
        receipt = bench.next("a", since, "rolled back")
        assert (receipt.diagnostic.kind, receipt.version) == ("LimitExceeded", 2)
        assert "limit: cpu_total = 1" in receipt.diagnostic.message


def test_a_mod_lowers_its_load_timeout(launched, tmp_path):
    with launched(tmp_path / "mods", limits=Limits(load_timeout=600.0)) as bench:
        receipt = bench.load("a", limited("load_timeout", 0.3, "while True: pass"), "refused")
        assert "limit: load_timeout = 0.3" in receipt.diagnostic.message


def test_a_mod_lowers_its_drain_timeout(launched, tmp_path):
    with launched(tmp_path / "mods", limits=Limits(drain_timeout=600.0, hang_after=600.0)) as bench:
        bench.load("a", limited("drain_timeout", 0.2, MOD.format(version=1)))
        bench.mods["a"].post("nap", 500.0)
        bench.load("a", MOD.format(version=2))
        assert bench.mods["a"].call("work", 0.0, timeout=20)[1] == 2
        assert bench.status("a").lost_posts == 1


@pytest.mark.parametrize(
    ("name", "value", "event", "words"),
    [
        ("hang_after", 0.2, "while True: pass", "limit: hang_after = 0.2"),
        ("memory", 32 * MIB, "return len(bytearray(100 * 1024 * 1024))", "limit: memory"),
    ],
)
def test_a_mod_lowers_a_limit_of_its_handlers(launched, tmp_path, name, value, event, words):
    with launched(tmp_path / "mods", limits=Limits(hang_after=600.0)) as bench:
        bench.load("a", bench.counter(1))
        bench.load("a", limited(name, value, f"from fumehood.worker import on\n@on('go')\ndef go():\n    {event}\n"))
        since = bench.mark()
        bench.mods["a"].post("go")
        assert words in bench.next("a", since, "rolled back").diagnostic.message


def test_an_honest_mod_over_its_cpu_share_is_rolled_back(launched, tmp_path):
    with launched(tmp_path / "mods", limits=Limits(cpu_share=0.3, cpu_window=1.0)) as bench:
        bench.load("a", bench.counter(1))
        bench.load("a", MOD.format(version=2))
        since = bench.mark()
        until = time.monotonic() + 20
        while bench.status("a").version == 2 and time.monotonic() < until:
            bench.mods["a"].call_outcome("work", 0.05, timeout=20)
        diagnostic = bench.next("a", since, "rolled back").diagnostic
        assert diagnostic.kind == "LimitExceeded"
        assert "limit: cpu_share = 0.3" in diagnostic.message


def test_calls_back_to_back_are_within_every_share(launched, tmp_path):
    """A worker that the game keeps busy polls for the next message: that is not the mod's doing."""
    with launched(tmp_path / "mods", limits=Limits(cpu_share=0.5, cpu_window=0.5)) as bench:
        bench.load("a", bench.counter(1))
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            bench.mods["a"].call("count", timeout=20)
        assert bench.status("a").rollbacks == 0
        assert not bench.status("a").down


HIDDEN = """
@on("hide")
def hide():
    port = grip()["Port"]
    port.finish()
    while True: pass
"""


def test_a_worker_that_says_it_rests_and_burns_a_core_is_found_out(launched, tmp_path):
    with launched(tmp_path / "mods", limits=Limits(hang_after=600.0)) as bench:
        bench.load("a", bench.counter(1))
        bench.load("a", bench.hostile(HIDDEN))
        since = bench.mark()
        bench.mods["a"].post("hide")
        diagnostic = bench.next("a", since, "rolled back").diagnostic
        assert "limit: cpu_share" in diagnostic.message
        assert "nothing to do" in diagnostic.message


def test_memory_is_bounded_while_a_mod_is_loaded(launched, tmp_path):
    """The address space has room for it; what is in use counts, and the version is refused before it is live."""
    limits = Limits(memory=512 * MIB, resident=32 * MIB, load_timeout=600.0)
    with launched(tmp_path / "mods", limits=limits) as bench:
        bench.load("a", bench.counter(1))
        text = "import time\nheld = bytearray(b'x') * (100 * 1024 * 1024)\ntime.sleep(500)\n"
        diagnostic = bench.load("a", text, "refused").diagnostic
        assert (diagnostic.kind, diagnostic.stage) == ("LimitExceeded", "import")
        assert "limit: resident" in diagnostic.message
        assert bench.mods["a"].call("count", timeout=20) == [1, 1]


LURKER = """
def on_unload():
    link = grip().get("Link") or next(t for t in __import__("gc").get_objects() if type(t).__name__ == "Link")
    os.write(link._fd, pack({"type": "Drained", "state": {}, "error": ""}))
    held.append(b"x" * (%d * 1024 * 1024))
    while True: pass
held = []
"""


@pytest.mark.parametrize(("held", "limit"), [(100, "resident"), (1, "cpu_share")])
def test_a_standby_has_its_limits_too(launched, until, tmp_path, held, limit):
    """One that pretends to have drained, to be kept as the way back, and then lives on at the machine's cost."""
    with launched(tmp_path / "mods", limits=Limits(memory=512 * MIB, resident=32 * MIB)) as bench:
        bench.load("a", bench.hostile(LURKER % held))
        lurker = os.pidfd_open(bench.status("a").pid)
        bench.load("a", bench.counter(2))
        assert bench.status("a").standby == 1
        until(lambda: select.select([lurker], [], [], 0)[0], f"it ends, by {limit}")
        os.close(lurker)
        assert bench.mods["a"].call("count", timeout=20) == [1, 2]


BUSY = """
import time
from fumehood.worker import on
@on("nap")
def nap(seconds): time.sleep(seconds)
def on_unload():
    while True: pass
"""


def test_an_end_with_busy_mods_says_nothing_of_ours(script, tmp_path):
    """Workers that are killed because everything ends are no news, and no fault."""
    (tmp_path / "mods").mkdir()
    for name in ("a", "b"):
        (tmp_path / "mods" / f"{name}.py").write_text(BUSY)
    game = script(GAME, tmp_path / "mods", tmp_path / "log")
    assert game.line() == "closed"
    assert (tmp_path / "log").read_text() == ""


GAME = """
import os, sys
from fumehood.runner import launch
os.dup2(os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT), 2)
with launch(sys.argv[1], log_level="warning") as mods:
    mods["a"].post("nap", 60)
print("closed", flush=True)
"""


def test_a_mod_lowers_limits_and_never_raises_them(launched, tmp_path):
    with launched(tmp_path / "mods", limits=Limits(files=32)) as bench:
        receipt = bench.load("a", limited("files", 64, bench.counter(1)), "refused")
        assert "more than the game allows (32)" in receipt.diagnostic.message
        asked = "import resource\n@on('files')\ndef files(): return resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        bench.load("a", limited("files", 16, bench.counter(2, asked)))
        assert bench.mods["a"].call("files", timeout=20) == [16, 16]
