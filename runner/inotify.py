"""The native watcher: watchdog's inotify reader, with a callback of our own instead of its emitter and observer.

watchdog 7 has three layers, a thread each: `InotifyFD` reads the kernel's queue, an emitter pairs renames and
translates, an observer dispatches. This watcher plugs into the first, by the protocol it offers (`WatchCallback`), and
puts what it is told straight into the mailbox. What that avoids:

- the emitter holds *everything* back for 0.5 s behind a rename that left the tree, waiting for its other half;
- it pairs renames by searching its queue, so that a burst of them costs time quadratic in its length;
- it swallows the error of a watch that the kernel refused, so that a folder stays silent for ever, and it takes EACCES
  for success with descriptor -1; an overflow it only logs;
- files in a new folder are reported as created whether or not they are complete;
- it does not ask for IN_MOVE_SELF, so a root that is renamed and made again keeps reporting the old tree;
- two threads and two queues between the kernel and the loop: 0.29 ms (p50) from close(2) to the callback, against
  0.16 ms here, in the same run.

Its own masks hold no IN_OPEN, IN_ACCESS or IN_CLOSE_NOWRITE, so our reading is not reported to us.

A folder is watched and listed by a descriptor, opened below the root's without links: by its path, what was a folder
when its event was made may lead out of the tree by now, or back to the root, whose watch would then go by that name.
The root's own end is not heard of, since its descriptor keeps it: `source.py` looks at it every second.

Its own work is bounded: who makes it look through folders for too long has it give up (`Kind.STALE`), and `source.py`
puts another in its place.

Renames need no pairing here: a mod that went away and a mod that came are two facts about the disk. A renamed folder
gives up its watches and gets new ones, since inotify would go on under the old path.

Rejected: the observer with `InotifyMoveEventGrouper.delay` turned down (a global of the class; at 0 it races with its
own bookkeeping and at any other value it still holds the queue). Rejected: inotify by ctypes on the event loop, without
a thread: one more home-made copy of what watchdog keeps working.
"""

import errno
import logging
import os
import threading
import time
from bisect import bisect_left, insort
from contextlib import suppress
from itertools import count
from typing import Final

from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyEvent, InotifyFD, Mask, WatchDescriptor

from . import tree
from .text import escape
from .watch import Kind, Mailbox

# What watchdog has to say is said by us (`Kind`). Without a handler Python writes it to stderr, amid our own.
logging.getLogger("watchdog").addHandler(logging.NullHandler())

_EVENTS: Final = Mask(
    InotifyConstants.IN_MODIFY
    | InotifyConstants.IN_ATTRIB
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_CREATE
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_ONLYDIR
    | InotifyConstants.IN_EXCL_UNLINK
)
_VANISHING: Final = InotifyConstants.IN_DELETE | InotifyConstants.IN_MOVED_FROM
_COMPLETE: Final = InotifyConstants.IN_CLOSE_WRITE | InotifyConstants.IN_MOVED_TO | InotifyConstants.IN_ATTRIB
_APPEARING: Final = InotifyConstants.IN_CREATE | InotifyConstants.IN_MOVED_TO

PATIENCE: Final = 0.25
"""Seconds of CPU in a `WINDOW` that its thread may look through folders for what has to be watched. A folder of
thousands that is renamed all the time has each event queued, and each looked through. Smaller: a large tree
that is moved in leads to another watcher; larger: it holds up the loop, and what others save is heard of later."""
WINDOW: Final = 1.0

