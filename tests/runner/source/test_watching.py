"""When events do not tell, or the watcher or the folder itself goes: nothing is missed."""

import asyncio
import ctypes
import mmap
import os
import shutil
import threading
import time
from itertools import pairwise

import pytest
from fumehood.runner import source as sourcing
from fumehood.runner.source import ROOT_PERIOD, Timing
from fumehood.runner.watch import Kind

DEADLINE = 20.0


async def test_after_an_overflow_the_tree_is_reconciled(folder, source_on, overflow):
    async with source_on(folder) as bench:
        await bench.save("sub/x.py", "one")
        await bench.save("gone.py", "one")
        overflow(folder)
        # The queue is full and the watcher has not read a byte of it: the kernel drops what tells of these.
        bench.put("sub/x.py", "two, unseen")
        bench.put("unseen/new.py", "new")
        (folder / "gone.py").unlink()
        sink, source = bench.sink, bench.source
        await sink.until(lambda: source.statistics().overflows > 0 and sink.live == bench.on_disk()[0])
        await bench.save("unseen/new.py", "watched again")


async def test_a_flood_of_events_does_not_hold_the_loop(folder, source_on):
    """A hundred thousand may wait, and each may take a while: they held the supervisor up for eight seconds."""
    async with source_on(folder) as bench:
        mailbox, source = vars(bench.source)["_mailbox"], bench.source
        for number in range(50_000):
            mailbox.put(Kind.WROTE, f"x{number % 100}.py")
        turns = 0
        while source.statistics().events < 50_000:
            assert not source.at_rest()
            await asyncio.sleep(0)
            turns += 1
        assert turns > 10
        await bench.save("x.py", "seen all the same")


async def test_folders_are_not_looked_through_once_for_each_event_of_a_flood(folder, source_on, tmp_path):
    """A hundred links that are made in a folder of twenty thousand entries took two seconds."""
    (folder / "big").mkdir()
    for number in range(300):
        (folder / "big" / f"{number}.txt").touch()
    async with source_on(folder) as bench:
        mailbox, source = vars(bench.source)["_mailbox"], bench.source
        for _ in range(3000):
            mailbox.put(Kind.FOLDER, "big")
        elsewhere = tmp_path / "late"
        elsewhere.mkdir()
        (elsewhere / "x.py").write_text("x")
        elsewhere.rename(folder / "big" / "late")
        await bench.sink.until(lambda: bench.sink.holds("big/late/x", "x"))
        assert source.statistics().reconciliations > 0, "one look at the whole tree stands for most of them"


async def test_the_slow_period_finds_what_inotify_does_not_report(folder, source_on):
    bench = source_on(folder, reconcile_period=0.2)
    file = bench.put("x.py", "before")
    with file.open("r+b") as opened:
        view = mmap.mmap(opened.fileno(), 0)
    async with bench:
        assert bench.sink.holds("x", "before")
        view[:] = b"after!"
        view.flush()
        await bench.sink.until(lambda: bench.sink.holds("x", "after!"))
        assert bench.source.statistics().events == 0
    view.close()


async def test_what_only_the_slow_period_found_leads_to_another_watcher(folder, source_on):
    (folder / "a").mkdir()
    async with source_on(folder, reconcile_period=0.3) as bench:
        blind = vars(bench.source)["_watcher"]
        with blind._lock:
            blind._drop("a")
        bench.put("a/x.py", "found late")
        await bench.sink.until(lambda: bench.sink.holds("a/x", "found late"))
        await bench.sink.until(lambda: bench.sink.holds("a/x", "found late"))
        async with asyncio.timeout(DEADLINE):
            while vars(bench.source)["_watcher"] in (blind, None):
                await asyncio.sleep(0.01)
        assert "a" in vars(bench.source)["_watcher"]._watches


