"""Which mods an event is about: told to the debouncer, each with whoever takes its files along.

::

    a/x.py written ─▶ a/x, or a if that is a folder mod ─▶ and every mod that requires it ─▶ Debouncer
    a folder came, went, or became a mod ─▶ every mod that is or was below it

Runs in the supervisor, on its loop. An event is a hint, and whoever writes mods makes any number of any kind: what one
leads to is read from the disk again.
"""

import os
import stat
import time
from collections.abc import Callable
from typing import Final

from . import tree
from .debounce import SOME_FILE, Debouncer
from .publisher import Publisher
from .watch import Event, Kind

PATIENCE: Final = 0.004
"""Seconds that one event may have folders looked through. Smaller: large folders lead to a look at the whole tree;
larger: hang checks late."""
TOGETHER: Final = 0.02
"""Likewise all events of one batch. A folder of twenty thousand entries takes as long to list, and a hundred links made
in it are a hundred events. Smaller: a checkout of many folders leads to a look at the whole tree; larger: hang checks
late."""


class Sorter:
    """Tells `debouncer` what happened to which of the mods in `said`, in the root that is `said.root` by then."""

    def __init__(
        self,
        said: Publisher,
        debouncer: Debouncer,
        *,
        attend: Callable[[int], None],
        complain: Callable[[tree.Findings], None],
    ) -> None:
        """`attend(at)`: have the whole tree looked at, because of something at `at`, monotonic ns. `complain`: say
        what could not be looked at."""
        self._said = said
        self._debouncer = debouncer
        self._attend = attend
        self._complain = complain
        self._left = TOGETHER
        """Seconds that the events of this batch may have folders looked through."""

    def begin(self) -> None:
        """What comes from here on is another batch: the loop has turned."""
        self._left = TOGETHER

    def sort(self, event: Event) -> None:
        """An event about a file or a folder; one about the watcher itself is not for here."""
        kind, path = event.kind, event.path
        folder, _, name = path.rpartition("/")
        if owner := _owner(self._said.folders, path):
            self._note(owner, event)
            if path == owner or (path == owner + "/__init__.py" and kind is Kind.VANISHED):
                self.nominate(owner, event)  # what is in the folder may be mods of their own now
        elif folder and name == "__init__.py":
            self._note(folder, event)
            if kind is Kind.WROTE:
                self.nominate(folder, event)  # what was a mod in that folder is part of this one now
        elif kind in {Kind.FOLDER, Kind.VANISHED}:
            self.nominate(path, event)
        elif kind is Kind.CREATED and not name.endswith(".py") and self._is_link(path):
            self.nominate(folder, event)
        if not owner and name.endswith(".py") and name != "__init__.py" and kind is not Kind.FOLDER:
            self._note(path[:-3], event)

    def nominate(self, below: str, event: Event) -> None:
        """Have every mod looked at that is, or was, in the folder `below`."""
        if self._left <= 0:
            self._attend(event.at)
            return
        findings = tree.Findings()
        began = time.monotonic()
        if event.kind is not Kind.VANISHED or below != event.path:
            until = began + PATIENCE
            for step in tree.look(self._said.root, below):
                findings = step
                if time.monotonic() > until:  # too much for one go: the keeper looks at everything, in slices
                    self._attend(event.at)
                    break
            self._complain(findings)
        self.disturb(self._said.below(below), findings, event.at, event.path)
        self._left -= time.monotonic() - began

    def disturb(self, keys: set[str], findings: tree.Findings, at: int, file: str = "") -> None:
        """Keys that were there, and those that were found, changed at `at` because of `file` if known: else whoever
        has a file of theirs open may have it still."""
        now = time.monotonic()
        self._said.folders.update(key for key, folder in findings.mods.items() if folder)
        for key in keys | findings.mods.keys():
            found = key in findings.mods
            note = self._debouncer.wrote if found else self._debouncer.vanished
            for affected in (key, *self._said.dependants(key)):
                self._said.expect(affected, at)
                note(affected, file or (SOME_FILE if found else key), now)

    def _note(self, key: str, event: Event) -> None:
        kind, now = event.kind, time.monotonic()
        if kind is Kind.CREATED and self._is_empty(event.path):
            kind = Kind.OPENED
        if kind is Kind.WROTE and self._has_names(event.path):
            self._attend(event.at)  # the kernel tells of the name it was opened by, and of no other
        note = {Kind.OPENED: self._debouncer.opened, Kind.VANISHED: self._debouncer.vanished}.get(
            kind, self._debouncer.wrote
        )
        for affected in (key, *self._said.dependants(key)):
            self._said.expect(affected, event.at)
            note(affected, event.path, now)

    def _is_empty(self, path: str) -> bool:
        """Whether a file that just appeared is about to be written: not if it has content, or is a second name."""
        state = self._stat(path)
        return state is not None and stat.S_ISREG(state.st_mode) and not state.st_size and state.st_nlink == 1

    def _has_names(self, path: str) -> bool:
        """Whether a file may be in another mod too, by a hard link."""
        state = self._stat(path)
        return state is not None and stat.S_ISREG(state.st_mode) and state.st_nlink > 1

    def _is_link(self, path: str) -> bool:
        state = self._stat(path)
        return state is not None and stat.S_ISLNK(state.st_mode)

    def _stat(self, path: str) -> os.stat_result | None:
        try:
            return tree.found(self._said.root.fd, path)
        except OSError:
            return None


def _owner(folders: set[str], path: str) -> str:
    """The outermost folder mod that a path is, or lies in; "" when there is none."""
    at = path.find("/")
    while at > 0:
        if path[:at] in folders:
            return path[:at]
        at = path.find("/", at + 1)
    return path if path in folders else ""
