"""Requests and posts over swaps and deaths: each is handled once, whoever dies or is slow; nothing is lost unsaid."""

import os
import signal
import threading

import psutil
import pytest
from fumehood.runner import connect
from fumehood.shared.errors import ModCrashed, ModTimeout
from fumehood.shared.policy import Limits

COUNTER = """
import os, time
from fumehood.worker import game, on, state
V = {version}
@on("count")
def count(n):
    state.setdefault("seen", []).append(n)
    game.saw(n=n, v=V)
    return [n, V]
@on("slow")
def slow(n, seconds):
    time.sleep(seconds)
    state.setdefault("seen", []).append(n)
@on("seen")
def seen(): return [state.get("seen", []), V]
@on("die")
def die(): os._exit(3)
@on("big")
def big(n):
    state.setdefault("seen", []).append(n)
    return "x" * 1000
"""


def saw(mods):
    """The numbers of the requests that were handled, from the intents that handlers sent."""
    return [intent.fields["n"] for intent in mods.intents()]


@pytest.mark.parametrize("how", ["call", "emit"])
def test_a_request_that_is_passed_on_is_handled_once(launched, until, tmp_path, how):
    """The worker is dead when it is asked: its ring still takes the request, and the successor inherits it."""
    with launched(tmp_path / "mods") as bench:
        bench.load("a", COUNTER.format(version=0))
        for number in range(1, 7):
            bench.load("a", COUNTER.format(version=number))
            os.kill(bench.status("a").pid, signal.SIGKILL)
            if how == "call":
                assert bench.mods["a"].call("count", number, timeout=20)[0] == number
            else:
                assert bench.mods.emit("count", number, budget=20).results["a"][0][0] == number
            assert saw(bench.mods) == [number]


def test_a_request_that_crashes_its_heir_is_not_replayed(launched, tmp_path):
    with launched(tmp_path / "mods") as bench:
        bench.load("a", COUNTER.format(version=1))
        bench.load("a", COUNTER.format(version=2))
        os.kill(bench.status("a").pid, signal.SIGSTOP)
        bench.mods["a"].post("count", 1)
        bench.mods["a"].post("die")
        os.kill(bench.status("a").pid, signal.SIGKILL)
        with pytest.raises(ModCrashed):
            bench.mods["a"].call("die", timeout=20)
        assert bench.mods["a"].call("count", 2, timeout=20)[0] == 2
        assert saw(bench.mods) == [2]
        assert bench.mods.statistics()["forsaken_intents"] == 1, "of the heir that crashed: not taken before"


def test_a_backlog_longer_than_the_drain_timeout_loses_nothing(launched, tmp_path):
    """A worker that only has much to do is not hung: what it did is saved, the rest is its successor's."""
    limits = Limits(drain_timeout=0.3, hang_after=20.0)
    with launched(tmp_path / "mods", limits=limits) as bench:
        bench.load("a", COUNTER.format(version=1))
        for number in range(100):
            bench.mods["a"].post("slow", number, 0.01)
        bench.load("a", COUNTER.format(version=2))
        seen, version = bench.mods["a"].call("seen", timeout=30)
        assert version == 2
        lost = bench.status("a").lost_posts
        assert lost <= 1, "the one in hand, at most"
        assert sorted(seen) == seen
        assert len(seen) == 100 - lost


def test_a_backlog_longer_than_the_load_timeout_is_worked_off(launched, tmp_path):
    """What a successor inherits is not part of its start: each message has its time, as in any worker."""
    limits = Limits(drain_timeout=0.2, load_timeout=2.0, hang_after=20.0)
    with launched(tmp_path / "mods", limits=limits) as bench:
        bench.load("a", COUNTER.format(version=1))
        for number in range(400):
            bench.mods["a"].post("slow", number, 0.01)
        receipt = bench.load("a", COUNTER.format(version=2))
        assert receipt.version == 2
        seen, version = bench.mods["a"].call("seen", timeout=30)
        assert (version, bench.status("a").rollbacks) == (2, 0)
        assert seen == sorted(seen)
        assert len(seen) == 400 - bench.status("a").lost_posts


def test_a_candidate_that_is_late_by_little_is_in_time_or_refused(launched, tmp_path):
    """Never both: live, and then rolled back because it was late."""
    with launched(tmp_path / "mods", limits=Limits(load_timeout=1.0)) as bench:
        bench.load("a", COUNTER.format(version=1))
        for version, late in enumerate((-0.01, 0.0, 0.01, 0.02, 0.05, 0.1), 2):
            text = f"import time\ntime.sleep({1.0 + late})\n" + COUNTER.format(version=version)
            verdict = bench.load("a", text, None).verdict
            assert verdict in ("live", "refused")
            if verdict == "live":
                assert bench.mods["a"].call("seen", timeout=20)[1] == version
        bench.mods.settle(20)
        assert bench.status("a").rollbacks == 0


@pytest.mark.parametrize("frames", ["tick", "count"])
def test_a_game_that_reads_no_intents_does_not_hold_up_a_swap(launched, tmp_path, frames):
    """Its old worker has to say goodbye through a ring that is full of answers nobody takes."""
    with launched(tmp_path / "mods") as bench:
        bench.load("a", COUNTER.format(version=1))
        for number in range(300):
            bench.mods.emit("big", number, budget=0.0)
        since = bench.mark()
        bench.save("a.py", COUNTER.format(version=2))
        for _ in range(2000):
            bench.mods.emit(frames, 0, budget=0.002)
            if bench.mods["a"].version == 2 and bench.mods["a"].role == "active":
                break
        assert bench.next("a", since).version == 2
        seen, version = bench.mods["a"].call("seen", timeout=20)
        assert version == 2
        assert [n for n in seen if n][-1] == 299
        assert bench.status("a").rollbacks == 0


