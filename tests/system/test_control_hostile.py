"""A client of the control socket that says what it should not: the next game finds everything as it was."""

import os
from pathlib import Path

import pytest
from fumehood.runner import aio, connect
from fumehood.shared import segment
from fumehood.shared.errors import ViewError
from fumehood.shared.views import HEAD, MAGIC, memory_bytes

PATIENCE = 20.0
MOD = "from fumehood.worker import on, view\n@on('double')\ndef double(n):\n    return 2 * n\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "mods"
    folder.mkdir()
    (folder / "m.py").write_text(MOD)
    return folder


def test_a_view_that_no_worker_could_map_is_refused_and_ends_nobody(root, serve):
    """Every worker that was told of one ended, and so did each that came after it."""
    serve(root)
    size = memory_bytes(2, 2 * HEAD)
    empty, unsealed = segment.create("empty", size), os.memfd_create("unsealed")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.ftruncate(unsealed, size)
    os.pwrite(unsealed, MAGIC.to_bytes(8, "little"), 0)
    with connect(root, timeout=PATIENCE) as mods:
        for fd, words in ((nothing, "no memory of"), (unsealed, "not sealed"), (empty, "another layout")):
            with pytest.raises(ViewError, match=words):
                mods._link.publish("v", 0, 65_537, 2, 2 * HEAD, fd)
        for place, generation, buffers, each in ((32, 1, 2, 8192), (0, 0, 2, 8192), (0, 1, 0, 8192), (0, 1, 2, 4096)):
            with pytest.raises(ViewError, match="cannot be"):
                mods._link.publish("v", place, generation, buffers, each, empty)
        assert mods["m"].call("double", 2, timeout=PATIENCE) == 4
        os.pwrite(empty, MAGIC.to_bytes(8, "little"), 0)
        mods._link.publish("v", 0, 65_537, 2, 2 * HEAD, empty)
        assert mods["m"].call("double", 3, timeout=PATIENCE) == 6
    for fd in (empty, unsealed, nothing):
        os.close(fd)


def test_a_plain_game_may_follow_one_in_an_event_loop(root, serve):
    """It was introduced to its mods with one descriptor too many, and could not begin."""
    import asyncio

    serve(root)

    async def play() -> None:
        async with await aio.connect(root, timeout=PATIENCE) as mods:
            assert await mods["m"].call("double", 1, timeout=PATIENCE) == 2

    asyncio.run(play())
    with connect(root, timeout=PATIENCE) as mods:
        assert mods["m"].call("double", 2, timeout=PATIENCE) == 4
    asyncio.run(play())
