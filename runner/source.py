"""A source yields snapshots; this one watches a local folder.

::

    Native/Polling ─▶ Mailbox ─▶ Sorter: which mod? ─▶ Debouncer ─▶ Draft, Settle ─▶ Publisher ─▶ Sink
                                                          ▲
    first look, slow period, look(), overflow, new root ─▶ _reconcile: which mods are not as they were settled?

The seam: anything that calls a `Sink` in this way is a source; a replicated store for many servers can be one later.

What holds, whatever the watcher missed: what settled last for a key is what is on disk, at the latest one
`reconcile_period` after it got there. Events only make it quick. A watcher that gave up, died or was found to have
missed something is replaced by another, which begins with a look at everything.

Runs in the supervisor, on its loop. It reads inline: a hop to a thread costs more than reading a usual mod does. Long
work (a whole tree, a bulk of mods) is cut into slices, so that the loop turns in between; a watcher, which looks
through all folders as it begins, does so in a thread.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar

from ..shared.errors import ConfigError, MachineError
from ..shared.policy import Limits
from . import tree
from .config import MOST_MODS
from .debounce import Action, Debouncer, Draft, Settle, Timing
from .publisher import Publisher, Settled, Sink, crowded
from .snapshot import Snapshot
from .sorting import Sorter
from .text import escape
from .watch import Event, Kind, Mailbox, Polling, Watcher, unserved

__all__ = ["FolderSource", "Settled", "Sink", "Snapshot", "Statistics", "Timing"]

SLICE: Final = 0.004
"""Seconds of uninterrupted work on the loop. A hundred thousand events may wait, each of which takes what mods require
others to be told. Smaller: a look at 1000 mods takes longer; larger: hang checks late."""
ROOT_PERIOD: Final = 1.0
"""Seconds between two looks at the root's inode (one stat), and at least between two watchers. Events tell of most
replacements at once; this finds a replaced parent, a link that was pointed elsewhere, a root that came back."""
MOST_COMPLAINTS: Final = 200
"""Different troubles told about one root; a hostile tree can hold any number."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts since `start`."""

    watcher: str
    """"native" or "polling", as it is now; "" before the start, and while one takes another's place."""
    mods: int
    events: int
    overflows: int
    snapshots: int
    """Readings of a mod."""
    drafts: int
    settles: int
    """Keys that settled, not batches."""
    refusals: int
    reconciliations: int
    roots: int
    """How often the root was found replaced, and followed."""


