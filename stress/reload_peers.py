"""What a reload is compared with, in the same run: `uvicorn --reload`, and the bare file event that all begins with."""

import http.client
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

APP: Final = """\
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
        await send({{"type": "http.response.body", "body": b"{version}"}})
"""
CALM: Final = 0.6
"""Seconds before each save: uvicorn's own polling misses what changes before its first look, every 0.25 s."""
PATIENCE: Final = 10.0
"""Seconds for one reload of uvicorn's, or its start. It takes under one; a loaded machine takes longer."""


def save(path: Path, text: str) -> int:
    """Save as editors do: write a new file, rename it over the old. Returns perf_counter_ns just before the rename."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    at = time.perf_counter_ns()
    new.rename(path)
    return at


@dataclass
class Uvicorn:
    """What a few saves under `uvicorn --reload` came to."""

    milliseconds: list[float] = field(default_factory=list)
    """From the save to the first answer of the new code."""
    refused: int = 0
    """Requests meanwhile that found nobody."""
    watcher: str = ""
    skipped: str = ""
    """Why it was not measured, if so."""


def uvicorn(folder: Path, saves: int) -> Uvicorn:
    """Start a server, save `saves` times, ask until the new code answers."""
    if find_spec("uvicorn") is None:
        return Uvicorn(skipped="uvicorn is not installed (pip install 'fumehood[bench]')")
    made = Uvicorn(watcher="watchfiles" if find_spec("watchfiles") else "its own polling, every 0.25 s")
    folder.mkdir()
    app = folder / "served.py"
    app.write_text(APP.format(version=0))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "served:app", "--reload", "--reload-dir", str(folder)]
    server = subprocess.Popen(
        [*command, "--port", str(port), "--log-level", "critical", "--no-access-log"],
        cwd=folder,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},  # else two saves within a second are one to its cache
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        if not _answers(made, port, b"0"):
            return Uvicorn(skipped=f"uvicorn did not answer within {PATIENCE:g} s")
        made.refused = 0
        for version in range(1, saves + 1):
            time.sleep(CALM)
            at = save(app, APP.format(version=version))
            if not _answers(made, port, str(version).encode()):
                made.skipped = f"uvicorn did not reload within {PATIENCE:g} s"
                break
            made.milliseconds.append((time.perf_counter_ns() - at) / 1e6)
    finally:
        server.terminate()
        try:
            server.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)
    return made


def _answers(made: Uvicorn, port: int, wanted: bytes) -> bool:
    """Ask until the answer is `wanted`."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1.0)
        try:
            connection.request("GET", "/")
            if connection.getresponse().read() == wanted:
                return True
        except (OSError, http.client.HTTPException):
            made.refused += 1
            time.sleep(0.001)
        finally:
            connection.close()
    return False


class _Notice(FileSystemEventHandler):
    """Remembers when the event about a name came."""

    def __init__(self) -> None:
        self.name = ""
        self.at = 0
        self.seen = threading.Event()

    def on_any_event(self, event: FileSystemEvent) -> None:
        path = os.fsdecode(event.dest_path or event.src_path)
        if event.event_type in ("moved", "closed") and path.endswith(self.name) and not self.seen.is_set():
            self.at = time.perf_counter_ns()
            self.seen.set()


def watchdog(folder: Path, saves: int) -> list[float]:
    """Milliseconds from each of `saves` renames to watchdog's handler hearing of it, in this process."""
    folder.mkdir()
    notice = _Notice()
    observer = Observer()
    observer.schedule(notice, str(folder))
    observer.start()
    times = []
    try:
        for number in range(saves):
            notice.name = f"watched{number}.py"
            notice.seen.clear()
            at = save(folder / notice.name, "")
            if notice.seen.wait(PATIENCE):
                times.append((notice.at - at) / 1e6)
            time.sleep(0.005)
    finally:
        observer.stop()
        observer.join()
        shutil.rmtree(folder, ignore_errors=True)
    return times
