"""When a change is built and when it may go live. Pure: times in, actions out; no clock, no files, no timers.

Two questions per mod, answered apart, because building takes time and waiting takes time and both can pass at once:

**Draft** (build a candidate; thrown away if another write comes)
  - at once for the first complete write after a calm: the usual save is one write, and nearly all of its way to the
    game is then behind it when it settles;
  - else when the mod has been quiet for `settle`, and not earlier than `lead` before it may go live, so that ten saves
    in a row do not build ten candidates.

**Settle** (it may go live)
  - `settle` after its last complete write;
  - in a **bulk** change (several files, each within `bulk_settle` of the one before: a git checkout, "save all", a
    rename) `bulk_settle` after the last file that joined, the same instant for every mod in it, so that they go live
    together. A file that is written over and over joins once, so it cannot hold others up;
  - `vanish_settle` after a file vanished and nothing came in its place, since editors and git save by taking the old
    file away first; what changes in bulk with it waits too, so that a renamed mod does not run under both names;
  - at the latest `max_wait` after the first complete write: constant saving does not starve a reload;
  - never within `min_interval` of the mod's last reload;
  - not while a file of it is modified but still open, for up to `open_wait` after it was first modified; and never
    longer than `open_wait` after the first complete write.

One heap of deadlines serves all mods. An entry is a lower bound: what comes up too early is computed anew and put back,
so an event costs O(log n) however many mods wait.

Rejected: a timer per file (1000 timers per checkout, no batch); one global quiet period (one chatty mod delays all).
"""

import heapq
import math
from dataclasses import dataclass, field
from itertools import count
from typing import Final

MOST_JOINED: Final = 4096
"""Files remembered per bulk change, to know a repeated write from a new one. Past it every write counts as new, which
only means waiting until `max_wait`."""


_OTHERS: Final = "\0"
"""No file's name."""
MOST_OPEN: Final = 64
"""Files of one mod remembered as open, each by itself. Past it one name stands for the rest, which nothing closes: the
mod waits `open_wait` then. Smaller: unpacking with many files at a time waits; larger: each event costs more."""


SOME_FILE: Final = ""
"""For `wrote`: a file of the mod's is complete, and it is not known which. Whoever has one open has it still."""


MOST_VANISHING: Final = 64
"""Files that went and are waited for by what comes after them, since it may be they under another name. Past it only
what comes in the same bulk change waits."""


RELOAD_INTERVAL: Final = 0.25
"""Seconds between two reloads of one mod. Smaller: a mad writer costs more spares; larger: fast savers wait."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The debouncer's settings, seconds."""

    settle: float = 0.005
    """Smaller: a save in several steps is built twice; larger: every save waits longer."""
    bulk_settle: float = 0.03
    """Smaller: a slow checkout falls into several batches; larger: a bulk change waits longer."""
    vanish_settle: float = 0.1
    """Smaller: a mod is unloaded between the two halves of a save on a busy machine; larger: a deleted mod lives on."""
    min_interval: float = RELOAD_INTERVAL
    max_wait: float = 0.5
    """From the first complete write to the reload under constant writing. At least `settle`."""
    open_wait: float = 10.0
    """For a file that is modified and not closed. Smaller: half a download goes live; larger: a forgotten handle in
    an editor that never closes its files delays its mod."""
    busy_retry: float = 0.5
    """After a file that was to be read was found open for writing. Smaller: more looks at it; larger: where no event
    tells of its end, as with polling, a mod waits longer."""
    lead: float = 0.05
    """How long before it may go live a repeated save is built. About what building takes."""


@dataclass(frozen=True, slots=True)
class Draft:
    """Take a snapshot of this mod and build it."""

    key: str


@dataclass(frozen=True, slots=True)
class Settle:
    """These may go live now, together; sorted by key."""

    keys: tuple[str, ...]


Action = Draft | Settle


@dataclass(slots=True)
class _Pending:
    """What is known of one mod's change that has not settled."""

    first: float | None = None
    """The first complete write; None: only open files so far."""
    last: float = 0.0
    vanished: bool = False
    """The last complete event took a file away."""
    calm: bool = False
    """It began after a calm, and nothing of it has been drafted yet."""
    urgent: bool = False
    """First write after a calm, alone: to be drafted at once."""
    drafted: bool = False
    """Drafted since the last complete write."""
    open: dict[str, float] = field(default_factory=dict)
    """File to when it was first modified since it was last closed."""
    queued: float = math.inf
    """Its entry on the heap that counts; others are stale."""