_UNREMARKABLE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""The folder is gone, or became something else: an event says so, or will."""
_REMEDIES: Final = {
    errno.ENOSPC: "the limit on inotify watches is reached (raise fs.inotify.max_user_watches)",
    errno.ENOMEM: "the kernel has no memory for another inotify watch",
    errno.EMFILE: "no descriptor is left to look at a folder with (raise the limit: ulimit -n)",
    errno.ENFILE: "the machine has no descriptor left to look at a folder with",
}
_FINAL: Final = frozenset({*_REMEDIES, errno.E2BIG})
"""What the next folder would meet too."""


class Native:
    """Watches a tree with inotify. Made and closed in a thread; its callbacks run in watchdog's."""

    name = "native"

    def __init__(self, root: tree.Root, mailbox: Mailbox) -> None:
        """Watch the folder that is open as `root` and every folder below. When this returns, all of them are watched.

        Raises OSError when inotify cannot be had or the root cannot be watched (EMFILE: max_user_instances; ENOSPC:
        max_user_watches). Folders that cannot be watched are reported as BLIND or EXHAUSTED.
        """
        self._mailbox = mailbox
        self._lock = threading.Lock()
        self._paths: dict[int, str] = {}
        self._watches: dict[str, tuple[WatchDescriptor, CallbackId]] = {}
        self._order: list[str] = []
        """The keys of `_watches`, sorted, so that what is below a folder stands together."""
        self._serial = count(1)
        self._said: set[int] = set()
        self._denied = False
        """Whether something could not be looked into for want of permission: it may be given later, and nobody says on
        what that bears."""
        self._stale = False
        self._window = self._spent = 0.0
        self._root = os.dup(root.fd)  # its own: the root may be replaced, and closed, while the thread looks
        try:
            self._reader = InotifyFD()
        except BaseException:
            os.close(self._root)
            raise
        self._reader.name = "fumehood-watch"
        try:
            self._reader.start()
            with self._lock:
                self._cover("")
        except BaseException:
            self.close()
            raise

    @property
    def folders(self) -> int:
        """How many folders are watched."""
        return len(self._watches)

    def alive(self) -> bool:
        """Whether its thread still runs, and heeds what it hears."""
        return self._reader.is_alive() and not self._stale

    def close(self) -> None:
        """End and join the thread, close its descriptors. Idempotent."""
        self._stale = True  # watchdog closes its descriptor under a look that is under way: that has to end
        self._reader.stop()
        with suppress(RuntimeError):  # it was never started
            self._reader.join()
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    # -- called by watchdog's thread -----------------------------------------------------------------------------

    def on_event(self, event: InotifyEvent) -> None:
        """One event of the kernel, from a folder that is watched."""
        with self._lock:
            folder = self._paths.get(event.wd)
            if folder is None or self._stale:
                return
            mask = event.mask
            if mask & InotifyConstants.IN_MOVE_SELF:
                if not folder:
                    self._mailbox.put(Kind.ROOT)
                return
            name = os.fsdecode(event.name)
            if not name and not folder:  # the root itself: of any other folder the one above tells
                self._mailbox.put(Kind.SOMEWHERE)
                self._permit()
            if not name or tree.ignored(name):
                return
            path = f"{folder}/{name}" if folder else name
            is_folder = bool(mask & InotifyConstants.IN_ISDIR)
            # Watches before words: whoever looks because of the event must not miss what comes after its look.
            if is_folder:
                self._keep_up(path, mask)
        kind = _kind(mask, is_folder)
        if kind:
            self._mailbox.put(kind, path)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """The kernel dropped a watch: its folder is gone."""
        with self._lock:
            self._forget(wd)

    def on_queue_overflow(self) -> None:
        """The kernel dropped events, those of new folders perhaps: watch everything anew, then have it looked at."""
        with self._lock:
            if self._stale:
                return
            self._uncover("")
            try:
                self._cover("")
            except OSError as error:
                self._blind(error, "")
                self._give_up()  # not even the root is watched now
        self._mailbox.put(Kind.OVERFLOW)

    # -- with the lock held --------------------------------------------------------------------------------------

    def _keep_up(self, path: str, mask: int) -> None:
        """A folder came, went, or may be readable now."""
        if not mask & (_VANISHING | _APPEARING) and path in self._watches:
            self._permit()
            return
        if mask & _VANISHING:
            self._uncover(path)  # and another may have its place by now, whose own event was before this one
        began = time.thread_time()
        self._cover(path)
        now = time.monotonic()
        if now - self._window > WINDOW:
            self._window, self._spent = now, 0.0
        self._spent += time.thread_time() - began
        if self._spent > PATIENCE:
            self._give_up()

    def _permit(self) -> None:
        """Permissions of a folder that is watched changed: perhaps what could not be looked into can be now."""
        if self._denied:
            self._give_up()

    def _give_up(self) -> None:
        self._stale = True
        self._mailbox.put(Kind.STALE)

    def _cover(self, top: str) -> None:
        """Watch `top` and all below. Raises OSError for the root itself only."""
        for path, opened in tree.subfolders(self._root, top):
            if self._stale:
                return
            try:
                if isinstance(opened, OSError):
                    raise opened
                if len(self._watches) >= tree.MOST_FOLDERS and path not in self._watches:
                    raise OSError(errno.E2BIG, f"more than {tree.MOST_FOLDERS} folders")
                self._watch(path, opened)
            except OSError as error:
                if not path:
                    raise
                self._blind(error, path)
                if error.errno in _FINAL:
                    return

    def _watch(self, path: str, fd: int) -> None:
        """Watch the folder that is open as `fd`, which cannot lie outside; by its path it could, a moment later."""
        # Each watch has an id of its own: watchdog warns when one id comes twice, as it does where a folder is found
        # under a second name before its old watch is gone.
        identity = CallbackId(next(self._serial))
        wd = self._reader.add_callback(f"/proc/self/fd/{fd}".encode(), _EVENTS, self, identity)
        if wd == -1:  # watchdog's word for EACCES
            self._reader.remove_callbacks([(wd, identity)])
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        old = self._paths.get(wd)
        if old == "" != path:  # the root, mounted once more below itself: it goes by its own name
            self._reader.remove_callbacks([(wd, identity)])
            return
        if old is not None:
            self._drop(old)
        if path in self._watches:
            self._drop(path)
        self._paths[wd] = path
        if path not in self._watches:
            insort(self._order, path)
        self._watches[path] = wd, identity

    def _uncover(self, top: str) -> None:
        """Give up the watches on `top` and all below: their paths are no longer true."""
        first = bisect_left(self._order, top + "/") if top else 0
        last = bisect_left(self._order, top + "0") if top else len(self._order)  # "0" comes after "/"
        for path in [top, *self._order[first:last]]:
            if path in self._watches:
                self._drop(path)

    def _drop(self, path: str) -> None:
        wd, identity = self._watches[path]
        self._forget(wd)
        self._reader.remove_callbacks([(wd, identity)])

    def _forget(self, wd: int) -> None:
        path = self._paths.pop(wd, None)
        if path is not None:
            del self._watches[path]
            del self._order[bisect_left(self._order, path)]

    def _blind(self, error: OSError, path: str) -> None:
        number = error.errno or 0
        self._denied |= number == errno.EACCES
        if number in _UNREMARKABLE or number in self._said or self._stale:
            return
        self._said.add(number)
        if number in _REMEDIES:
            self._mailbox.put(Kind.EXHAUSTED, _REMEDIES[number])
        else:
            self._mailbox.put(Kind.BLIND, f"{escape(path) or 'the mods folder'}: {error.strerror or error}")


def _kind(mask: int, is_folder: bool) -> Kind | None:
    """What an event means, the strongest word first."""
    if mask & _VANISHING:
        return Kind.VANISHED
    if is_folder:  # IN_ATTRIB: it may have become readable
        return Kind.FOLDER if mask & (_APPEARING | InotifyConstants.IN_ATTRIB) else None
    if mask & _COMPLETE:
        return Kind.WROTE
    if mask & InotifyConstants.IN_CREATE:
        return Kind.CREATED
    return Kind.OPENED if mask & InotifyConstants.IN_MODIFY else None
