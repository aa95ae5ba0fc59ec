"""One writer of a storm, a process of its own: changes its mods at the planned moments, in the planned ways.

Reads one JSON document from stdin: {"root", "start" (monotonic seconds), "changes": [[at, mod, save, kind, way], …]}.
Prints one line of JSON for each change it made: [mod, save, kind, monotonic seconds]. Ends when its parent does.
"""

import json
import os
import sys
import time
from itertools import groupby
from pathlib import Path

from storm_plan import Change, changing_file, written


def main() -> int:
    """Do what stdin says."""
    order = json.load(sys.stdin)
    root, start, parent = Path(order["root"]), float(order["start"]), os.getppid()
    changes = [Change(*change) for change in order["changes"]]
    for at, together in groupby(changes, key=lambda change: change.at):
        while (left := start + at - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))
            if os.getppid() != parent:
                return 1
        _make(root, list(together))
    return 0


def _make(root: Path, changes: list[Change]) -> None:
    """Make the changes of one instant: one, or a bulk."""
    renames = []
    for change in changes:
        path, text = root / changing_file(change.mod), written(change.mod, change.save, change.kind)
        if change.way in ("rename", "bulk"):
            new = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            new.write_text(text)
            renames.append((new, path, change))
        elif change.way == "truncate":
            _truncate(path, text)
            _tell(change)
        else:
            path.unlink()
            if change.save % 2:
                time.sleep(0.04)  # long enough to be seen as deleted
            path.write_text(text)
            _tell(change)
    for new, path, change in renames:
        new.rename(path)
        _tell(change)


def _truncate(path: Path, text: str) -> None:
    """Write as a slow editor does: empty first, then in two pieces."""
    half = len(text) // 2
    with path.open("w") as file:
        file.write(text[:half])
        file.flush()
        time.sleep(0.003)
        file.write(text[half:])


def _tell(change: Change) -> None:
    print(json.dumps([change.mod, change.save, change.kind, time.monotonic()]), flush=True)


if __name__ == "__main__":
    sys.exit(main())