class FolderSource:
    """Yields the mods of a local folder to a sink, from `start` to `close`. Belongs to one event loop."""

    def __init__(
        self,
        root: Path,
        sink: Sink,
        *,
        watcher: Literal["auto", "native", "polling"] = "auto",
        limits: Limits | None = None,
        most_mods: int = MOST_MODS,
        timing: Timing | None = None,
        reconcile_period: float = 60.0,
        poll_interval: float = 2.0,
    ) -> None:
        """`watcher`: "auto" takes inotify where it serves, else polls every `poll_interval` seconds.

        `most_mods`: more are refused at the start, and not taken in later.

        `reconcile_period`: seconds between two looks at the whole tree, against everything that events can miss.
        Smaller: a missed change is live sooner; larger: less idle work (about 30 µs a mod).
        """
        self._path = root
        self._sink = sink
        self._choice = watcher
        self._limits = limits or Limits()
        self._most_mods = most_mods
        self._reconcile_period = reconcile_period
        self._poll_interval = poll_interval
        self._timing = timing or Timing()
        self._debouncer = Debouncer(self._timing)
        self._actions: deque[Action] = deque()
        self._begun: Settle | None = None
        self._ahead: deque[str] = deque()
        """What is left to be read of what is about to settle."""
        self._unsorted: deque[Event] = deque()
        """What is left of the last batch from the mailbox."""
        self._resumed: asyncio.Handle | None = None
        """That the rest of it is gone on with."""
        self._said: set[str] = set()
        self._events = self._overflows = self._reconciliations = self._roots = 0
        self._waiting_for_look: set[asyncio.Future[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._watcher: Watcher | None = None
        self._coming: asyncio.Future[Watcher] | None = None
        """The next watcher, which covers the tree in a thread of its own."""
        self._going: asyncio.Future[None] | None = None
        """The end of the one before."""
        self._renewing = False
        """Whether the watcher is to be replaced."""
        self._fallback = ""
        """Why the next watcher is to be one that polls; "": it need not."""
        self._publisher: Publisher | None = None
        self._open = self._closed = False

    # -- life ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Watch, then read every mod that is there: a draft for each, and one settled batch with all of them.

        Raises ConfigError (no such folder, or more than `most_mods` mods in it), MachineError (`watcher="native"` and
        inotify is not to be had, or no openat2). Once only.
        """
        self._loop = asyncio.get_running_loop()
        self._mailbox = Mailbox(self._wake)
        self._attention = asyncio.Event()
        self._overdue = 0
        self._looking = False
        self._root = tree.Root.open(self._path)
        self._publisher = Publisher(self._root, self._sink, self._limits, self._most_mods, self._timing.open_wait)
        self._sorter = Sorter(self._publisher, self._debouncer, attend=self._attend, complain=self._complain)
        try:
            await self._refuse_crowd()
            await self._watch()
            await self._first_look(self._publisher)
        except BaseException:
            await self.close()
            raise
        self._open = True
        self._drain()
        self._keeper = self._loop.create_task(self._keep())

    async def close(self) -> None:
        """Stop. No thread and no descriptor of ours is left when this returns; the sink hears nothing more."""
        self._open, self._closed = False, True
        if self._timer:
            self._timer.cancel()
        if self._keeper:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        _tell(self._waiting_for_look)
        if self._coming:
            await asyncio.wait([self._coming])
            if not self._coming.cancelled() and self._coming.exception() is None:
                self._watcher = self._coming.result()
            self._coming = None
        await self._unwatch()
        if self._publisher:
            self._publisher = None
            self._root.close()
        if self._keeper and not self._keeper.cancelled():
            self._keeper.result()  # raises what ended it

    def at_rest(self) -> bool:
        """Whether every change that was noticed has settled, as far as it may: who has a file open is waited for."""
        if not self._open:
            return True
        if self._overdue or self._looking:
            return False  # it may find something yet
        return not (self._actions or self._unsorted) and self._mailbox.is_empty() and self._debouncer.at_rest()

    async def look(self, patience: float) -> bool:
        """Compare the whole tree, as it is now or later, with what settled: what differs counts as noticed when this
        returns True. False: that took longer than `patience` seconds, and it goes on.

        Awaited at any time between `start` and `close`; after that True at once.
        """
        if not self._open:
            return True
        looked: asyncio.Future[None] = self._loop.create_future()
        self._waiting_for_look.add(looked)
        self._attend(time.monotonic_ns())
        try:
            await asyncio.wait([looked], timeout=patience)
        finally:
            self._waiting_for_look.discard(looked)
        return looked.done()

    def statistics(self) -> Statistics:
        """Return the counts so far."""
        said = self._publisher
        return Statistics(
            watcher=self._watcher.name if self._watcher else "",
            mods=len(said.keys()) if said else 0,
            events=self._events,
            overflows=self._overflows,
            snapshots=said.snapshots if said else 0,
            drafts=said.drafts if said else 0,
            settles=said.settles if said else 0,
            refusals=said.refusals if said else 0,
            reconciliations=self._reconciliations,
            roots=self._roots,
        )

    # -- the watcher ---------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Start a watcher on the root as it is now."""
        why, self._fallback = self._fallback, ""
        if self._choice == "auto" and not why and (kind := unserved(self._root)):
            why = f"inotify does not see all changes on {kind}"
        if self._choice != "polling" and not why:
            try:
                await self._begin(self._native)
                return
            except (OSError, ImportError) as error:
                why = f"inotify is not to be had: {error}"
                if self._choice == "native":
                    number = error.errno or 0 if isinstance(error, OSError) else 0
                    remedy = "raise fs.inotify.max_user_instances or max_user_watches, or choose the polling watcher"
                    raise MachineError(number, f"{why} ({remedy})") from error
        await self._begin(lambda: Polling(self._root, self._mailbox, self._poll_interval))
        if why:
            self._say(f"{why}: polling every {self._poll_interval:g} s")

    def _native(self) -> Watcher:
        from .inotify import Native

        return Native(self._root, self._mailbox)

    async def _begin(self, make: Callable[[], Watcher]) -> None:
        """Make a watcher in a thread: looking through thousands of folders would stop the loop."""

        def made() -> Watcher:
            watcher = make()
            if self._closed:  # nobody may be there to take it any more
                watcher.close()
            return watcher

        self._coming = coming = asyncio.ensure_future(asyncio.to_thread(made))
        await asyncio.wait([coming])  # if this is cancelled, `close` still waits for it
        self._coming = None
        self._watcher = coming.result()

    async def _unwatch(self) -> None:
        """Close the watcher: its thread may be in the middle of a long look."""
        watcher, self._watcher = self._watcher, None
        if watcher:
            self._going = asyncio.ensure_future(asyncio.to_thread(watcher.close))
        if self._going:
            await asyncio.wait([self._going])  # likewise
            self._going = None

    def _wake(self) -> None:
        """In the watcher's thread: have the loop look into the mailbox."""
        with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(self._drain)

    # -- from events to mods -------------------------------------------------------------------------------------

    def _drain(self) -> None:
        said = self._publisher
        if not self._open or said is None:
            return  # the first look is under way; it ends with a drain of its own
        if not self._unsorted:
            self._unsorted.extend(self._mailbox.take())
            self._sorter.begin()
        until = self._loop.time() + SLICE
        while self._unsorted:
            event = self._unsorted.popleft()
            self._events += 1
            if event.kind in _ABOUT_THE_WATCHER:
                self._heed(event)
            else:
                self._sorter.sort(event)
            if self._loop.time() > until:
                break
        if not self._unsorted:
            self._advance()
        if (self._unsorted or not self._mailbox.is_empty()) and self._resumed is None:
            self._resumed = self._loop.call_soon(self._resume)

    def _resume(self) -> None:
        self._resumed = None
        self._drain()

    def _attend(self, since: int) -> None:
        """Have the whole tree looked at, because of something at `since`, monotonic ns."""
        self._overdue = self._overdue or since
        self._attention.set()

    def _heed(self, event: Event) -> None:
        """What the watcher says about itself."""
        if event.kind is Kind.BLIND:
            self._say(f"not every change will be noticed at once: {event.path}")
            return
        if event.kind is Kind.EXHAUSTED:
            if self._choice == "auto":
                self._fallback = event.path
                self._renewing = True
            else:
                self._say(f"not every change will be noticed at once: {event.path}")
        if event.kind is Kind.STALE:
            self._renewing = True
        if event.kind is Kind.OVERFLOW:
            self._overflows += 1
        if event.kind is Kind.ROOT:
            self._attention.set()
        else:
            self._attend(event.at)

    def _advance(self) -> None:
        """Do what is due, a slice of it; come back for the rest, or at the next deadline."""
        said = self._publisher
        if not self._open or said is None:
            return
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._actions.extend(self._debouncer.advance(self._loop.time()))
        until = self._loop.time() + SLICE
        try:
            while self._actions and self._loop.time() < until:
                action = self._actions[0]
                if isinstance(action, Settle) and self._begun is not action:
                    self._begun, self._ahead = action, deque(action.keys if len(action.keys) > 1 else ())
                if self._ahead:
                    said.prepare(self._ahead.popleft())
                    continue
                self._actions.popleft()
                if isinstance(action, Draft):
                    said.draft(action.key)
                else:
                    for key in said.settle(action.keys):
                        self._debouncer.reloaded(key, self._loop.time())
                    while said.busy:
                        self._debouncer.busy(*said.busy.pop(), self._loop.time())
                while said.turned:
                    key = said.turned.pop()
                    self._sorter.nominate(key, Event(Kind.FOLDER, key, time.monotonic_ns()))
            if said.wanting:
                said.wanting = False
                self._attend(time.monotonic_ns())
        finally:
            if self.at_rest():
                self._sink.rested()
            due = self._loop.time() if self._actions else self._debouncer.due()
            if due is not None and self._open:
                # Through the mailbox: on a busy machine the next event may be there before the deadline's turn comes.
                self._timer = self._loop.call_at(due, self._drain)

    # -- the whole tree ------------------------------------------------------------------------------------------

    async def _first_look(self, said: Publisher) -> None:
        findings = await self._look(said)
        keys = sorted(findings.mods)
        at = time.monotonic_ns()
        for key in keys:
            said.expect(key, at)
        async for key in _sliced(keys):
            said.draft(key)
        # An empty batch too: whoever waits for the first verdicts has to know that there are none.
        said.settle(keys, even_if_empty=True)
        said.patient = True

    async def _refuse_crowd(self) -> None:
        """Before anything is watched or read: a wrong folder may be the whole file system."""
        async for findings in _sliced(tree.look(self._root)):
            if len(findings.mods) > self._most_mods:
                raise ConfigError(f"{escape(str(self._path))}: {crowded(self._most_mods)}")

    async def _look(self, said: Publisher) -> tree.Findings:
        findings = tree.Findings()
        async for step in _sliced(tree.look(self._root)):
            findings = step
        self._complain(findings)
        said.folders = {key for key, folder in findings.mods.items() if folder}
        said.turned.clear()
        return findings

    async def _reconcile(self, said: Publisher, at: int) -> bool:
        """Look at the whole tree and have everything settled anew that is not as it was settled last.

        `at`: monotonic ns of what led to it. Returns whether there was anything that no event had told of.
        """
        news = False
        self._reconciliations += 1
        findings = await self._look(said)
        async for key in _sliced(findings.mods.keys() | said.keys()):
            if not said.unchanged(key):
                only = tree.Findings({key: findings.mods[key]} if key in findings.mods else {})
                news = news or not (self._debouncer.awaits(key) or said.is_busy(key))
                self._sorter.disturb({key}, only, at)
        return news

    async def _keep(self) -> None:
        """Follow the root, revive the watcher, reconcile when asked and at the slow period. One task: never two."""
        reconciled = self._loop.time()
        renewed = -math.inf
        while self._publisher:
            with suppress(TimeoutError):
                async with asyncio.timeout(ROOT_PERIOD):  # not wait_for: before 3.12 it drops cancellations
                    await self._attention.wait()
            self._attention.clear()
            rested = self._loop.time() - renewed >= ROOT_PERIOD
            if self._root.moved():
                if not rested:
                    continue  # at a later turn; what is asked about the folder is answered of the new one
                if await self._follow(self._publisher):
                    renewed = self._loop.time()
            elif rested and (self._renewing or not (self._watcher and self._watcher.alive())):
                renewed = self._loop.time()
                if not self._renewing:
                    self._say("the watcher had ended: starting another")
                await self._restart()
            slow = self._loop.time() - reconciled >= self._reconcile_period
            if self._overdue or slow:
                unasked = not self._overdue
                at, self._overdue = self._overdue or time.monotonic_ns(), 0
                waiting, self._waiting_for_look = self._waiting_for_look, set()  # who asks from now on wants another
                self._looking = True
                try:
                    missed = await self._reconcile(self._publisher, at) and unasked
                finally:
                    self._looking = False
                    _tell(waiting)
                if missed and self._watcher and self._watcher.name == "native":
                    self._renewing = True  # it may be blind somewhere, and would be for good
                reconciled = self._loop.time()
                self._advance()

    async def _follow(self, said: Publisher) -> bool:
        """Go on with the folder that is there now. False: there is none."""
        try:
            root = tree.Root.open(self._path)
        except ConfigError as error:
            self._say(f"{error}; what is live stays until it is back")
            return False
        self._root.close()
        self._root = said.root = root
        self._roots += 1
        self._said.clear()
        self._say(f"the mods folder was replaced: watching the new one at {escape(str(self._path))}")
        await self._restart()
        return True

    async def _restart(self) -> None:
        self._renewing = False
        await self._unwatch()
        try:
            await self._watch()
        except (OSError, RuntimeError) as error:  # the root vanished again, inotify or threads are used up: tried again
            self._say(f"the mods folder cannot be watched: {error}")
        self._attend(time.monotonic_ns())

    def _complain(self, findings: tree.Findings) -> None:
        for folder, why in findings.blind.items():
            self._say(f"{escape(folder) or 'the mods folder'} was not looked at in full: {why}")

    def _say(self, message: str) -> None:
        if message not in self._said and len(self._said) < MOST_COMPLAINTS:
            self._said.add(message)
            self._sink.troubled(message)


_ABOUT_THE_WATCHER: Final = frozenset(
    {Kind.SOMEWHERE, Kind.OVERFLOW, Kind.ROOT, Kind.BLIND, Kind.STALE, Kind.EXHAUSTED}
)


def _tell(waiting: set[asyncio.Future[None]]) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(None)


async def _sliced(items: Iterable[Item]) -> AsyncIterator[Item]:
    """Yield the items, and let the loop turn whenever a slice is used up."""
    until = time.monotonic() + SLICE
    for item in items:
        yield item
        if time.monotonic() > until:
            await asyncio.sleep(0)
            until = time.monotonic() + SLICE