async def test_what_was_touched_or_is_held_open_does_not(folder, source_on):
    """Its bytes are what was said last: no news at any look, for which a new watcher was begun each time."""
    async with source_on(folder, reconcile_period=0.2) as bench:
        first = vars(bench.source)["_watcher"]
        await bench.save("x.py", "x")
        await bench.save("y.py", "y")
        os.utime(folder / "x.py", ns=(1, 1))
        await bench.passed()
        with (folder / "y.py").open("r+"):
            looks = bench.source.statistics().reconciliations
            async with asyncio.timeout(DEADLINE):
                while bench.source.statistics().reconciliations < looks + 5:
                    await asyncio.sleep(0.01)
            assert vars(bench.source)["_watcher"] is first
            assert not vars(bench.source)["_renewing"]
        assert vars(bench.source)["_publisher"].unchanged("x")


async def test_a_watcher_that_gave_up_is_replaced_and_nothing_is_missed(folder, source_on):
    async with source_on(folder) as bench:
        old = vars(bench.source)["_watcher"]
        with old._lock:
            old._give_up()
        await bench.save("x.py", "one")
        assert vars(bench.source)["_watcher"] not in (old, None)
        await bench.save("x.py", "two")


async def test_a_root_that_is_replaced_all_the_time_is_followed_once_a_second(folder, source_on, tmp_path):
    """Each time takes a look at everything, and a thread."""
    (tmp_path / "b").mkdir()
    libc = ctypes.CDLL(None)
    async with source_on(folder) as bench:
        began = time.monotonic()
        while time.monotonic() < began + 1.5:
            assert libc.renameat2(-100, bytes(folder), -100, bytes(tmp_path / "b"), 2) == 0
            await asyncio.sleep(0.01)
        assert bench.source.statistics().roots <= 1 + (time.monotonic() - began) / ROOT_PERIOD
        bench.put("x.py", "x")
        assert await bench.source.look(DEADLINE), "of the folder that is there now"
        await bench.sink.until(lambda: bench.sink.holds("x", "x"))


async def test_a_look_is_at_the_folder_that_is_there(folder, source_on, watcher):
    """Also at one that came just after another, or after none."""
    async with source_on(folder, **watcher) as bench:
        for name in "abc":
            shutil.rmtree(folder)
            assert await bench.source.look(DEADLINE)
            folder.mkdir()
            bench.put(f"{name}.py", name)
            assert await bench.source.look(DEADLINE)
            await bench.sink.until(lambda name=name: bench.sink.holds(name, name))
            assert set(bench.sink.live) == {name}


@pytest.mark.parametrize("times", [1, 2])
async def test_closing_while_another_watcher_begins_leaves_nothing(folder, source_on, monkeypatch, times):
    under_way, go_on = threading.Event(), threading.Event()
    bench = source_on(folder)
    await bench.source.start()
    source = bench.source
    make = source._native

    def slowly():
        under_way.set()
        assert go_on.wait(DEADLINE)
        return make()

    monkeypatch.setattr(source, "_native", slowly)
    vars(source)["_renewing"] = True
    vars(source)["_attention"].set()
    async with asyncio.timeout(DEADLINE):
        while not under_way.is_set():
            await asyncio.sleep(0.001)
    closing = asyncio.ensure_future(source.close())
    await asyncio.sleep(0)
    for _ in range(times - 1):
        await asyncio.sleep(0.01)
        closing.cancel()
    await asyncio.sleep(0.01)
    go_on.set()
    await asyncio.wait([closing])
    if times > 1:  # whoever cancels it, closes it again
        await source.close()
    assert not any(thread.name == "fumehood-watch" for thread in threading.enumerate())


async def test_a_watcher_for_which_there_is_no_thread_is_tried_again(folder, source_on, monkeypatch):
    async with source_on(folder) as bench:
        begin = bench.source._begin

        async def refused(_):
            monkeypatch.setattr(bench.source, "_begin", begin)
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(bench.source, "_begin", refused)
        vars(bench.source)["_watcher"].close()
        await bench.save("x.py", "x")
        assert "the mods folder cannot be watched: can't start new thread" in bench.sink.troubles


