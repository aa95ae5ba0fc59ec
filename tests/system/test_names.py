"""Mods that are renamed, deleted and come back: their state goes along, and nothing of them stays behind."""

from pathlib import Path

import pytest
from fumehood.shared.policy import Limits

HANGS = """
def on_unload():
    while True: pass
"""


def rename(bench, old, new):
    since = bench.mark()
    (bench.root / f"{old}.py").rename(bench.root / f"{new}.py")
    bench.next(new, since)


def count(bench, name, times=1):
    return [bench.mods[name].call("count", timeout=20)[0] for _ in range(times)][-1]


def test_a_name_that_comes_back_brings_the_newest_state(launched, tmp_path):
    with launched(tmp_path / "mods") as bench:
        bench.load("a", bench.counter(1))
        assert count(bench, "a", 5) == 5
        rename(bench, "a", "b")
        assert count(bench, "b", 5) == 10
        rename(bench, "b", "a")
        assert count(bench, "a") == 11


def test_a_name_that_changes_before_it_began_still_brings_the_state(launched, tmp_path):
    with launched(tmp_path / "mods") as bench:
        bench.load("a", bench.counter(1))
        assert count(bench, "a", 5) == 5
        for old, new in ("ab", "bc", "cd"):
            since = bench.mark()
            (bench.root / f"{old}.py").rename(bench.root / f"{new}.py")
            bench.mods.settle(0.12)  # long enough to be seen under each name, too short to be live there
        bench.next("d", since)
        assert count(bench, "d") == 6


def test_a_name_that_is_edited_before_it_began_keeps_the_state(launched, tmp_path):
    slow = "import time\ntime.sleep(0.6)\n"
    with launched(tmp_path / "mods") as bench:
        bench.load("a", slow + bench.counter(1))
        assert count(bench, "a", 5) == 5
        since = bench.mark()
        (bench.root / "a.py").rename(bench.root / "b.py")
        bench.mods.wait("a", verdict="unloaded", since=since, timeout=20)
        bench.save("b.py", slow + bench.counter(2))
        while bench.next("b", since).version != 2:
            since += 1
        assert bench.mods["b"].call("count", timeout=20) == [6, 2]


def test_a_mod_that_was_turned_away_comes_in_when_there_is_room(launched, until, tmp_path):
    with launched(tmp_path / "mods", most_mods=2) as bench:
        bench.load("a", bench.counter(1))
        bench.load("b", bench.counter(2))
        bench.save("c.py", bench.counter(3))
        (bench.root / "a.py").unlink()
        assert bench.mods.wait("c", timeout=20).verdict == "live"


def test_another_mod_of_the_same_bytes_begins_anew(launched, tmp_path):
    with launched(tmp_path / "mods") as bench:
        bench.load("a", bench.counter(1))
        assert count(bench, "a", 5) == 5
        since = bench.mark()
        (bench.root / "a.py").unlink()
        bench.mods.wait("a", verdict="unloaded", since=since, timeout=20)
        bench.load("b", bench.counter(1))
        assert count(bench, "b") == 1


@pytest.mark.parametrize("renamed", [False, True])
def test_a_deleted_mod_whose_goodbye_hangs_is_gone_in_the_end(launched, tmp_path, renamed):
    limits = Limits(load_timeout=1.0, drain_timeout=1.5, hang_after=20.0)
    with launched(tmp_path / "mods", limits=limits) as bench:
        bench.load("a", bench.counter(1))
        bench.load("a", bench.counter(2, HANGS))
        assert count(bench, "a") == 1
        since = bench.mark()
        if renamed:
            (bench.root / "a.py").rename(bench.root / "b.py")
            bench.next("b", since)
            assert count(bench, "b") >= 1, "its own clock does not run while it waits for the old one's state"
        else:
            (bench.root / "a.py").unlink()
        assert bench.mods.wait("a", verdict="unloaded", since=since, timeout=20)
        bench.mods.settle(20)
        status = bench.status("a")
        assert (status.role, status.standby, status.pid) == ("down", 0, 0)


def test_names_that_come_and_go_leave_no_memory(launched, until, tmp_path):
    with launched(tmp_path / "mods") as bench:
        for number in range(20):
            bench.load(f"m{number}", bench.counter(number))
            assert count(bench, f"m{number}") == 1
            since = bench.mark()
            (bench.root / f"m{number}.py").unlink()
            bench.mods.wait(f"m{number}", verdict="unloaded", since=since, timeout=20)
        bench.load("last", bench.counter(1))

        def shared():
            bench.mods.emit("nothing")
            lines = Path(f"/proc/{bench.supervisor.pid}/status").read_text().splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith("RssShmem"))

        until(lambda: shared() < 5 * 8 * 136, "the memory of 20 mods is given back")


def test_settling_waits_for_who_is_writing(launched, tmp_path):
    with launched(tmp_path / "mods") as bench:
        bench.load("a", bench.counter(1))
        with (bench.root / "a.py").open("w") as file:
            file.write(bench.counter(2))
            file.flush()
            assert not bench.mods.settle(0.05)
            assert bench.mods["a"].version == 1
        assert bench.mods.settle(20)
        assert bench.mods["a"].call("count", timeout=20) == [1, 2]
