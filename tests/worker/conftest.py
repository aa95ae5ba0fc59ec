"""A real worker loop in a real child process, unconfined, with the test as its supervisor and its game."""

import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from fumehood.shared import packets, segment
from fumehood.shared._ring import COMMANDS, MESSAGE, TIMEOUT, Port, Segment, format_segment
from fumehood.shared.messages import (
    MOST_CARRIED,
    SOCKET_LIMIT,
    Assign,
    Bound,
    Call,
    Carried,
    Checkpointed,
    Command,
    Diagnostic,
    Drained,
    Emit,
    Emitted,
    Failed,
    Intent,
    Live,
    Post,
    Ready,
    Rehearse,
    Reply,
    Report,
    Retire,
    Start,
    Unfit,
    Value,
    pack,
    unpacker,
)
from fumehood.shared.policy import Limits

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds until a test gives up on the child: never reached unless it hangs."""
CHILD = """
import socket, sys
from fumehood.worker.loop import run
run(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, int(sys.argv[1])), sys.argv[2])
"""

unpack_report = unpacker(Report, "the worker")
unpack_reply = unpacker(Reply, "the worker")


def _encoded(files: dict[str, str | bytes]) -> dict[str, bytes]:
    return {n: text if isinstance(text, bytes) else textwrap.dedent(text).encode() for n, text in files.items()}


def carry(state: bytes, version: int) -> Carried:
    """As the supervisor sends a state: a short one within the command."""
    return Carried(len(state), version, state if len(state) <= MOST_CARRIED else b"")


class Bench:
    """One worker on the bench. What it reports while something else is awaited is kept in `reports`, in order."""

    def __init__(self, scratch: Path, limits: Limits, *, prelude: str = "") -> None:
        self.limits = limits
        size = segment.ring_segment_size(limits.ring_bytes)
        self._down_fd, self._up_fd = segment.create("down", size), segment.create("up", size)
        self.state_fd = segment.create("state", limits.state_bytes)
        self.down = Segment(self._down_fd, size, writable=True)
        self.up = Segment(self._up_fd, size, writable=True)
        format_segment(self.down)
        format_segment(self.up)
        self.port = Port(self.down, self.up)
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(PATIENCE)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", prelude + CHILD, str(theirs.fileno()), str(scratch)],
                pass_fds=(theirs.fileno(),),
                stderr=subprocess.PIPE,
            )
        self.reports: list[Any] = []
        self.intents: list[Intent] = []
        self._calls = 0

    # --- as the supervisor --------------------------------------------------------------------------------------------

    def send(self, command: Command | bytes, *blobs: bytes) -> None:
        """Send a command with each blob in a sealed memfd, and announce it."""
        fds = [segment.frozen("blob", blob) for blob in blobs]
        self.send_fds(command, *fds)
        for fd in fds:
            os.close(fd)

    def send_fds(self, command: Command | bytes, *fds: int) -> None:
        packets.send(self.sock, command if isinstance(command, bytes) else pack(command), fds)
        self.down.add32(COMMANDS)
        self.down.nudge()

    def assign(
        self,
        files: dict[str, str | bytes],
        mod: str,
        module: str | None = None,
        libraries: dict[str, dict[str, str | bytes]] | None = None,
    ) -> None:
        borrowed = libraries or {}
        data = pack([_encoded(each) for each in (files, *borrowed.values())])
        message = Assign(
            mod=mod,
            module=module or "mods." + mod.replace("/", "."),
            folder=any(name.endswith("__init__.py") for name in files),
            version=7,
            digest="",
            limits=self.limits,
            ring_segment=self.up.size,
            snapshot=len(data),
            libraries=[(key, "mods." + key.replace("/", "."), "__init__.py" in each) for key, each in borrowed.items()],
        )
        down, snapshot = segment.read_only(self._down_fd), segment.frozen("snapshot", data)
        self.send_fds(message, down, self._up_fd, snapshot, self.state_fd)
        os.close(down)
        os.close(snapshot)

    def next(self, kind: type[T]) -> T:
        """The next report of this kind; those before it are kept. Fails when the worker ends without it."""
        while True:
            data = self.sock.recv(SOCKET_LIMIT)
            assert data, f"the worker ended before a {kind.__name__}: {self.exit()}"
            report = unpack_report(data)
            if isinstance(report, kind):
                return report
            assert not isinstance(report, Unfit), report.diagnostic
            self.reports.append(report)

    def of(self, kind: type[T]) -> list[T]:
        """The reports of this kind kept so far."""
        return [report for report in self.reports if isinstance(report, kind)]

    def exit(self) -> tuple[int, str]:
        """Wait for its end: exit status, and what it wrote to its error pipe."""
        _, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors.decode()

    def begin(self, source: str | dict[str, str | bytes], mod: str = "weather") -> Bound:
        """Assign, up to Bound. A string is the source of a single-file mod."""
        self.assign({f"{mod.rpartition('/')[2]}.py": source} if isinstance(source, str) else source, mod)
        return self.next(Bound)

    def refused(self, source: str | bytes | dict[str, str | bytes], mod: str = "weather") -> Diagnostic:
        """Assign, up to Unfit."""
        self.assign({f"{mod}.py": source} if isinstance(source, str | bytes) else source, mod)
        return self.next(Unfit).diagnostic

    def offer(self, state: bytes = b"", version: int = 0) -> None:
        """Rehearse, up to Ready."""
        carried = carry(state, version)
        self.send(Rehearse(carried), *([state] if carried.attached else []))
        self.next(Ready)

    def start(self, state: bytes = b"", version: int = 0, inherited: list[bytes] | None = None) -> None:
        """Start, without waiting for Live."""
        frames = pack(inherited) if inherited else b""
        carried = carry(state, version)
        blobs = [state if carried.attached else b"", frames]
        self.send(Start(3, carried, len(inherited or []), len(frames)), *filter(None, blobs))

    def live(self, source: str | dict[str, str | bytes], state: bytes = b"", version: int = 1) -> Bound:
        """From Assign to Live."""
        bound = self.begin(source)
        self.offer(state, version)
        self.start(state, version)
        self.next(Live)
        return bound

    def saved(self, report: Checkpointed | Drained) -> bytes:
        """The state that it reports, within the message or in its memfd."""
        assert report.error == ""
        return segment.read_all(self.state_fd, report.state.size) if report.state.attached else report.state.data

    def retire(self) -> int:
        self.send(Retire())
        return self.exit()[0]

    # --- as the game --------------------------------------------------------------------------------------------------

    def post(self, event: str, *args: Any) -> None:
        assert self.port.push(pack(Post(event, args)))

    def ask(self, kind: type[Call] | type[Emit], event: str, args: tuple[Any, ...]) -> int:
        self._calls += 1
        assert self.port.push(pack(kind(self._calls, event, args)))
        return self._calls

    def reply(self) -> Any:
        """The next reply that is not an intent; intents are kept."""
        while True:
            data = self.port.pop()
            if data is None:
                word = self.port.wait(int(PATIENCE * 1e9))
                assert word == MESSAGE, f"no reply: {word}"
                continue
            message = unpack_reply(data)
            if not isinstance(message, Intent):
                return message
            self.intents.append(message)

    def call(self, event: str, *args: Any) -> Any:
        """The value; fails when the handler did."""
        number = self.ask(Call, event, args)
        answer = self.reply()
        assert isinstance(answer, Value), answer
        assert answer.id == number
        return answer.value

    def failing(self, event: str, *args: Any) -> Failed:
        number = self.ask(Call, event, args)
        answer = self.reply()
        assert isinstance(answer, Failed), answer
        assert answer.id == number
        return answer

    def emit(self, event: str, *args: Any) -> Emitted:
        number = self.ask(Emit, event, args)
        answer = self.reply()
        assert isinstance(answer, Emitted), answer
        assert answer.id == number
        return answer

    def idle(self) -> bool:
        """Whether nothing waits in the reply ring."""
        return self.port.wait(0) == TIMEOUT

    def close(self) -> None:
        self.sock.close()
        self.process.kill()
        self.process.wait(PATIENCE)
        if self.process.stderr is not None:
            self.process.stderr.close()
        self.port.close()
        for part in (self.down, self.up):
            part.close()
        for fd in (self._down_fd, self._up_fd, self.state_fd):
            os.close(fd)


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Returns a function that starts a worker; its arguments are limits. All are ended with the test."""
    benches: list[Bench] = []

    def make(*, prelude: str = "", **limits: Any) -> Bench:
        scratch = tmp_path / f"scratch{len(benches)}"
        scratch.mkdir()
        benches.append(Bench(scratch, Limits(**limits), prelude=prelude))
        return benches[-1]

    yield make
    for bench in benches:
        bench.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()