async def test_many_that_settle_together_are_read_one_by_one(folder, source_on, monkeypatch):
    """130 of 7 MB that were touched together stopped the supervisor for most of a second."""
    bench = source_on(folder)
    for number in range(8):
        bench.put(f"m{number}.py", "#" * 500_000)  # reading one takes longer than the slice below
    async with bench:
        source, turns = bench.source, []
        read = vars(source)["_publisher"].snapshots

        def turn():
            turns.append(source.statistics().snapshots)
            asyncio.get_running_loop().call_soon(turn)

        monkeypatch.setattr(sourcing, "SLICE", 1e-4)
        turn()
        for number in range(8):
            os.utime(folder / f"m{number}.py")
        bench.put("n.py", "new")
        await bench.sink.until(lambda: bench.sink.holds("n", "new"))
        assert turns[-1] - read >= 9
        assert all(after - before <= 1 for before, after in pairwise(turns))


async def test_a_write_under_another_name_of_the_same_file(folder, source_on):
    """The kernel tells of the name it was opened by."""
    bench = source_on(folder)
    bench.put("a.py", "one")
    (folder / "b.py").hardlink_to(folder / "a.py")
    async with bench:
        bench.put("a.py", "two")
        await bench.sink.until(lambda: bench.sink.holds("b", "two") and bench.sink.holds("a", "two"))


async def test_a_file_that_somebody_has_open_is_read_soon_after_its_end(folder, source_on):
    """A poller does not hear of that: it took nine seconds."""
    timing = Timing(open_wait=3600.0)
    async with source_on(folder, watcher="polling", poll_interval=0.05, timing=timing) as bench:
        with (folder / "x.py").open("w") as file:
            file.write("x")
            file.flush()
            async with asyncio.timeout(DEADLINE):
                while bench.source.statistics().snapshots < 4:
                    await asyncio.sleep(0.01)
            assert not bench.sink.live
        await bench.sink.until(lambda: bench.sink.holds("x", "x"))


async def test_a_file_that_was_waited_for_once_is_waited_for_again(folder, source_on):
    """Held open with the bytes that were live already, it had its next save read while it was written."""
    timing = Timing(open_wait=1.0)
    async with source_on(folder, watcher="polling", poll_interval=0.05, timing=timing) as bench:
        file = bench.put("x.py", "one")
        await bench.sink.until(lambda: bench.sink.holds("x", "one"))
        known = vars(bench.source)["_publisher"]._known["x"]
        with file.open("r+") as opened:
            opened.write("one")
            opened.flush()
            async with asyncio.timeout(DEADLINE):
                while known.busy_since is None:
                    await asyncio.sleep(0.01)
                while known.busy_since is not None:
                    await asyncio.sleep(0.01)
        vars(bench.source)["_publisher"]._open_wait = 3600.0  # from here on it is waited for as long as it takes
        with file.open("w") as opened:
            opened.write("half")
            opened.flush()
            async with asyncio.timeout(DEADLINE):
                while known.busy_since is None:
                    await asyncio.sleep(0.01)
            snapshots = bench.source.statistics().snapshots
            async with asyncio.timeout(DEADLINE):
                while bench.source.statistics().snapshots < snapshots + 2:
                    await asyncio.sleep(0.01)
            assert bench.sink.holds("x", "one")
            opened.write(", and whole")
        await bench.sink.until(lambda: bench.sink.holds("x", "half, and whole"))


