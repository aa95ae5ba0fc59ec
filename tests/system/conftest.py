"""Real processes, started for these tests and always closed; files saved the way an editor saves them."""

import contextlib
import ctypes
import itertools
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from fumehood.runner import launch
from fumehood.runner.game import Mods
from fumehood.runner.records import ModStatus, Receipt
from fumehood.shared.policy import Limits

PATIENCE = 20.0
"""Seconds until a wait gives up: never reached unless something hangs."""
LIMITS = Limits(hang_after=1.0, load_timeout=2.0, drain_timeout=3.0)
"""Short enough that a test of a hang is quick, long enough for a loaded machine: a worker may wait half a second."""

COUNTER = """
from fumehood.worker import on, state
V = {version}
@on("count")
def count():
    state["n"] = state.get("n", 0) + 1
    return [state["n"], V]
"""

HOSTILE = """
import ctypes, gc, os, socket, struct, sys, time
from fumehood.worker import game, log, on, state
from fumehood.shared import _ring
from fumehood.shared.messages import pack
def grip():
    found, frame = {}, sys._getframe()
    while frame is not None:
        for thing in getattr(frame.f_locals.get("self"), "__dict__", {}).values():
            found.setdefault(type(thing).__name__, thing)
        frame = frame.f_back
    return found
def tell(**report):
    os.write(grip()["Link"]._fd, pack(report))
"""

_serial = itertools.count(1)


class Folder:
    """A mods folder, written as an editor writes: a temporary file beside the target, then a rename over it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @staticmethod
    def counter(version: int, more: str = "") -> str:
        """A mod that counts its calls in its state: `count()` returns [calls so far, version]."""
        return COUNTER.format(version=version) + more

    @staticmethod
    def hostile(text: str) -> str:
        """A mod that has every word and socket its process has: `grip()` finds the worker's own objects on the stack,
        by the names of their types, and `tell(type=…)` says to the supervisor what the mod likes.
        """
        return HOSTILE + text

    def save(self, name: str, text: str | bytes) -> Path:
        """`name` is relative to the root, with its ending."""
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.parent / f".{target.name}.{next(_serial)}.tmp"
        temporary.write_bytes(text.encode() if isinstance(text, str) else text)
        temporary.rename(target)
        return target


class Bench(Folder):
    """A folder and the game that runs its mods. Each test uses mods of its own, so that many can share one bench."""

    def __init__(self, root: Path, mods: Mods, supervisor: psutil.Process) -> None:
        super().__init__(root)
        self.mods = mods
        self.supervisor = supervisor
        self._marked = 0

    def mark(self) -> int:
        """Number of the newest receipt: what a later `wait` counts from."""
        for receipt in self.mods.receipts(self._marked):
            self._marked = receipt.number
        return self._marked

    def load(self, name: str, text: str | bytes, verdict: str | None = "live", *, file: str = "") -> Receipt:
        """Save mod `name` and wait for the verdict on just that, and not for one on what was live before."""
        since = self.mark()
        before = self.mods[name].digest if name in self.mods else ""
        self.save(file or f"{name}.py", text)
        return self.next(name, since, verdict, besides=before)

    def next(self, name: str, since: int, verdict: str | None = "live", *, besides: str = "") -> Receipt:
        """The next receipt with that verdict (None: any), about another digest than `besides`; one that rules it out
        fails at once."""
        while True:
            receipt = self.mods.wait(name, verdict=None, since=since, timeout=PATIENCE)
            if receipt.digest == besides != "":
                since = receipt.number
                continue
            if verdict in (None, receipt.verdict):
                return receipt
            assert (verdict, receipt.verdict) != ("live", "refused"), receipt.diagnostic
            since = receipt.number

    def status(self, name: str) -> ModStatus:
        return next(status for status in self.mods.status() if status.name == name)

    def names(self) -> set[str]:
        return {status.name for status in self.mods.status()}


def until(condition: Callable[[], object], what: str, timeout: float = PATIENCE) -> None:
    """Look again every few ms, for what no descriptor tells; fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout:g} s: {what}")
        pause.wait(0.005)


