"""The storm's hands: its writer processes, and the bar that shows a person how far they are."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

from fumehood.runner import FumehoodError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from storm_plan import Change, Saved


class Writer:
    """A writer process, and what it says."""

    def __init__(self, root: Path, changes: list[Change], start: float) -> None:
        script = str(Path(__file__).with_name("storm_writer.py"))
        self._process = subprocess.Popen(
            [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        rows = [[c.at, c.mod, c.save, c.kind, c.way] for c in changes]
        assert self._process.stdin is not None, "it is a pipe"
        assert self._process.stdout is not None, "it is a pipe"
        with self._process.stdin as stdin:
            json.dump({"root": str(root), "start": start, "changes": rows}, stdin)
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def _read(self, stdout: IO[str]) -> None:
        with stdout:
            self._lines.extend(stdout)

    def take(self) -> list[tuple[str, Saved]]:
        """The changes it made since this was asked last."""
        count = len(self._lines)
        lines, self._lines[:count] = self._lines[:count], []
        return [(mod, Saved(save, kind, at)) for mod, save, kind, at in map(json.loads, lines)]

    def busy(self) -> bool:
        """Whether it still writes."""
        return self._process.poll() is None

    def end(self) -> None:
        """Wait for it. Raises FumehoodError when it failed."""
        self._reader.join()
        if status := self._process.wait():
            raise FumehoodError(f"a writer of the storm ended with status {status}")


class Progressing:
    """A bar on stderr, for a person who waits."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        count = TextColumn("{task.completed}/{task.total}")
        columns = (TextColumn("{task.description:<14}"), BarColumn(), count, TimeElapsedColumn())
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal, auto_refresh=False)
        self._next = 0.0

    def __enter__(self) -> "Progressing":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def begin(self, name: str, total: int) -> TaskID:
        """A new phase."""
        return self._bar.add_task(name, total=total)

    def at(self, task: TaskID, done: int) -> None:
        """How far it is; drawn a few times a second, since drawing takes frame time."""
        if (now := time.monotonic()) >= self._next:
            self._next = now + 0.2
            self._bar.update(task, completed=done)
            self._bar.refresh()