async def test_a_root_renamed_and_made_again_is_followed(folder, source_on, watcher):
    async with source_on(folder, **watcher) as bench:
        sink = bench.sink
        await bench.save("x.py", "x")
        await bench.save("y.py", "y")
        old = folder.with_name("old")
        folder.rename(old)
        await sink.until(lambda: any("does not exist" in trouble for trouble in sink.troubles))
        assert set(sink.live) == {"x", "y"}, "what is live stays while the root is away"
        folder.mkdir()
        bench.put("x.py", "new x")
        await sink.until(lambda: sink.holds("x", "new x") and "y" not in sink.live)
        await bench.save("z.py", "in the new root")
        (old / "x.py").write_text("in the old root")
        await bench.passed()
        assert sink.holds("x", "new x")
        assert bench.source.statistics().roots == 1


async def test_a_root_deleted_and_made_again_is_followed(folder, source_on, watcher):
    async with source_on(folder, **watcher) as bench:
        await bench.save("x.py", "x")
        shutil.rmtree(folder)
        folder.mkdir()
        await bench.save("z.py", "z")
        await bench.sink.until(lambda: set(bench.sink.live) == {"z"})


async def test_a_root_that_is_a_link_is_followed_when_it_is_pointed_elsewhere(folder, source_on, tmp_path):
    for release in ("r1", "r2"):
        (folder / release).mkdir()
        (folder / release / "x.py").write_text(release)
    link = tmp_path / "current"
    link.symlink_to(folder / "r1")
    async with source_on(link) as bench:
        assert bench.sink.holds("x", "r1")
        (tmp_path / "next").symlink_to(folder / "r2")
        (tmp_path / "next").rename(link)
        await bench.sink.until(lambda: bench.sink.holds("x", "r2"))
        await bench.save("x.py", "r2, edited")


async def test_a_watcher_that_died_is_replaced(folder, source_on, watcher):
    async with source_on(folder, **watcher) as bench:
        await bench.save("x.py", "one")
        vars(bench.source)["_watcher"].close()
        bench.put("x.py", "two")
        await bench.sink.until(lambda: bench.sink.holds("x", "two"))
        await bench.save("x.py", "three")
        assert "the watcher had ended: starting another" in bench.sink.troubles


SCRIPT = """
    import asyncio, sys
    from pathlib import Path
    from fumehood.runner.source import FolderSource
    from fumehood.shared.errors import MachineError

    class Sink:
        live, told = {}, asyncio.Event()
        def drafted(self, key, snapshot): self.snapshot = snapshot
        def settled(self, batch): self.live.update((one.key, one.digest) for one in batch); self.told.set()
        def unreadable(self, key, diagnostic): print(key, diagnostic)
        def rested(self): pass
        def troubled(self, message): print(message)

    async def main(root, watcher):
        sink = Sink()
        source = FolderSource(root, sink, watcher=watcher, poll_interval=0.1)
        try:
            await source.start()
        except MachineError as error:
            print("MachineError:", "max_user_instances" in str(error))
            return
        for number in range(10):
            (root / f"d{number}" / "x.py").write_text("x")
        async with asyncio.timeout(20):
            while len(sink.live) < 10:
                sink.told.clear()
                await sink.told.wait()
        print(source.statistics().watcher)
        await source.close()

    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


def test_a_full_watch_table_means_polling(folder, run, limited):
    for number in range(10):
        (folder / f"d{number}").mkdir()
    got = run(SCRIPT, str(folder), "auto", prefix=limited(max_inotify_watches=5))
    assert "max_user_watches): polling every 0.1 s" in got.stdout, got
    assert got.stdout.endswith("\npolling\n")


def test_no_inotify_means_polling_unless_native_was_asked_for(folder, run, limited):
    for number in range(10):
        (folder / f"d{number}").mkdir()
    prefix = limited(max_inotify_instances=0)
    got = run(SCRIPT, str(folder), "auto", prefix=prefix)
    assert "inotify is not to be had" in got.stdout, got
    assert got.stdout.endswith("\npolling\n")
    assert run(SCRIPT, str(folder), "native", prefix=prefix).stdout == "MachineError: True\n"
