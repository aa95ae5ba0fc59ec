"""The folder source, end to end: real files, the real watchers, a real loop. What settles is what is on disk."""

import asyncio
import inspect
import threading
from pathlib import Path

import pytest
from fumehood.runner import tree
from fumehood.runner.manifest import Refused
from fumehood.runner.snapshot import Gone, digest, take
from fumehood.runner.source import FolderSource, Settled
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


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run an async test in a loop of its own; nothing may be left of it afterwards."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    before = len(list(Path("/proc/self/fd").iterdir())), threading.active_count()
    asyncio.run(pyfuncitem.obj(**arguments), debug=False)
    assert (len(list(Path("/proc/self/fd").iterdir())), threading.active_count()) == before
    return True


@pytest.fixture
def source_on():
    return Bench


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "mods"
    path.mkdir()
    return path


@pytest.fixture(params=["native", "polling"])
def watcher(request):
    return {"watcher": request.param, "poll_interval": 0.05}