@contextlib.contextmanager
def stderr_into(file: Path | None) -> Iterator[None]:
    """A process started in here writes its stderr to `file`; None: to where this one's goes."""
    if file is None:
        yield
        return
    before = os.dup(2)
    try:
        with file.open("ab") as sink:
            os.dup2(sink.fileno(), 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


@contextlib.contextmanager
def launched(root: Path, *, said: Path | None = None, **options: object) -> Iterator[Bench]:
    """A game of its own over `root`, closed whatever happens. `said`: the file for its supervisor's log."""
    root.mkdir(parents=True, exist_ok=True)
    options.setdefault("limits", LIMITS)
    before = set(psutil.Process().children())
    with stderr_into(said):
        launching = launch(root, timeout=PATIENCE, **options)  # type: ignore[arg-type]  # passed through
    with launching as mods:
        (supervisor,) = set(psutil.Process().children()) - before
        yield Bench(root, mods, supervisor)


@pytest.fixture(name="launched", scope="session")
def _launched() -> Callable[..., contextlib.AbstractContextManager[Bench]]:
    return launched


@pytest.fixture(name="until", scope="session")
def _until() -> Callable[..., None]:
    return until


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One launched supervisor for the tests of a file."""
    with launched(tmp_path_factory.mktemp("bench") / "mods") as it:
        yield it


@pytest.fixture
def mod(request: pytest.FixtureRequest) -> str:
    """A mod name of the test's own."""
    plain = "".join(c if c.isalnum() else "_" for c in request.node.name.removeprefix("test_"))
    return f"{plain[:60]}_{next(_serial)}"


# ── run and connect ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files and sockets of this test's own: empty before, to be empty after."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield folder
    tempfile.tempdir = None


class Service:
    """`fumehood run` over a folder."""

    def __init__(self, root: Path, *options: str) -> None:
        self.root = root
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fumehood.runner.cli", "run", str(root), "--log-level", "info", *options],
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        self.said: list[str] = []
        for line in self.process.stderr:
            self.said.append(line)
            if "attach with" in line:
                break
        self.reader = threading.Thread(target=lambda: self.said.extend(self.process.stderr))
        self.reader.start()

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(20)
        self.reader.join(20)
        self.process.stderr.close()
        return status


@pytest.fixture
def serve(temporary: Path) -> Iterator[Callable[..., Service]]:
    started: list[Service] = []

    def start(root: Path, *options: str) -> Service:
        started.append(Service(root, *options))
        return started[-1]

    yield start
    for service in started:
        if not service.process.stderr.closed:
            service.end(signal.SIGKILL)


# ── what must not be left ─────────────────────────────────────────────────────────────────────────────────────────────


def our_memfds(pid: int) -> set[int]:
    """Inodes of the memfds of ours that a process maps or holds open. Empty when it is gone."""
    found = set()
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            fields = line.split(None, 5)
            if len(fields) == 6 and fields[5].startswith("/memfd:fumehood"):
                found.add(int(fields[4]))
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(entry.readlink()).startswith("/memfd:fumehood"):
                    found.add(entry.stat().st_ino)
    return found


def our_mounts() -> list[str]:
    """Mounts of ours that this mount namespace sees: none, ever."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if "fumehood" in line]


@dataclass
class Census:
    """Everything that one supervisor has started and holds, so that later all of it can be looked for."""

    pidfds: dict[int, int]
    commands: dict[int, str]
    memfds: set[int]

    def await_end(self) -> None:
        """Every process ends, and nobody is left who has one of the memfds."""
        deadline = time.monotonic() + PATIENCE
        for pid, fd in self.pidfds.items():
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1e3):
                pytest.fail(f"process {pid} is left: {self.commands[pid]}")
        until(lambda: not any(our_memfds(pid) & self.memfds for pid in psutil.pids()), "no memfd of ours is left")
        assert our_mounts() == []

    def close(self) -> None:
        for fd in self.pidfds.values():
            os.close(fd)


def family(pid: int) -> list[psutil.Process]:
    """The process and everything below it."""
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


@contextlib.contextmanager
def census(pid: int) -> Iterator[Census]:
    """Count the processes from `pid` down and their memfds, as of now."""
    taken = Census({}, {}, set())
    try:
        for process in family(pid):
            with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
                taken.pidfds[process.pid] = os.pidfd_open(process.pid)
                taken.commands[process.pid] = f"{process.name()} {process.cmdline()}"
                taken.memfds |= our_memfds(process.pid)
        yield taken
    finally:
        taken.close()


class Brood:
    """Everything that a part of a test starts, however often it forks and whoever of it dies."""

    def __init__(self) -> None:
        self._others = set(psutil.Process().children())
        self.seen: dict[int, str] = {}
        self.memfds: set[int] = set()

    def look(self) -> list[psutil.Process]:
        """Who of it is there now. Those who ended are reaped: orphans too are this process's children here."""
        alive = []
        for child in self._children():
            for process in family(child.pid):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if process.status() != psutil.STATUS_ZOMBIE:
                        alive.append(process)
                        self.seen[process.pid] = f"{process.name()} {process.cmdline()}"
                        self.memfds |= our_memfds(process.pid)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child.pid, os.WNOHANG)
        return alive

    def _children(self) -> set[psutil.Process]:
        return set(psutil.Process().children()) - self._others

    def await_end(self) -> None:
        """Every process ends, and nobody is left who has a memfd that one of them had."""
        # Asked anew after the look: an orphan that came to us during it is one of ours, and to be reaped.
        until(lambda: not self.look() and not self._children(), f"of these none is left: {self.seen}")
        until(lambda: not any(our_memfds(pid) & self.memfds for pid in psutil.pids()), "no memfd of ours is left")
        assert our_mounts() == []