SERVE = """
import sys
from pathlib import Path
from fumehood.runner.config import Config
from fumehood.runner.serve import serve
serve(Path(sys.argv[1]), Config())
"""


def test_a_game_that_connects_while_a_save_arrives_ends_the_old_ring(script, root, until, tmp_path):
    root.save("a.py", COUNTER.format(version=1))
    served = script(SERVE, root.root, env={"XDG_RUNTIME_DIR": str(tmp_path)})
    os.environ["XDG_RUNTIME_DIR"] = str(tmp_path)
    try:
        until(lambda: _connects(root.root), "it serves")
        with connect(root.root) as mods:
            for number in range(50):
                mods["a"].post("count", number)
            mods["a"].call("seen", timeout=20)
        for version in (2, 3):
            with connect(root.root) as mods:
                root.save("a.py", COUNTER.format(version=version))
                since = max((r.number for r in mods.receipts()), default=0)
                receipt = mods.wait("a", version=version, since=since, timeout=20)
                assert receipt.verdict == "live"
                assert mods["a"].call("seen", timeout=20) == [list(range(50)), version]
                assert mods.status()[0].standby == version - 1
    finally:
        served.process.send_signal(signal.SIGTERM)
        served.process.wait(20)


def _connects(folder):
    try:
        connect(folder).close()
    except Exception:  # noqa: BLE001 - not yet, for whatever reason
        return False
    return True


def test_a_fork_leaves_its_parents_mods_alone(launched, tmp_path):
    with launched(tmp_path / "mods") as bench:
        bench.load("a", COUNTER.format(version=1))
        child = os.fork()
        if child == 0:
            bench.mods.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert bench.mods["a"].call("count", 1, timeout=20) == [1, 1]
        assert bench.status("a").role == "active"
        child = os.fork()
        if child == 0:
            bench.mods.__exit__(None, None, None)
            os._exit(0)
        os.waitpid(child, 0)
        assert bench.mods["a"].call("count", 2, timeout=20) == [2, 1]


GAME_WITH_A_FORK = """
import os, sys, time
from fumehood.runner import launch
with launch(sys.argv[1]) as mods:
    child = os.fork()
    if child == 0:
        sys.stdin.read()
        os._exit(0)
    print(child, flush=True)
    time.sleep(600)
"""


def test_a_fork_does_not_keep_the_supervisor_when_the_game_is_killed(script, root, supervisor_of, census):
    root.save("a.py", COUNTER.format(version=1))
    game = script(GAME_WITH_A_FORK, root.root)
    fork = psutil.Process(int(game.line()))
    supervisor = next(p for p in psutil.Process(game.pid).children() if p.pid != fork.pid)
    with census(supervisor.pid) as taken:
        game.process.kill()
        taken.memfds.clear()  # the fork still maps the game's
        taken.await_end()
    assert fork.is_running()
    fork.kill()


@pytest.mark.parametrize("frozen", ["import", "handler"])
def test_a_pause_of_everything_is_held_against_nobody(launched, tmp_path, frozen):
    """As when a container is paused or a laptop sleeps: the workers did not run, and neither did the clock's owner."""
    limits = Limits(load_timeout=1.0, hang_after=1.0)
    with launched(tmp_path / "mods", limits=limits) as bench:
        bench.load("a", COUNTER.format(version=1))
        since = bench.mark()
        if frozen == "import":
            bench.save("a.py", "import time\ntime.sleep(0.4)\n" + COUNTER.format(version=2))
        else:
            bench.mods["a"].post("slow", 1, 0.5)
        pause = threading.Event()
        pause.wait(0.1)
        everyone = [bench.supervisor, *bench.supervisor.children(recursive=True)]
        for process in everyone:
            process.suspend()
        pause.wait(3.0)
        for process in everyone:
            process.resume()
        if frozen == "import":
            assert bench.next("a", since).version == 2
        assert bench.mods["a"].call("count", 2, timeout=20)[0] == 2
        assert bench.status("a").rollbacks == 0


def test_no_worker_to_be_had_is_tried_again(launched, zygote_of, tmp_path):
    with launched(tmp_path / "mods") as bench:
        bench.load("a", COUNTER.format(version=1))
        since = bench.mark()
        zygote = zygote_of(bench.supervisor)
        zygote.suspend()
        for number in range(3):  # the spares are soon used up
            bench.save(f"b{number}.py", COUNTER.format(version=1))
        bench.save("a.py", COUNTER.format(version=2))
        refused = [r for r in _receipts(bench, since, 1) if r.verdict == "refused"]
        assert refused[0].diagnostic.stage == "confine"
        zygote.resume()
        for name in ("a", "b0", "b1", "b2"):
            bench.mods.wait(name, verdict="live", since=since, timeout=40)
        assert bench.mods["a"].call("count", 1, timeout=20) == [1, 2]


def _receipts(bench, since, count):
    found = []
    while sum(r.verdict == "refused" for r in found) < count:
        found += [bench.mods.wait(name, verdict=None, since=since, timeout=20) for name in ("a",)]
    return found


def test_a_call_to_a_frozen_mod_ends_by_its_deadline(launched, tmp_path):
    with launched(tmp_path / "mods") as bench:
        bench.load("a", COUNTER.format(version=1))
        os.kill(bench.status("a").pid, signal.SIGSTOP)
        with pytest.raises(ModTimeout):
            bench.mods["a"].call("count", 1, timeout=0.05)
        os.kill(bench.status("a").pid, signal.SIGCONT)
        assert bench.mods["a"].call("count", 2, timeout=20) == [2, 1]
