"""Telling that something below the root changed: natively where the kernel can, by polling where it cannot.

::

    kernel ──▶ watchdog's thread ──▶ Mailbox ──one wake-up──▶ event loop (source.py: which mod, when)

A watcher says "look there" and nothing more; what is on disk is what counts. Both watchers put `Event`s into a
`Mailbox`, from watchdog's thread, and decide nothing. What they cannot see they say: `OVERFLOW`, `ROOT`, `BLIND`,
`STALE`, `EXHAUSTED`.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from watchdog.events import FileSystemEvent, FileSystemEventHandler

from . import tree

MOST_WAITING: Final = 100_000
"""Events kept while the loop is busy, about 20 MB. Past it they are dropped and one OVERFLOW stands for all: a look at
the whole tree costs less than a hundred thousand events."""

_REMOTE: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "vboxsf", "virtiofs", "afs", "ceph", "fuse"})
"""File systems that others write to behind this kernel's back: inotify accepts the watch and stays silent."""


class Kind(Enum):
    """What an event says about its path."""

    WROTE = auto()
    """A file is complete: closed after writing, renamed here, or its attributes changed."""
    OPENED = auto()
    """A file was modified and is open still."""
    CREATED = auto()
    """A file appeared. Whether it is complete takes a look at it."""
    VANISHED = auto()
    """A file or a folder was deleted or renamed away."""
    FOLDER = auto()
    """A folder appeared; look at all that is in it."""
    ROOT = auto()
    """The root itself was renamed, or a poller finds it gone."""
    SOMEWHERE = auto()
    """Something changed, anywhere; look at everything."""
    OVERFLOW = auto()
    """Events were lost; look at everything."""
    BLIND = auto()
    """This watcher does not see everything, nor would another; `path` says why."""
    STALE = auto()
    """This watcher sees nothing more, or may miss something: another has to take its place, and look at everything."""
    EXHAUSTED = auto()
    """The kernel gives no more watches, a poller would see everything; `path` says why."""


_SAID_ONCE: Final = frozenset({Kind.STALE, Kind.EXHAUSTED})


class Event(NamedTuple):
    """One change. `path` is relative to the root, without a leading slash."""

    kind: Kind
    path: str
    at: int
    """time.monotonic_ns() in the watcher's thread."""


class Mailbox:
    """Events on their way from the watcher's thread to the loop. `put` may be called from any thread."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """`wake` is called, from any thread, when there was nothing and now is something: once until `take`."""
        self._wake = wake
        self._events: deque[Event] = deque()
        self._awake = False
        self._lost = False

    def put(self, kind: Kind, path: str = "") -> None:
        """Add an event and wake the loop if it sleeps. Never blocks."""
        if len(self._events) < MOST_WAITING or kind in _SAID_ONCE:
            self._events.append(Event(kind, path, time.monotonic_ns()))
        else:
            self._lost = True
        if not self._awake:
            self._awake = True
            self._wake()

    def is_empty(self) -> bool:
        """Whether `take` would give nothing."""
        return not (self._events or self._lost)

    def take(self) -> list[Event]:
        """On the loop: everything so far. Lost events appear as one OVERFLOW."""
        # The flag first: an event that comes in between wakes the loop once too often, and never too seldom.
        self._awake = False
        events: list[Event] = []
        while self._events:
            events.append(self._events.popleft())
        if self._lost:
            self._lost = False
            events.append(Event(Kind.OVERFLOW, "", time.monotonic_ns()))
        return events


class Watcher(Protocol):
    """Something that fills a mailbox from a thread of its own until it is closed."""

    name: str

    def alive(self) -> bool:
        """Whether its threads still run."""
        ...

    def close(self) -> None:
        """End and join its threads, close its descriptors. Idempotent."""
        ...


def unserved(root: tree.Root) -> str:
    """Return the root's kind of file system if inotify does not see every write there, else ""."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    except OSError:
        return ""
    device = f"{os.major(root.device)}:{os.minor(root.device)}"
    for line in mounts.splitlines():
        mount, _, rest = line.partition(" - ")
        fields, kind = mount.split(), rest.split(" ")[0]
        if len(fields) > 2 and fields[2] == device:
            return kind if kind.partition(".")[0] in _REMOTE else ""
    return ""


def _state(path: str) -> os.stat_result:
    """What watchdog's poller compares: with the time of any change as that of the last, since the latter can be set."""
    state = os.lstat(path)
    fields = list(state[:10])
    fields[8] = max(state.st_mtime_ns, state.st_ctime_ns)
    return os.stat_result(fields)


@dataclass(frozen=True, slots=True)
class _Name:
    """What watchdog's poller needs of a directory entry: its name."""

    name: str


class Polling:
    """watchdog's polling observer: compares inode, size and mtime of everything below the root every so often.

    Used through `PollingObserverVFS`, because the plain one follows links (a link to / makes it walk the machine) and
    has no bounds. Of its events only that there are some is believed: it tells files from folders and moves from
    changes by inode number, which a busy tree reuses within one interval. It never knows whether a file is still open;
    a half-written one is seen again at the next poll. Default interval 2 s: 1000 folders every second would cost 2.3 %
    of a CPU.
    """

    name = "polling"

    def __init__(self, root: tree.Root, mailbox: Mailbox, interval: float) -> None:
        """Take the first look, in this thread, and start. Raises OSError when the root cannot be looked at."""
        from watchdog.observers.polling import PollingObserverVFS

        self._root = root.real
        self._fd = os.dup(root.fd)  # its own: the root may be replaced, and closed, while the thread looks
        self._mailbox = mailbox
        self.passes = 0
        """How often it has begun to look at the whole tree; one writer, its thread."""
        self._folders = 0
        listdir: Any = self._list  # its declared type is an iterator of os.DirEntry, of which it reads the name
        self._observer = PollingObserverVFS(_state, listdir, polling_interval=interval)
        try:
            self._observer.schedule(_Handler(self._changed), self._root, recursive=True)
            self._observer.start()
        except BaseException:
            os.close(self._fd)
            raise

    def alive(self) -> bool:
        """Whether its threads still run."""
        return self._observer.is_alive() and all(emitter.is_alive() for emitter in self._observer.emitters)

    def close(self) -> None:
        """End and join its threads. Idempotent."""
        self._observer.stop()
        self._observer.join()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _list(self, path: str | None) -> Iterator[_Name]:
        """In the poller's thread: the names in a folder that count, bounded as `tree.look` is."""
        at = path or self._root
        if at == self._root:
            self._folders = 0
            self.passes += 1
        self._folders += 1
        below = at[len(self._root) :]
        if self._folders > tree.MOST_FOLDERS or below.count("/") > tree.DEEPEST:
            return iter(())
        try:
            return iter([_Name(name) for name in tree.names(self._fd, below[1:])])
        except OSError:
            if not below:
                raise
            return iter(())  # gone, closed to us, or a link by now; raised, it would end the look at all the others

    def _changed(self, event: FileSystemEvent) -> None:
        """In the observer's thread."""
        if event.is_directory and event.event_type == "modified":
            return  # something in it came or went: that has an event of its own, unless it was scratch
        gone = event.event_type == "deleted" and os.fsdecode(event.src_path) == self._root
        self._mailbox.put(Kind.ROOT if gone else Kind.SOMEWHERE)


class _Handler(FileSystemEventHandler):
    """What watchdog calls in the observer's thread."""

    def __init__(self, changed: Callable[[FileSystemEvent], None]) -> None:
        self._changed = changed

    def on_any_event(self, event: FileSystemEvent) -> None:
        self._changed(event)
