"""The folder source, end to end: real files, the real watchers, a real loop. What settles is what is on disk."""

import asyncio
import ctypes
import functools
import mmap
import os
import random
import shutil
import subprocess
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
from fumehood.runner import source as sourcing
from fumehood.runner import tree
from fumehood.runner.manifest import Refused
from fumehood.runner.snapshot import Gone, digest, take
from fumehood.runner.source import ROOT_PERIOD, FolderSource, Settled, Timing
from fumehood.runner.watch import Kind
from fumehood.shared.errors import ConfigError
from fumehood.shared.policy import Limits

DEADLINE = 20.0


class Recorder:
    """A sink that keeps what it is told, and holds the source to its promises while it is told."""

    def __init__(self):
        self.told = asyncio.Event()
        self.drafts = {}
        self.batches: list[dict[str, str | None]] = []
        self.live: dict[str, str] = {}
        self.refused = {}
        self.refusals = self.rests = 0
        self.pending: set[str] = set()
        self.troubles: list[str] = []
        self.order: list[tuple[str, str]] = []
        self.closed = False

    def drafted(self, key, snapshot):
        assert not self.closed
        assert snapshot.key == key
        assert snapshot.digest == digest(snapshot.files)
        assert 0 < snapshot.caused_ns <= snapshot.taken_at or snapshot.caused_ns == snapshot.taken_at
        self.drafts[key] = snapshot
        self.pending.add(key)
        self.order.append(("drafted", key))
        self.told.set()

    def settled(self, batch):
        assert not self.closed
        assert [type(one) for one in batch] == [Settled] * len(batch)
        assert [one.key for one in batch] == sorted({one.key for one in batch})
        for key, what in ((one.key, one.digest) for one in batch):
            self.refused.pop(key, None)
            self.pending.discard(key)
            if what is None:
                self.live.pop(key, None)
            else:
                assert self.drafts[key].digest == what, "settled without its draft"
                self.live[key] = what
            self.order.append(("settled", key))
        self.batches.append({one.key: one.digest for one in batch})
        self.told.set()

    def unreadable(self, key, diagnostic):
        assert not self.closed
        assert self.refused.get(key) != diagnostic or key in self.pending, "said twice, no draft taken back"
        self.pending.discard(key)
        self.refused[key] = diagnostic
        self.refusals += 1
        self.told.set()

    def rested(self):
        self.rests += 1
        self.told.set()

    def troubled(self, message):
        self.troubles.append(message)
        self.told.set()

    async def until(self, what):
        async with asyncio.timeout(DEADLINE):
            while not what():
                self.told.clear()
                await self.told.wait()

    def holds(self, key, text):
        """Whether these bytes are live under a single-file key."""
        return self.live.get(key) == digest({key.rpartition("/")[2] + ".py": text.encode()})

    def settles(self, key):
        return sum(key in batch for batch in self.batches)


class Bench:
    """A folder, a recorder and a source on it."""

    def __init__(self, folder, **options):
        self.folder = folder
        self.sink = Recorder()
        self.source = FolderSource(folder, self.sink, **options)

    async def __aenter__(self):
        await self.source.start()
        return self

    async def __aexit__(self, *_):
        await self.source.close()
        self.sink.closed = True

    def put(self, path, text):
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    async def save(self, path, text):
        """Write and wait until it is live."""
        self.put(path, text)
        await self.sink.until(lambda: self.sink.holds(path.removesuffix(".py"), text))

    async def passed(self):
        """Wait until everything done so far has been dealt with: a change made now has settled."""
        self.serial = getattr(self, "serial", 0) + 1
        await self.save("zz marker.py", f"n = {self.serial}")

    def on_disk(self):
        """What is there, read anew: key to digest, and the refused keys."""
        root = tree.Root.open(self.folder)
        *_, findings = tree.look(root)
        live, refused = {}, set()
        for key in findings.mods:
            try:
                live[key] = take(root, key, Limits()).digest
            except Refused:
                refused.add(key)
            except Gone:
                continue
        root.close()
        return live, refused


