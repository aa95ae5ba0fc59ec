"""Fuzz target `control`: frames of any kind, with descriptors or without, on the socket of a supervisor with mods.

An input is one client: packets, each with flags, a length and bytes. The supervisor must answer or hang up, live on,
and hold nothing of a client that is gone. After every few clients an honest game attaches, calls a mod, and leaves;
while a hostile one is attached, another client has to be told so at once.
"""

import contextlib
import ctypes
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import typing
from pathlib import Path
from typing import Any, Final

from fumehood.runner import address, connect, control
from fumehood.runner.control import Hello
from fumehood.shared import segment
from fumehood.shared.errors import ModUnavailable, ProtocolError
from fumehood.shared.messages import pack
from fumehood.shared.views import HEAD as VIEW_HEAD
from fumehood.shared.views import MAGIC, MOST_VIEWS, memory_bytes
from fuzz_mutate import Shaped, value

HEAD: Final = struct.Struct("<BH")
"""In front of each packet: how many descriptors (low 3 bits) from which one on (high 2), whether it is as long as none
may be, whether what has come is read first, whether all this is behind a Hello; and its length."""
TOO_LONG, READ_FIRST, BEHIND_HELLO = 8, 16, 32
MOST_PACKETS: Final = 60
HONEST_EVERY: Final = 25
"""Clients between two honest games."""
PATIENCE: Final = 15.0
MOST_GROWTH: Final = 64 << 10
"""KiB that the supervisor's resident size may grow by: sixty-four helpers of 1 MiB each are a game's right."""
MOD: Final = "from fumehood.worker import on\n@on('double')\ndef double(n):\n    return 2 * n\n"
REQUESTS: Final = tuple(kind for kind in typing.get_args(control.Request) if kind is not control.Setup)


PROVIDE: Final = pack(control.Provide(7, "h", 1, 0.01))
PUBLISH: Final = pack(control.Publish(6, "v", 0, 65_537, 2, 2 * VIEW_HEAD))
"""One that is right, with the second file; `PROVIDE` with the first."""