@pytest.fixture
def brood() -> Iterator[Brood]:
    """Follows what the test starts: orphans go to this process, not to init, as long as the test runs."""
    set_child_subreaper, libc = 36, ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(set_child_subreaper, 1, 0, 0, 0) == 0
    try:
        yield Brood()
    finally:
        libc.prctl(set_child_subreaper, 0, 0, 0, 0)


def supervisor_of(pid: int) -> psutil.Process:
    """The supervisor that a game of the test's own, in another process, has launched."""
    (supervisor,) = psutil.Process(pid).children()
    return supervisor


def zygote_of(supervisor: psutil.Process) -> psutil.Process:
    return next(p for p in supervisor.children() if any(arg.endswith("start.py") for arg in p.cmdline()))


@pytest.fixture
def root(tmp_path: Path) -> Folder:
    """An empty mods folder."""
    (tmp_path / "mods").mkdir()
    return Folder(tmp_path / "mods")


@pytest.fixture(name="our_memfds", scope="session")
def _our_memfds() -> Callable[[int], set[int]]:
    return our_memfds


@pytest.fixture(name="census", scope="session")
def _census() -> Callable[[int], contextlib.AbstractContextManager[Census]]:
    return census


@pytest.fixture(name="supervisor_of", scope="session")
def _supervisor_of() -> Callable[[int], psutil.Process]:
    return supervisor_of


@pytest.fixture(name="zygote_of", scope="session")
def _zygote_of() -> Callable[[psutil.Process], psutil.Process]:
    return zygote_of


class Script:
    """A Python program of the test's own in another process, such as a game that is to be killed."""

    def __init__(self, code: str, *args: object, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, args)],
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            env={**os.environ, **(env or {})},
            text=True,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self) -> str:
        """The next line it prints; fails when it ends first."""
        assert self.process.stdout is not None
        poll = select.poll()
        poll.register(self.process.stdout, select.POLLIN)
        assert poll.poll(PATIENCE * 1e3), "the program says nothing"
        line = self.process.stdout.readline()
        assert line, f"the program ended with status {self.process.wait(PATIENCE)}"
        return line.strip()

    def tell(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


@pytest.fixture
def script() -> Iterator[Callable[..., Script]]:
    """Start programs; whatever is left of them is killed at the end."""
    started: list[Script] = []

    def start(code: str, *args: object, env: dict[str, str] | None = None) -> Script:
        started.append(Script(code, *args, env=env))
        return started[-1]

    yield start
    for each in started:
        each.close()
