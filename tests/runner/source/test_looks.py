"""A look that somebody waits for."""

import asyncio
import shutil

from fumehood.shared.policy import Limits

DEADLINE = 20.0


UNNOTICED = {"watcher": "polling", "poll_interval": 3600.0}
"""A watcher that tells of nothing: what is found was looked for."""


async def test_a_look_notices_what_the_watcher_has_not(folder, source_on):
    async with source_on(folder, **UNNOTICED) as bench:
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


async def test_a_look_that_finds_nothing_new_leaves_all_at_rest(folder, source_on):
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
    async with source_on(folder, **UNNOTICED, most_mods=7) as bench:
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


async def test_who_waits_for_a_look_is_told_of_one_that_began_after_he_asked(folder, source_on):
    async with source_on(folder, **UNNOTICED) as bench:
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


async def test_a_look_is_over_when_the_source_closes(folder, source_on):
    for number in range(50):
        (folder / f"m{number}.py").write_text("fine")
    async with source_on(folder, **UNNOTICED) as bench:
        under_way = asyncio.create_task(bench.source.look(3600.0))
        await asyncio.sleep(0)
    async with asyncio.timeout(DEADLINE):
        assert await under_way
    assert await bench.source.look(3600.0)


async def test_a_look_does_not_take_an_open_file_for_complete(folder, source_on):
    """Of a folder too, whose files' events name them and a look does not."""
    async with source_on(folder) as bench:
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