class Debouncer:
    """Collects events, answers with actions. All times are seconds of one monotonic clock, never going back."""

    def __init__(self, timing: Timing | None = None) -> None:
        self._timing = timing or Timing()
        self._pending: dict[str, _Pending] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._serial = count()
        self._reloaded: dict[str, float] = {}
        self._joined: set[tuple[str, str]] = set()
        self._joined_first = -math.inf
        self._joined_last = -math.inf
        self._joined_floor = -math.inf
        self._vanishing: dict[str, float] = {}
        """Keys whose files went and did not settle, with the earliest moment at which they do."""

    def wrote(self, key: str, file: str, now: float) -> None:
        """A complete write: closed after writing, renamed into place, found in a new folder. Closes `file`."""
        self._complete(key, file, now, vanished=False)

    def vanished(self, key: str, file: str, now: float) -> None:
        """A file (or a folder, with all below) was deleted or renamed away."""
        self._complete(key, file, now, vanished=True)

    def opened(self, key: str, file: str, now: float) -> None:
        """A file was created or modified, and somebody has it open still."""
        self._open(key, file, now, now)

    def busy(self, key: str, file: str, now: float) -> None:
        """What was to be read is being written: it comes up again in `busy_retry`, or when the file is closed."""
        self._open(key, file, now - self._timing.open_wait + self._timing.busy_retry, now)

    def _open(self, key: str, file: str, since: float, now: float) -> None:
        pending = self._pending.setdefault(key, _Pending())
        if file not in pending.open and len(pending.open) >= MOST_OPEN:
            file = _OTHERS
        if file not in pending.open:
            pending.open[file] = since
            self._queue(key, pending, now)

    def reloaded(self, key: str, now: float) -> None:
        """What settled brought new bytes: the next reload of this mod keeps its distance."""
        self._reloaded[key] = now

    def due(self) -> float | None:
        """When `advance` has to be called next at the latest; None: only after an event."""
        return self._heap[0][0] if self._heap else None

    def awaits(self, key: str) -> bool:
        """Whether a change of this mod has not settled."""
        return key in self._pending

    def at_rest(self) -> bool:
        """Whether everything has settled. The heap may still hold deadlines that no longer count."""
        return not self._pending

    def advance(self, now: float) -> list[Action]:
        """Return what is due at `now`, drafts before the one Settle. Call after events and when `due()` is reached."""
        actions: list[Action] = []
        settled: list[str] = []
        while self._heap and self._heap[0][0] <= now:
            at, _, key = heapq.heappop(self._heap)
            pending = self._pending.get(key)
            if pending is None or pending.queued != at:
                continue
            pending.queued = math.inf
            self._give_up_waiting(pending, now)
            if self._settle_at(key, pending) <= now:
                settled.append(key)
                self._settled(key, pending, now)
                continue
            if self._draft_at(key, pending) <= now:
                pending.drafted = True
                pending.calm = pending.urgent = False
                actions.append(Draft(key))
            self._queue(key, pending, now)
        if settled:
            actions.append(Settle(tuple(sorted(settled))))
            self._reloaded = {k: t for k, t in self._reloaded.items() if t > now - self._timing.min_interval}
        return actions

    def _complete(self, key: str, file: str, now: float, *, vanished: bool) -> None:
        pending = self._pending.setdefault(key, _Pending())
        for inner in [name for name in pending.open if name == file or name.startswith(file + "/")]:
            del pending.open[inner]
        if vanished and file == key:
            pending.open.pop(_OTHERS, None)
        alone = self._join(key, file, now)
        if pending.first is None:
            pending.first = now
            pending.calm = now >= self._floor(key)
        pending.urgent = pending.calm and alone and not vanished
        pending.last = now
        pending.vanished = vanished
        if vanished:
            settles = max(self._floor(key), now + self._timing.vanish_settle)
            self._vanishing[key] = settles
            self._joined_floor = max(self._joined_floor, settles)
        else:
            self._vanishing.pop(key, None)
        pending.drafted = False
        self._queue(key, pending, now)

    def _join(self, key: str, file: str, now: float) -> bool:
        """Count the file into the bulk change under way, or begin one. Returns whether it is the only file so far."""
        if now > self._joined_last + self._timing.bulk_settle:
            self._joined.clear()
            self._joined_first = now
            self._joined_floor = -math.inf
        if (key, file) not in self._joined:
            self._joined_last = now
            if len(self._joined) < MOST_JOINED:
                self._joined.add((key, file))
        return len(self._joined) == 1

    def _give_up_waiting(self, pending: _Pending, now: float) -> None:
        """Take files that were open for too long as they are."""
        late = [name for name, since in pending.open.items() if since + self._timing.open_wait <= now]
        for name in late:
            del pending.open[name]
        if late and pending.first is None:
            pending.first = pending.last = now
            pending.drafted = False

    def _settled(self, key: str, pending: _Pending, now: float) -> None:
        self._vanishing.pop(key, None)
        if not pending.open:
            del self._pending[key]
            return
        pending.first = None
        pending.drafted = pending.calm = pending.urgent = pending.vanished = False
        self._queue(key, pending, now)

    def _settle_at(self, key: str, pending: _Pending) -> float:
        timing = self._timing
        if pending.first is None:
            return math.inf
        quiet = pending.last + (timing.vanish_settle if pending.vanished else timing.settle)
        if len(self._joined) > 1 and pending.last >= self._joined_first:
            quiet = max(quiet, self._joined_last + timing.bulk_settle, self._joined_floor)
        if self._vanishing and not pending.vanished and len(self._vanishing) <= MOST_VANISHING:
            quiet = max(quiet, *self._vanishing.values())
        at = max(min(quiet, pending.first + timing.max_wait), self._floor(key))
        if pending.open:
            at = max(at, min(max(pending.open.values()), pending.first) + timing.open_wait)
        return at

    def _floor(self, key: str) -> float:
        """The earliest moment of the mod's next reload."""
        return self._reloaded.get(key, -math.inf) + self._timing.min_interval

    def _draft_at(self, key: str, pending: _Pending) -> float:
        if pending.first is None or pending.drafted or pending.open:
            return math.inf
        if pending.urgent:
            return pending.last
        return max(pending.last + self._timing.settle, self._settle_at(key, pending) - self._timing.lead)

    def _queue(self, key: str, pending: _Pending, now: float) -> None:
        """See to it that the mod comes up no later than its next deadline."""
        at = min(self._settle_at(key, pending), self._draft_at(key, pending))
        if pending.open:
            at = min(at, min(pending.open.values()) + self._timing.open_wait)
        at = max(at, now)
        if at < pending.queued:
            pending.queued = at
            heapq.heappush(self._heap, (at, next(self._serial), key))