def _end_with_parent() -> None:
    """In the child: a supervisor outlives its games, and is not to outlive a fuzzer that was killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Control:
    """The target. Starts its supervisor, and ends it."""

    name = "control"
    dictionary = (
        pack(Hello(control.PROTOCOL)), pack(Hello(control.PROTOCOL, b"", True)), b"\xa4type", b"\xa2id", b"\x01",
        b"\xcb\x7f\xf8" + bytes(6), b"\xcf" + b"\xff" * 8,
    )  # fmt: skip

    def __init__(self) -> None:
        self._shaped = Shaped(REQUESTS, 0.0), Shaped(REQUESTS, 0.03)
        self._folder = tempfile.TemporaryDirectory(dir="/tmp")  # a socket's path has to be short
        os.environ["XDG_RUNTIME_DIR"] = self._folder.name
        self._root = Path(self._folder.name) / "mods"
        self._root.mkdir()
        for number in range(2):
            (self._root / f"m{number}.py").write_text(MOD)
        command = [sys.executable, "-m", "fumehood.runner.cli", "run", str(self._root), "--log-level", "info"]
        self._log = Path(self._folder.name) / "log"
        with self._log.open("wb") as log:
            self._supervisor = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stderr=log, cwd=self._folder.name, preexec_fn=_end_with_parent
            )
        self._address = os.fspath(address.of(self._root))
        self._until(lambda: b"attach with" in self._log.read_bytes(), "the supervisor serves")
        sparse = os.memfd_create("sparse")
        os.ftruncate(sparse, 1 << 40)
        memory = segment.create("view", memory_bytes(2, 2 * VIEW_HEAD))
        os.pwrite(memory, MAGIC.to_bytes(8, sys.byteorder), 0)
        zeros = os.open("/dev/zero", os.O_RDONLY)
        self._files = [segment.frozen("bytes", b"\x90"), memory, sparse, zeros]
        self._clients = 0
        self._said = 0
        for _ in range(3):
            self._honest()
        self._open, self._memory = self._held()

    def close(self) -> None:
        self._honest()
        self._supervisor.send_signal(signal.SIGTERM)
        status = self._supervisor.wait(PATIENCE)
        for fd in self._files:
            os.close(fd)
        self._folder.cleanup()
        assert status == 0, f"the supervisor ended with status {status}"

    def fresh(self, rng: random.Random) -> bytes:
        parts = []
        shaped = rng.choice((self._shaped, self._shaped[:1]))
        for _ in range(rng.choice((1, 2, 3, 8, 30))):
            flags = rng.choice((0, 1, 1, 1, 2, 7)) | BEHIND_HELLO * (rng.random() < 0.9)
            flags |= rng.randrange(4) << 6 | rng.choice((0, 0, 0, READ_FIRST)) | rng.choice((0,) * 30 + (TOO_LONG,))
            data = rng.choice(shaped).packed(rng) if rng.random() < 0.98 else pack(value(rng))
            if rng.random() < 0.1:
                flags, data = rng.choice(((1, PROVIDE), (65, PUBLISH), (7, b"")))
            parts.append(HEAD.pack(flags, len(data) & 0xFFFF) + data)
        return b"".join(parts)

    def run(self, data: bytes) -> None:
        self._clients += 1
        with self._connected() as sock:
            at = packets = 0
            first = data[:1]
            if first and first[0] & BEHIND_HELLO:
                self._send(sock, pack(Hello(control.PROTOCOL, b"", bool(first[0] & 64))), ())
            while at + HEAD.size <= len(data) and packets < MOST_PACKETS:
                flags, length = HEAD.unpack_from(data, at)
                body = data[at + HEAD.size : at + HEAD.size + length]
                at += HEAD.size + length
                packets += 1
                if flags & READ_FIRST:
                    self._drain(sock)
                if flags & TOO_LONG:
                    body += bytes(control.PACKET_LIMIT)
                fds = tuple(self._files[((flags >> 6) + number) % 4] for number in range(flags & 7))
                if not self._send(sock, body, fds):
                    break
            self._refused_meanwhile()
            self._drain(sock)
        if self._clients % HONEST_EVERY == 0:
            self._honest()
            self._look()

    # ── what is checked ───────────────────────────────────────────────────────────────────────────────────────────────

    def _refused_meanwhile(self) -> None:
        """Another client is told at once that somebody is attached, or is let in: never left waiting."""
        with self._connected() as other:
            other.settimeout(PATIENCE)
            self._send(other, pack(Hello(control.PROTOCOL)), ())
            try:
                answer = other.recv(control.PACKET_LIMIT)
            except ConnectionResetError:
                return
            except TimeoutError:
                raise AssertionError(f"another client got no answer: {self._last_words()}") from None
            if answer:
                try:
                    control.unpack_answer(answer)
                except ProtocolError as error:
                    raise AssertionError("another client was answered with nonsense") from error

    def _honest(self) -> None:
        """A game attaches, calls, leaves."""
        with connect(self._root, timeout=PATIENCE) as mods:
            for number in range(2):
                try:
                    assert mods[f"m{number}"].call("double", number, timeout=PATIENCE) == 2 * number
                except ModUnavailable:
                    status = next(each for each in mods.status() if each.name == f"m{number}")
                    raise AssertionError(f"a mod is down: {status}") from None
        said = self._log.read_bytes()
        found = said.find(b"Traceback", self._said)
        self._said = len(said)
        assert found < 0, f"the supervisor was surprised: {said[found:].decode(errors='replace')[-3000:]}"

    def _look(self) -> None:
        kept = MOST_VIEWS + 1  # what was published and provided outlives its game
        self._until(lambda: self._held()[0] <= self._open + kept, "the descriptors of clients that are gone are closed")
        memory = self._held()[1]
        assert memory <= self._memory + MOST_GROWTH, f"{memory - self._memory} KiB more in the supervisor"

    def _held(self) -> tuple[int, int]:
        """The supervisor's descriptors, and its resident KiB."""
        process = Path(f"/proc/{self._supervisor.pid}")
        pages = int((process / "statm").read_text().split()[1])
        return sum(1 for _ in (process / "fd").iterdir()), pages * os.sysconf("SC_PAGE_SIZE") >> 10

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]

    def _until(self, condition: Any, what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self._supervisor.poll() is None, f"the supervisor ended: {self._last_words()}"
            assert time.monotonic() < deadline, f"not in time: {what}"
            time.sleep(0.01)

    # ── a client ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _connected(self) -> socket.socket:
        assert self._supervisor.poll() is None, f"the supervisor ended: {self._last_words()}"
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.settimeout(PATIENCE)
        sock.connect(self._address)
        return sock

    @staticmethod
    def _send(sock: socket.socket, data: bytes, fds: tuple[int, ...]) -> bool:
        """False: it hung up."""
        try:
            if fds:
                socket.send_fds(sock, [data], list(fds), socket.MSG_NOSIGNAL)
            else:
                sock.send(data, socket.MSG_NOSIGNAL)
        except TimeoutError:
            raise AssertionError("the supervisor does not read") from None
        except OSError:
            return False
        return True

    @staticmethod
    def _drain(sock: socket.socket) -> None:
        """Take what has come."""
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            data: bytes | None = None
            while data != b"":
                data, fds, _, _ = socket.recv_fds(sock, control.PACKET_LIMIT, 16)
                for fd in fds:
                    os.close(fd)
        sock.settimeout(PATIENCE)