def on_a_loop(test):
    """Run an async test in a loop of its own; nothing may be left of it afterwards."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        before = len(list(Path("/proc/self/fd").iterdir())), threading.active_count()
        asyncio.run(test(*args, **kwargs), debug=False)
        assert (len(list(Path("/proc/self/fd").iterdir())), threading.active_count()) == before

    return run


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "mods"
    path.mkdir()
    return path


@pytest.fixture(params=["native", "polling"])
def watcher(request):
    return {"watcher": request.param, "poll_interval": 0.05}


# -- the first look --------------------------------------------------------------------------------------------------


@on_a_loop
async def test_an_empty_folder_is_one_empty_batch(folder):
    async with Bench(folder) as bench:
        assert bench.sink.batches == [{}]


@on_a_loop
async def test_what_is_there_is_one_batch(folder):
    for path in ("b.py", "a/x.py", "weather/data.json", "weather/__init__.py", "notes.txt"):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(path)
    (folder / "broken.py").symlink_to("b.py")
    async with Bench(folder) as bench:
        assert [list(batch) for batch in bench.sink.batches] == [["a/x", "b", "weather"]]
        assert bench.sink.refused["broken"].kind == "Link"
        assert {path: data.decode() for path, data in bench.sink.drafts["weather"].files.items()} == {
            "__init__.py": "weather/__init__.py",
            "data.json": "weather/data.json",
        }
        assert bench.source.statistics().mods == 4
    assert not bench.sink.troubles


@on_a_loop
async def test_a_root_that_is_none(tmp_path):
    (tmp_path / "file").touch()
    for name in ("absent", "file"):
        with pytest.raises(ConfigError, match=name):
            await FolderSource(tmp_path / name, Recorder()).start()


@on_a_loop
async def test_closing_before_and_after_all_is_fine(folder):
    source = FolderSource(folder, Recorder())
    await source.close()
    await source.start()
    await source.close()
    await source.close()
    assert source.statistics().watcher == ""


# -- saving ----------------------------------------------------------------------------------------------------------


@on_a_loop
async def test_half_a_file_is_not_taken_whatever_the_events_say(folder):
    """Its times are touched while it is being written, which looks like a finished save; or its event is late."""
    async with Bench(folder) as bench:
        await bench.save("x.py", "whole = 1")
        with (folder / "x.py").open("w") as file:
            file.write("half = ")
            file.flush()
            os.utime(folder / "x.py")
            await bench.passed()
            await bench.passed()
            assert bench.sink.holds("x", "whole = 1")
            file.write("2")
        await bench.sink.until(lambda: bench.sink.holds("x", "half = 2"))
        assert bench.sink.settles("x") == 2


@on_a_loop
async def test_a_file_that_stays_open_is_taken_in_the_end(folder):
    timing = Timing(open_wait=0.4)
    async with Bench(folder, timing=timing) as bench:
        await bench.save("x.py", "whole = 1")
        with (folder / "x.py").open("w") as file:
            file.write("open = 1")
            file.flush()
            await bench.sink.until(lambda: bench.sink.holds("x", "open = 1"))


@on_a_loop
async def test_a_save_is_drafted_then_settled(folder, watcher):
    async with Bench(folder, **watcher) as bench:
        await bench.save("x.py", "one")
        first = bench.sink.drafts["x"]
        await bench.save("x.py", "second")
        assert bench.sink.order[-2:] == [("drafted", "x"), ("settled", "x")]
        assert bench.sink.drafts["x"].caused_ns > first.taken_at
        assert bench.source.statistics().watcher == watcher["watcher"]


@on_a_loop
async def test_a_save_that_changes_no_byte_says_nothing(folder):
    async with Bench(folder) as bench:
        await bench.save("x.py", "one")
        for _ in range(3):
            bench.put("x.py", "one")
            (folder / "x.py").touch()
            (folder / "x.py").chmod(0o600)
        await bench.passed()
        assert bench.sink.settles("x") == 1
        assert bench.sink.order.count(("drafted", "x")) == 1


def in_place(file, text):
    file.write_text(text)


def vim(file, text):
    """backupcopy=no: the old file is renamed away, a new one written under the name."""
    (file.parent / f".{file.name}.swp").write_text("swap")
    (file.parent / "4913").touch()
    (file.parent / "4913").unlink()
    backup = file.with_name(file.name + "~")
    file.rename(backup)
    with file.open("w") as new:
        new.write(text)
        new.flush()
        os.fsync(new.fileno())
    file.chmod(0o644)
    backup.unlink()


def emacs(file, text):
    lock = file.parent / f".#{file.name}"
    lock.symlink_to("me@here.1:2")
    (file.parent / f"#{file.name}#").write_text(text)
    file.rename(file.with_name(file.name + "~"))
    file.write_text(text)
    (file.parent / f"#{file.name}#").unlink()
    lock.unlink()


def jetbrains(file, text):
    new, old = file.with_name(file.name + "___jb_tmp___"), file.with_name(file.name + "___jb_old___")
    new.write_text(text)
    file.rename(old)
    new.rename(file)
    old.unlink()


def gedit(file, text):
    new = file.with_name(".goutputstream-K3X2Y1")
    new.write_text(text)
    new.rename(file)


def sed(file, text):
    new = file.with_name("sedAbCdEf")
    new.write_text(text)
    new.rename(file)


def linked(file, text):
    new = file.with_name("spare.txt")
    new.write_text(text)
    file.unlink()
    file.hardlink_to(new)
    new.unlink()


@pytest.mark.parametrize("editor", [in_place, vim, emacs, jetbrains, gedit, sed, linked])
@pytest.mark.parametrize("path", ["x.py", "weather/__init__.py"])
@on_a_loop
async def test_how_editors_save(folder, editor, path):
    async with Bench(folder) as bench:
        key = path.removesuffix(".py").removesuffix("/__init__")
        bench.put(path, "v0")
        await bench.sink.until(lambda: key in bench.sink.live)
        for number in range(1, 4):
            text = f"v{number}"
            editor(folder / path, text)
            wanted = digest({Path(path).name: text.encode()})
            await bench.sink.until(lambda wanted=wanted: bench.sink.live.get(key) == wanted)
        assert None not in [batch.get(key, "") for batch in bench.sink.batches], "never unloaded on the way"
        await bench.passed()
        assert set(bench.sink.live) == {key, "zz marker"}
        assert not bench.sink.refused


@on_a_loop
async def test_an_open_file_is_waited_for(folder):
    async with Bench(folder) as bench:
        with (folder / "x.py").open("w") as file:
            file.write("half")
            file.flush()
            await bench.passed()
            assert "x" not in bench.sink.live
            file.write(" whole")
        await bench.sink.until(lambda: bench.sink.holds("x", "half whole"))
        assert bench.sink.settles("x") == 1


@on_a_loop
async def test_a_file_that_is_never_closed_is_taken_in_the_end(folder):
    async with Bench(folder, timing=Timing(open_wait=0.3)) as bench:
        with (folder / "x.py").open("w") as file:
            file.write("never closed")
            file.flush()
            await bench.sink.until(lambda: bench.sink.holds("x", "never closed"))


@on_a_loop
async def test_ten_fast_saves_are_few_reloads_and_end_on_the_last(folder):
    async with Bench(folder) as bench:
        loop = asyncio.get_running_loop()
        start = loop.time()
        for number in range(10):
            bench.put("x.py", f"n = {number}")
            await asyncio.sleep(0.01)  # the pace of the saves, not a wait for their effect
        took = loop.time() - start
        await bench.sink.until(lambda: bench.sink.holds("x", "n = 9"))
        await bench.passed()
        assert bench.sink.settles("x") <= 2 + int(took / 0.25)


@on_a_loop
async def test_constant_saving_does_not_starve(folder):
    async with Bench(folder) as bench:
        loop = asyncio.get_running_loop()
        start = loop.time()
        number = 0
        while bench.sink.settles("x") < 5:
            bench.put("x.py", f"n = {number}")
            number += 1
            await asyncio.sleep(0.02)  # the pace of the saves
            assert loop.time() < start + DEADLINE
        await bench.sink.until(lambda: bench.sink.holds("x", f"n = {number - 1}"))


@on_a_loop
async def test_a_draft_is_taken_back_when_the_bytes_go_back(folder):
    async with Bench(folder, timing=Timing(settle=0.2)) as bench:
        await bench.save("x.py", "good")
        await bench.passed()
        bench.put("x.py", "other")
        await bench.sink.until(lambda: bench.sink.drafts["x"].files["x.py"] == b"other")
        bench.put("x.py", "good")
        settled = bench.sink.settles("x")
        await bench.sink.until(lambda: bench.sink.settles("x") > settled)
        assert bench.sink.holds("x", "good")
        assert bench.sink.drafts["x"].files["x.py"] == b"good"


# -- coming, going, moving -------------------------------------------------------------------------------------------


@on_a_loop
async def test_deleted_and_renamed(folder, watcher):
    async with Bench(folder, **watcher) as bench:
        await bench.save("x.py", "x")
        await bench.save("old.py", "moves")
        (folder / "old.py").rename(folder / "new.py")
        await bench.sink.until(lambda: bench.sink.holds("new", "moves") and "old" not in bench.sink.live)
        if watcher["watcher"] == "native":
            assert set(bench.sink.batches[-1]) == {"new", "old"}, "a move is one batch"
        (folder / "x.py").unlink()
        await bench.sink.until(lambda: "x" not in bench.sink.live)
        assert bench.sink.live == bench.on_disk()[0]


@on_a_loop
async def test_folders_that_come_move_and_go(folder, watcher, tmp_path):
    for path in ("in/__init__.py", "in/data.json", "plain/a.py", "plain/deep/b.py"):
        (tmp_path / "made" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "made" / path).write_text(path)
    async with Bench(folder, **watcher) as bench:
        sink = bench.sink
        (tmp_path / "made").rename(folder / "pack")
        await sink.until(lambda: set(sink.live) == {"pack/in", "pack/plain/a", "pack/plain/deep/b"})
        (folder / "pack/plain").rename(folder / "top")
        await sink.until(lambda: set(sink.live) == {"pack/in", "top/a", "top/deep/b"})
        (folder / "pack/in").rename(tmp_path / "out")
        await sink.until(lambda: set(sink.live) == {"top/a", "top/deep/b"})
        shutil.rmtree(folder / "top")
        await sink.until(lambda: not sink.live)
        shutil.copytree(tmp_path / "out", folder / "back")
        await sink.until(lambda: "back" in sink.live and sink.live == bench.on_disk()[0])


@on_a_loop
async def test_an_init_file_makes_and_unmakes_a_folder_mod(folder, watcher):
    async with Bench(folder, **watcher) as bench:
        sink = bench.sink
        await bench.save("w/sub.py", "s")
        bench.put("w/__init__.py", "i")
        await sink.until(lambda: set(sink.live) == {"w"})
        assert sink.drafts["w"].files == {"__init__.py": b"i", "sub.py": b"s"}
        bench.put("w/sub.py", "longer")
        wanted = digest({"__init__.py": b"i", "sub.py": b"longer"})
        await sink.until(lambda: sink.live["w"] == wanted)
        bench.put("w/data/t.json", "{}")
        await sink.until(lambda: "data/t.json" in sink.drafts["w"].files and sink.live["w"] == sink.drafts["w"].digest)
        (folder / "w/__init__.py").unlink()
        await sink.until(lambda: set(sink.live) == {"w/sub"})


@on_a_loop
async def test_a_checkout_activates_each_mod_once(folder):
    keys = [f"m{number}" for number in range(200)]
    async with Bench(folder) as bench:
        for key in keys:
            bench.put(f"{key}.py", "before")
        await bench.sink.until(lambda: len(bench.sink.live) == 200)
        await bench.passed()
        bench.sink.batches.clear()
        if shutil.which("git"):
            git = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-C", str(folder)]
            subprocess.run([*git, "init", "-q"], check=True)
            subprocess.run([*git, "add", "."], check=True)
            subprocess.run([*git, "commit", "-qm", "before"], check=True)
            for key in keys:
                bench.put(f"{key}.py", "after")
            await bench.sink.until(lambda: all(bench.sink.holds(key, "after") for key in keys))
            await bench.passed()
            bench.sink.batches.clear()
            checkout = await asyncio.create_subprocess_exec(*git, "checkout", "-q", "-f", ".")
            await checkout.wait()
        else:
            for key in keys:
                bench.put(f"{key}.py", "after")
        wanted = "before" if shutil.which("git") else "after"
        await bench.sink.until(lambda: all(bench.sink.holds(key, wanted) for key in keys))
        assert [bench.sink.settles(key) for key in keys] == [1] * 200


# -- refusals --------------------------------------------------------------------------------------------------------


@on_a_loop
async def test_a_refusal_keeps_what_is_live_is_said_once_and_ends(folder):
    async with Bench(folder, limits=Limits(snapshot_bytes=100)) as bench:
        sink = bench.sink
        await bench.save("x.py", "good")
        bench.put("x.py", "#" * 101)
        await sink.until(lambda: "x" in sink.refused)
        assert sink.refused["x"].kind == "TooLarge"
        (folder / "x.py").touch()
        await bench.passed()
        assert sink.refusals == 1
        assert sink.holds("x", "good")
        bench.put("x.py", "good")  # the very bytes that are live: said all the same, since the refusal is over
        await sink.until(lambda: "x" not in sink.refused)
        bench.put("weather.py", "w")
        bench.put("weather/__init__.py", "w")
        await sink.until(lambda: "weather" in sink.refused)
        assert sink.refused["weather"].kind == "Ambiguous"
        (folder / "weather.py").unlink()
        await sink.until(lambda: "weather" not in sink.refused and "weather" in sink.live)


@on_a_loop
async def test_hostile_names_links_and_fifos(folder, tmp_path):
    (tmp_path / "secret.py").write_text("secret")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/__init__.py").write_text("secret")
    async with Bench(folder) as bench:
        sink = bench.sink
        bench.put("evil\n\x1b[2J\u202e.py", "x")
        os.close(os.open(os.fsencode(folder) + b"/raw\xff.py", os.O_CREAT | os.O_WRONLY))
        (folder / "out.py").symlink_to(tmp_path / "secret.py")
        (folder / "dir").symlink_to(tmp_path / "linked")
        os.mkfifo(folder / "pipe.py")
        await sink.until(lambda: len(sink.refused) == 5)
        assert {key: diagnostic.kind for key, diagnostic in sink.refused.items()} == {
            "evil\\x0a\\x1b[2J\\u202e": "BadName",
            "raw\\udcff": "BadName",
            "out": "Link",
            "dir": "Link",
            "pipe": "NotRegular",
        }
        assert not sink.live
        for file in list(folder.iterdir()):
            file.unlink()
        await sink.until(lambda: not sink.refused)


# -- when events do not tell -----------------------------------------------------------------------------------------


@on_a_loop
async def test_after_an_overflow_the_tree_is_reconciled(folder, overflow):
    async with Bench(folder) as bench:
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


@on_a_loop
async def test_a_flood_of_events_does_not_hold_the_loop(folder):
    """A hundred thousand may wait, and each may take a while: they held the supervisor up for eight seconds."""
    async with Bench(folder) as bench:
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


@on_a_loop
async def test_folders_are_not_looked_through_once_for_each_event_of_a_flood(folder, tmp_path):
    """A hundred links that are made in a folder of twenty thousand entries took two seconds."""
    (folder / "big").mkdir()
    for number in range(300):
        (folder / "big" / f"{number}.txt").touch()
    async with Bench(folder) as bench:
        mailbox, source = vars(bench.source)["_mailbox"], bench.source
        for _ in range(3000):
            mailbox.put(Kind.FOLDER, "big")
        elsewhere = tmp_path / "late"
        elsewhere.mkdir()
        (elsewhere / "x.py").write_text("x")
        elsewhere.rename(folder / "big" / "late")
        await bench.sink.until(lambda: bench.sink.holds("big/late/x", "x"))
        assert source.statistics().reconciliations > 0, "one look at the whole tree stands for most of them"


@on_a_loop
async def test_the_slow_period_finds_what_inotify_does_not_report(folder):
    bench = Bench(folder, reconcile_period=0.2)
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


@on_a_loop
async def test_what_only_the_slow_period_found_leads_to_another_watcher(folder):
    (folder / "a").mkdir()
    async with Bench(folder, reconcile_period=0.3) as bench:
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


@on_a_loop
async def test_what_was_touched_or_is_held_open_does_not(folder):
    """Its bytes are what was said last: no news at any look, for which a new watcher was begun each time."""
    async with Bench(folder, reconcile_period=0.2) as bench:
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


@on_a_loop
async def test_a_watcher_that_gave_up_is_replaced_and_nothing_is_missed(folder):
    async with Bench(folder) as bench:
        old = vars(bench.source)["_watcher"]
        with old._lock:
            old._give_up()
        await bench.save("x.py", "one")
        assert vars(bench.source)["_watcher"] not in (old, None)
        await bench.save("x.py", "two")


@on_a_loop
async def test_a_root_that_is_replaced_all_the_time_is_followed_once_a_second(folder, tmp_path):
    """Each time takes a look at everything, and a thread."""
    (tmp_path / "b").mkdir()
    libc = ctypes.CDLL(None)
    async with Bench(folder) as bench:
        began = time.monotonic()
        while time.monotonic() < began + 1.5:
            assert libc.renameat2(-100, bytes(folder), -100, bytes(tmp_path / "b"), 2) == 0
            await asyncio.sleep(0.01)
        assert bench.source.statistics().roots <= 1 + (time.monotonic() - began) / ROOT_PERIOD
        bench.put("x.py", "x")
        assert await bench.source.look(DEADLINE), "of the folder that is there now"
        await bench.sink.until(lambda: bench.sink.holds("x", "x"))


@on_a_loop
async def test_a_look_is_at_the_folder_that_is_there(folder, watcher):
    """Also at one that came just after another, or after none."""
    async with Bench(folder, **watcher) as bench:
        for name in "abc":
            shutil.rmtree(folder)
            assert await bench.source.look(DEADLINE)
            folder.mkdir()
            bench.put(f"{name}.py", name)
            assert await bench.source.look(DEADLINE)
            await bench.sink.until(lambda name=name: bench.sink.holds(name, name))
            assert set(bench.sink.live) == {name}


@pytest.mark.parametrize("times", [1, 2])
@on_a_loop
async def test_closing_while_another_watcher_begins_leaves_nothing(folder, monkeypatch, times):
    under_way, go_on = threading.Event(), threading.Event()
    bench = Bench(folder)
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


@on_a_loop
async def test_a_watcher_for_which_there_is_no_thread_is_tried_again(folder, monkeypatch):
    async with Bench(folder) as bench:
        begin = bench.source._begin

        async def refused(_):
            monkeypatch.setattr(bench.source, "_begin", begin)
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(bench.source, "_begin", refused)
        vars(bench.source)["_watcher"].close()
        await bench.save("x.py", "x")
        assert "the mods folder cannot be watched: can't start new thread" in bench.sink.troubles


@on_a_loop
async def test_many_that_settle_together_are_read_one_by_one(folder, monkeypatch):
    """130 of 7 MB that were touched together stopped the supervisor for most of a second."""
    bench = Bench(folder)
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


@on_a_loop
async def test_a_write_under_another_name_of_the_same_file(folder):
    """The kernel tells of the name it was opened by."""
    bench = Bench(folder)
    bench.put("a.py", "one")
    (folder / "b.py").hardlink_to(folder / "a.py")
    async with bench:
        bench.put("a.py", "two")
        await bench.sink.until(lambda: bench.sink.holds("b", "two") and bench.sink.holds("a", "two"))


@on_a_loop
async def test_a_file_that_somebody_has_open_is_read_soon_after_its_end(folder):
    """A poller does not hear of that: it took nine seconds."""
    timing = Timing(open_wait=3600.0)
    async with Bench(folder, watcher="polling", poll_interval=0.05, timing=timing) as bench:
        with (folder / "x.py").open("w") as file:
            file.write("x")
            file.flush()
            async with asyncio.timeout(DEADLINE):
                while bench.source.statistics().snapshots < 4:
                    await asyncio.sleep(0.01)
            assert not bench.sink.live
        await bench.sink.until(lambda: bench.sink.holds("x", "x"))


@on_a_loop
async def test_a_file_that_was_waited_for_once_is_waited_for_again(folder):
    """Held open with the bytes that were live already, it had its next save read while it was written."""
    timing = Timing(open_wait=1.0)
    async with Bench(folder, watcher="polling", poll_interval=0.05, timing=timing) as bench:
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


@on_a_loop
async def test_a_root_renamed_and_made_again_is_followed(folder, watcher):
    async with Bench(folder, **watcher) as bench:
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


@on_a_loop
async def test_a_root_deleted_and_made_again_is_followed(folder, watcher):
    async with Bench(folder, **watcher) as bench:
        await bench.save("x.py", "x")
        shutil.rmtree(folder)
        folder.mkdir()
        await bench.save("z.py", "z")
        await bench.sink.until(lambda: set(bench.sink.live) == {"z"})


@on_a_loop
async def test_a_root_that_is_a_link_is_followed_when_it_is_pointed_elsewhere(folder, tmp_path):
    for release in ("r1", "r2"):
        (folder / release).mkdir()
        (folder / release / "x.py").write_text(release)
    link = tmp_path / "current"
    link.symlink_to(folder / "r1")
    async with Bench(link) as bench:
        assert bench.sink.holds("x", "r1")
        (tmp_path / "next").symlink_to(folder / "r2")
        (tmp_path / "next").rename(link)
        await bench.sink.until(lambda: bench.sink.holds("x", "r2"))
        await bench.save("x.py", "r2, edited")


@on_a_loop
async def test_a_watcher_that_died_is_replaced(folder, watcher):
    async with Bench(folder, **watcher) as bench:
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


# -- whatever happens ------------------------------------------------------------------------------------------------


def disturb(folder, seed, steps):
    """Do to a folder what people, editors and scripts do, at random; in a thread or before the start."""
    rng = random.Random(seed)
    names = ["a.py", "b.py", "p/a.py", "p/q/b.py", "w/__init__.py", "w/x.py", "w/data.json", "p/w/__init__.py", "w.py"]
    for step in range(steps):
        path = folder / rng.choice(names)
        other = folder / rng.choice(names)
        try:
            match rng.randrange(9):
                case 0 | 1 | 2:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(f"step {step}")
                case 3:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    spare = path.with_name("spare.tmp")
                    spare.write_text(f"step {step}, renamed")
                    spare.rename(path)
                case 4:
                    path.unlink()
                case 5:
                    path.rename(other)
                case 6:
                    path.parent.rename(other.parent)
                case 7:
                    shutil.rmtree(path.parent) if path.parent != folder else path.touch()
                case 8:
                    path.symlink_to(other)
        except OSError:
            continue


@pytest.mark.parametrize("seed", range(6))
@on_a_loop
async def test_what_settles_is_what_is_on_disk(folder, watcher, seed):
    disturb(folder, seed, 40)
    thread = threading.Thread(target=disturb, args=(folder, seed + 100, 400))
    thread.start()
    async with Bench(folder, **watcher) as bench:
        while thread.is_alive():
            await asyncio.sleep(0.01)  # the loop turns while the thread works
        thread.join()

        def same():
            live, refused = bench.on_disk()
            sink = bench.sink
            return refused == set(sink.refused) and live == {k: d for k, d in sink.live.items() if k not in refused}

        await bench.sink.until(same)
        assert not [trouble for trouble in bench.sink.troubles if "not looked at" not in trouble]


# -- a look that somebody waits for ------------------------------------------------------------------------------------

UNNOTICED = {"watcher": "polling", "poll_interval": 3600.0}
"""A watcher that tells of nothing: what is found was looked for."""


@on_a_loop
async def test_a_look_notices_what_the_watcher_has_not(folder):
    async with Bench(folder, **UNNOTICED) as bench:
        for text in ("one", "two"):
            bench.put("x.py", text)
            bench.put("pack/__init__.py", text)
            assert await bench.source.look(DEADLINE)
            assert not bench.source.at_rest()
            await bench.sink.until(bench.source.at_rest)
            assert bench.sink.holds("x", text)
        (folder / "x.py").unlink()
        shutil.rmtree(folder / "pack")
        assert await bench.source.look(DEADLINE)
        await bench.sink.until(bench.source.at_rest)
        assert bench.sink.live == {}
        assert bench.source.statistics().events == 0


@on_a_loop
async def test_a_look_that_finds_nothing_new_leaves_all_at_rest(folder):
    """Refused mods, and those that there is no room for, among them: else nobody could wait for rest beside them."""
    for number in range(3):
        (folder / f"m{number}.py").write_text("fine")
    (folder / "linked.py").symlink_to("/etc/hostname")
    (folder / "huge.py").write_bytes(bytes(Limits().snapshot_bytes + 1))
    (folder / "needs").mkdir()
    (folder / "needs/__init__.py").write_text("")
    (folder / "needs/mod.toml").write_text('requires = ["nobody"]\n')
    (folder / "both.py").write_text("")
    (folder / "both").mkdir()
    (folder / "both/__init__.py").write_text("")
    async with Bench(folder, **UNNOTICED, most_mods=7) as bench:
        assert bench.sink.refused.keys() >= {"linked", "huge", "needs", "both"}
        bench.put("one_more.py", "no room")
        assert await bench.source.look(DEADLINE)
        await bench.sink.until(bench.source.at_rest)
        assert any("the mods folder is full" in trouble for trouble in bench.sink.troubles)
        before = bench.source.statistics()
        for _ in range(3):
            assert await bench.source.look(DEADLINE)
            assert bench.source.at_rest()
        after = bench.source.statistics()
        assert (after.drafts, after.settles, after.refusals) == (before.drafts, before.settles, before.refusals)
        assert after.reconciliations == before.reconciliations + 3
        (folder / "linked.py").unlink()
        bench.put("linked.py", "a file now")
        assert await bench.source.look(DEADLINE)
        await bench.sink.until(bench.source.at_rest)
        assert bench.sink.holds("linked", "a file now")


@on_a_loop
async def test_who_waits_for_a_look_is_told_of_one_that_began_after_he_asked(folder):
    async with Bench(folder, **UNNOTICED) as bench:
        first = asyncio.create_task(bench.source.look(DEADLINE))
        second = asyncio.create_task(bench.source.look(DEADLINE))
        assert await first
        assert await second
        assert bench.source.statistics().reconciliations == 1
        third = asyncio.create_task(bench.source.look(DEADLINE))
        await asyncio.sleep(0)
        assert not bench.source.at_rest(), "that look is still due"
        assert await third
        assert bench.source.at_rest()
        assert bench.source.statistics().reconciliations == 2


@on_a_loop
async def test_a_look_is_over_when_the_source_closes(folder):
    for number in range(50):
        (folder / f"m{number}.py").write_text("fine")
    async with Bench(folder, **UNNOTICED) as bench:
        under_way = asyncio.create_task(bench.source.look(3600.0))
        await asyncio.sleep(0)
    async with asyncio.timeout(DEADLINE):
        assert await under_way
    assert await bench.source.look(3600.0)


@on_a_loop
async def test_a_look_does_not_take_an_open_file_for_complete(folder):
    """Of a folder too, whose files' events name them and a look does not."""
    async with Bench(folder) as bench:
        bench.put("pack/__init__.py", "n = 1")
        await bench.sink.until(lambda: "pack" in bench.sink.live)
        await bench.sink.until(bench.source.at_rest)
        first = bench.sink.live["pack"]
        with (folder / "pack/__init__.py").open("w") as file:
            file.write("n = ")
            file.flush()
            await bench.passed()  # what was noticed of it so far
            drafts = bench.source.statistics().drafts
            for _ in range(3):
                assert await bench.source.look(DEADLINE)
            await bench.passed()
            assert bench.source.statistics().drafts == drafts + 1, "the marker's alone"
            assert bench.sink.live["pack"] == first
            file.write("2")
        await bench.sink.until(lambda: bench.sink.live["pack"] != first)
        assert bench.sink.live == bench.on_disk()[0]
