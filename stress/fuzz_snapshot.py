"""Fuzz target `snapshot`: a folder that changes while a mod is read from it. An input is a program of changes: links,
FIFOs, sockets, sparse giants, renames, odd names, modes. The first byte says whether they are made before each look or
by a thread meanwhile.

What comes of a look is a snapshot, or that there is none (Gone, Busy), or one Refused; nothing that lies outside the
mods folder is ever in it, it is never larger than allowed, and no look holds anything open.
"""

import contextlib
import os
import random
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from fumehood.runner import snapshot, tree
from fumehood.runner.manifest import Refused
from fumehood.runner.snapshot import Busy, Gone
from fumehood.shared.messages import pack
from fumehood.shared.policy import Limits
from fuzz_ring import Program

LIMITS: Final = Limits(snapshot_bytes=20_000, snapshot_files=12)
SECRET: Final = b"# this must never be read\n"
KEYS: Final = ("m", "w", "a/x", "a", "l", "odd\n", "w/sub", "..", "")
PATHS: Final = (
    "m.py", "w/__init__.py", "w/mod.toml", "w/part.py", "w/data/t.json", "a/x.py", "a", "w", "l.py", "odd\n.py", "w/~x",
    "w/sub/__init__.py", "w/data", "l", "w/" + "n" * 250, "w/odd\udcff", "m", "w/.hidden", "a/x/__init__.py",
    "w/\u202e",
)  # fmt: skip
TEXTS: Final = (
    b"", b"x = 1\n", b"# /// script\n# [tool.fumehood]\n# order = 1\n# ///\n", b"order = 1\n[limits]\nfiles = 5\n",
    b"\xff",
    b"#" * 9000, b"[limits]\nsnapshot-files = 1\nsnapshot-bytes = 10\n",
)  # fmt: skip
ROUNDS: Final = 3


class Snapshots:
    """The target."""

    name = "snapshot"
    dictionary = (b"\0\0\0", b"\1\1\1", b"\2\0\2")

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp()).resolve()
        self._outside = self._folder / "outside"
        self._outside.mkdir()
        for name in ("x.py", "__init__.py", "m.py", "part.py"):
            (self._outside / name).write_bytes(SECRET)
        self._mods = self._folder / "mods"
        self._held: list[int] = []
        """Descriptors of files that somebody is writing."""

    def fresh(self, rng: random.Random) -> bytes:
        return rng.randbytes(rng.choice((10, 40, 120)))

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, data: bytes) -> None:
        program = Program(data)
        how = program.byte()
        self._mods.mkdir()
        root = tree.Root.open(self._mods)
        try:
            self._put("m.py", b"x = 1\n")
            self._put("w/__init__.py", b"x = 1\n")
            if how & 1:
                self._meanwhile(program, root)
            else:
                while program.left():
                    for _ in range(1 + program.byte() % 4):
                        self._change(program)
                    self._look(root, KEYS[program.byte() % len(KEYS)], patient=bool(how & 2))
        finally:
            root.close()
            for fd in self._held:
                os.close(fd)
            self._held.clear()
            self._mods.chmod(0o700)
            for at, folders, _ in os.walk(self._mods):
                for name in folders:
                    if not Path(at, name).is_symlink():
                        Path(at, name).chmod(0o700)
            shutil.rmtree(self._mods)

    def _meanwhile(self, program: Program, root: tree.Root) -> None:
        """Looks while a thread makes the same changes again and again."""
        stop = threading.Event()
        failed: list[BaseException] = []

        def work() -> None:
            try:
                while program.left() and not stop.is_set():
                    self._change(program)
            except BaseException as error:  # noqa: BLE001  # told below: a thread has nobody to tell
                failed.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            for _ in range(ROUNDS):
                for key in KEYS[:5]:
                    self._look(root, key, patient=False, steady=False)
        finally:
            stop.set()
            thread.join()
        if failed:
            raise failed[0]

    @staticmethod
    def _look(root: tree.Root, key: str, *, patient: bool, steady: bool = True) -> None:
        before = sum(1 for _ in Path("/proc/self/fd").iterdir())
        for look in (
            lambda: snapshot.take(root, key, LIMITS, patient=patient),
            lambda: snapshot.sign(root, key, LIMITS),
        ):
            try:
                got = look()
            except (Gone, Busy):
                continue
            except Refused as error:
                pack(error.diagnostic)
                shown = str(error.diagnostic).replace("\n", " ")
                assert shown.isprintable(), "a refusal obeys the mod"
                continue
            if isinstance(got, snapshot.Snapshot):
                assert SECRET not in got.files.values(), "a file from outside the mods folder was read"
                assert sum(map(len, got.files.values())) <= LIMITS.snapshot_bytes
                assert 0 < len(got.files) <= LIMITS.snapshot_files
                assert got.digest == snapshot.digest(got.files)
                assert not any(map(tree.unusable, got.files))
        for findings in tree.look(root):
            assert len(findings.mods) < 100
        after = sum(1 for _ in Path("/proc/self/fd").iterdir())
        assert not steady or after == before, f"a look holds {after - before} descriptors open"

    # ── changes ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _change(self, program: Program) -> None:
        kind, path = program.byte(), PATHS[program.byte() % len(PATHS)]
        changes = self._changes(path, program)
        change = changes[kind % len(changes)]
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            if self._is_ours(self._mods / path):
                change()

    def _is_ours(self, at: Path) -> bool:
        """Whether a change there changes the mods folder alone: links of the program's own making lead anywhere, and
        nobody but the program makes any."""
        return not at.is_symlink() and at.parent.resolve().is_relative_to(self._mods)

    def _changes(self, path: str, program: Program) -> list[Callable[[], object]]:
        at = self._mods / path
        other = self._mods / PATHS[program.byte() % len(PATHS)]
        text = TEXTS[program.byte() % len(TEXTS)]
        return [
            lambda: self._put(path, text),
            lambda: self._put(path, text),
            lambda: self._is_ours(other) and at.rename(other),
            lambda: at.unlink(),
            lambda: at.unlink(),
            lambda: at.is_dir() and shutil.rmtree(at),  # it would wait for the other end of a FIFO
            lambda: at.symlink_to(self._outside / "x.py"),
            lambda: at.symlink_to(self._outside),
            lambda: at.symlink_to("../" * (program.byte() % 4) + PATHS[program.byte() % len(PATHS)]),
            lambda: at.symlink_to(("/proc/self/fd/0", "/dev/zero", "/dev/tty", "loop", "")[program.byte() % 5]),
            lambda: os.mkfifo(at),
            lambda: self._socket(at),
            lambda: os.truncate(at, (0, 1, 20_001, 1 << 40)[program.byte() % 4]),
            lambda: at.chmod((0, 0o400, 0o700, 0o111)[program.byte() % 4]),
            lambda: at.mkdir(parents=True),
            lambda: self._is_ours(other) and os.link(other, at),
            lambda: self._hold(at),
            lambda: [self._put(f"{path}/{number}", b"") for number in range(program.byte() % 20)],
            lambda: (at / ("d/" * (program.byte() % 50))).mkdir(parents=True),
        ]

    def _put(self, path: str, text: bytes) -> None:
        at = self._mods / path
        at.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(at, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_NOFOLLOW, 0o600)
        try:
            os.write(fd, text)
        finally:
            os.close(fd)

    def _hold(self, at: Path) -> None:
        if len(self._held) < 5:
            self._held.append(os.open(at, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW))

    @staticmethod
    def _socket(at: Path) -> None:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(os.fspath(at))
