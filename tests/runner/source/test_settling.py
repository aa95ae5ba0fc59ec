"""What is saved, moved, deleted and refused, and what becomes live of it."""

import asyncio
import os
import random
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from fumehood.runner.snapshot import digest
from fumehood.runner.source import Timing
from fumehood.shared.errors import ConfigError
from fumehood.shared.policy import Limits

DEADLINE = 20.0


# -- the first look --------------------------------------------------------------------------------------------------


async def test_an_empty_folder_is_one_empty_batch(folder, source_on):
    async with source_on(folder) as bench:
        assert bench.sink.batches == [{}]


async def test_what_is_there_is_one_batch(folder, source_on):
    for path in ("b.py", "a/x.py", "weather/data.json", "weather/__init__.py", "notes.txt"):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(path)
    (folder / "broken.py").symlink_to("b.py")
    async with source_on(folder) as bench:
        assert [list(batch) for batch in bench.sink.batches] == [["a/x", "b", "weather"]]
        assert bench.sink.refused["broken"].kind == "Link"
        assert {path: data.decode() for path, data in bench.sink.drafts["weather"].files.items()} == {
            "__init__.py": "weather/__init__.py",
            "data.json": "weather/data.json",
        }
        assert bench.source.statistics().mods == 4
    assert not bench.sink.troubles


async def test_a_root_that_is_none(source_on, tmp_path):
    (tmp_path / "file").touch()
    for name in ("absent", "file"):
        with pytest.raises(ConfigError, match=name):
            await source_on(tmp_path / name).source.start()


async def test_closing_before_and_after_all_is_fine(folder, source_on):
    source = source_on(folder).source
    await source.close()
    await source.start()
    await source.close()
    await source.close()
    assert source.statistics().watcher == ""


# -- saving ----------------------------------------------------------------------------------------------------------


async def test_half_a_file_is_not_taken_whatever_the_events_say(folder, source_on):
    """Its times are touched while it is being written, which looks like a finished save; or its event is late."""
    async with source_on(folder) as bench:
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


async def test_a_file_that_stays_open_is_taken_in_the_end(folder, source_on):
    timing = Timing(open_wait=0.4)
    async with source_on(folder, timing=timing) as bench:
        await bench.save("x.py", "whole = 1")
        with (folder / "x.py").open("w") as file:
            file.write("open = 1")
            file.flush()
            await bench.sink.until(lambda: bench.sink.holds("x", "open = 1"))


async def test_a_save_is_drafted_then_settled(folder, source_on, watcher):
    async with source_on(folder, **watcher) as bench:
        await bench.save("x.py", "one")
        first = bench.sink.drafts["x"]
        await bench.save("x.py", "second")
        assert bench.sink.order[-2:] == [("drafted", "x"), ("settled", "x")]
        assert bench.sink.drafts["x"].caused_ns > first.taken_at
        assert bench.source.statistics().watcher == watcher["watcher"]


async def test_a_save_that_changes_no_byte_says_nothing(folder, source_on):
    async with source_on(folder) as bench:
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
async def test_how_editors_save(folder, source_on, editor, path):
    async with source_on(folder) as bench:
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


async def test_an_open_file_is_waited_for(folder, source_on):
    async with source_on(folder) as bench:
        with (folder / "x.py").open("w") as file:
            file.write("half")
            file.flush()
            await bench.passed()
            assert "x" not in bench.sink.live
            file.write(" whole")
        await bench.sink.until(lambda: bench.sink.holds("x", "half whole"))
        assert bench.sink.settles("x") == 1


async def test_a_file_that_is_never_closed_is_taken_in_the_end(folder, source_on):
    async with source_on(folder, timing=Timing(open_wait=0.3)) as bench:
        with (folder / "x.py").open("w") as file:
            file.write("never closed")
            file.flush()
            await bench.sink.until(lambda: bench.sink.holds("x", "never closed"))


async def test_ten_fast_saves_are_few_reloads_and_end_on_the_last(folder, source_on):
    async with source_on(folder) as bench:
        loop = asyncio.get_running_loop()
        start = loop.time()
        for number in range(10):
            bench.put("x.py", f"n = {number}")
            await asyncio.sleep(0.01)  # the pace of the saves, not a wait for their effect
        took = loop.time() - start
        await bench.sink.until(lambda: bench.sink.holds("x", "n = 9"))
        await bench.passed()
        assert bench.sink.settles("x") <= 2 + int(took / 0.25)


async def test_constant_saving_does_not_starve(folder, source_on):
    async with source_on(folder) as bench:
        loop = asyncio.get_running_loop()
        start = loop.time()
        number = 0
        while bench.sink.settles("x") < 5:
            bench.put("x.py", f"n = {number}")
            number += 1
            await asyncio.sleep(0.02)  # the pace of the saves
            assert loop.time() < start + DEADLINE
        await bench.sink.until(lambda: bench.sink.holds("x", f"n = {number - 1}"))


async def test_a_draft_is_taken_back_when_the_bytes_go_back(folder, source_on):
    async with source_on(folder, timing=Timing(settle=0.2)) as bench:
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


async def test_deleted_and_renamed(folder, source_on, watcher):
    async with source_on(folder, **watcher) as bench:
        await bench.save("x.py", "x")
        await bench.save("old.py", "moves")
        (folder / "old.py").rename(folder / "new.py")
        await bench.sink.until(lambda: bench.sink.holds("new", "moves") and "old" not in bench.sink.live)
        if watcher["watcher"] == "native":
            assert set(bench.sink.batches[-1]) == {"new", "old"}, "a move is one batch"
        (folder / "x.py").unlink()
        await bench.sink.until(lambda: "x" not in bench.sink.live)
        assert bench.sink.live == bench.on_disk()[0]


async def test_folders_that_come_move_and_go(folder, source_on, watcher, tmp_path):
    for path in ("in/__init__.py", "in/data.json", "plain/a.py", "plain/deep/b.py"):
        (tmp_path / "made" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "made" / path).write_text(path)
    async with source_on(folder, **watcher) as bench:
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


async def test_an_init_file_makes_and_unmakes_a_folder_mod(folder, source_on, watcher):
    async with source_on(folder, **watcher) as bench:
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


async def test_a_checkout_activates_each_mod_once(folder, source_on):
    keys = [f"m{number}" for number in range(200)]
    async with source_on(folder) as bench:
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


async def test_a_refusal_keeps_what_is_live_is_said_once_and_ends(folder, source_on):
    async with source_on(folder, limits=Limits(snapshot_bytes=100)) as bench:
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


async def test_hostile_names_links_and_fifos(folder, source_on, tmp_path):
    (tmp_path / "secret.py").write_text("secret")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/__init__.py").write_text("secret")
    async with source_on(folder) as bench:
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
async def test_what_settles_is_what_is_on_disk(folder, source_on, watcher, seed):
    disturb(folder, seed, 40)
    thread = threading.Thread(target=disturb, args=(folder, seed + 100, 400))
    thread.start()
    async with source_on(folder, **watcher) as bench:
        while thread.is_alive():
            await asyncio.sleep(0.01)  # the loop turns while the thread works
        thread.join()

        def same():
            live, refused = bench.on_disk()
            sink = bench.sink
            return refused == set(sink.refused) and live == {k: d for k, d in sink.live.items() if k not in refused}

        await bench.sink.until(same)
        assert not [trouble for trouble in bench.sink.troubles if "not looked at" not in trouble]
