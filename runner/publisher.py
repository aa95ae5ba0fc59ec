"""What has been said about each mod, and what there is to say now: reads snapshots, compares, tells the sink.

Per key: the digest that settled last, the draft that is out, or why it was refused; and whose files its snapshot holds,
since a change of theirs is one of its own. A change that ends on what was said before says nothing, unless a draft has
to be taken back. Every settled digest was drafted before, the newest draft first. Runs in the supervisor, on its loop.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from ..shared.messages import Diagnostic
from ..shared.policy import Limits
from . import requirements, snapshot, tree
from .config import MOST_MODS
from .manifest import Refused
from .order import Needs, load_order
from .snapshot import Busy, Gone, Signature, Snapshot
from .text import escape

RACY: Final = 0.05
"""A file that changed less than this many seconds before it was read may change again within the same tick of the file
system's clock (1 to 10 ms) and look the same: such a signature is not believed when the whole tree is reconciled."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A mod whose newest bytes may go live. `digest` None: its files are gone."""

    key: str
    digest: str | None


class Sink(Protocol):
    """Who is told. Every method is called on the event loop and must not raise."""

    def drafted(self, key: str, snapshot: Snapshot) -> None:
        """Build a candidate now, on speculation. A later word about the same key supersedes it."""
        ...

    def settled(self, batch: tuple[Settled, ...]) -> None:
        """These may go live, together, in load order. Each digest is that of the key's latest draft."""
        ...

    def unreadable(self, key: str, diagnostic: Diagnostic) -> None:
        """What is on disk cannot be a version; what was live stays, a draft is withdrawn. Said once per reason."""
        ...

    def rested(self) -> None:
        """Everything that was noticed has settled."""
        ...

    def troubled(self, message: str) -> None:
        """The watcher has trouble, or is over it. For the log; said once per reason."""
        ...


_ANYWHERE: Final = Needs()


@dataclass(slots=True)
class _Known:
    digest: str | None = None
    """Settled last."""
    draft: Snapshot | None = None
    """Drafted, not settled."""
    refused: Diagnostic | None = None
    """Said last, instead of a digest."""
    signature: Signature = ()
    """Of what `digest` was read from."""
    looked_at: float = 0.0
    """time.time() just before that."""
    caused_ns: int = 0
    """The first event since it settled."""
    busy_since: float | None = None
    """When it was first found open for writing (monotonic); None: it was not, the last time."""
    place: Needs = _ANYWHERE
    """Its place in the load order, as read last."""
    same: Signature | None = None
    """Of what was read ahead of settling, and is what was said last."""
    needs: frozenset[str] = frozenset()
    """Keys whose files are part of its snapshot, or would be if they were there."""


class Publisher:
    """Turns "draft this" and "these have settled" into calls of the sink."""

    def __init__(
        self, root: tree.Root, sink: Sink, limits: Limits, most_mods: int = MOST_MODS, open_wait: float = 10.0
    ) -> None:
        """`open_wait`: seconds that a file which somebody has open for writing is waited for, as the debouncer does."""
        self.root = root
        """Where it reads; set anew when the root was replaced."""
        self.folders: set[str] = set()
        """Keys of folder mods, as last seen: what lies below belongs to them."""
        self.turned: set[str] = set()
        """Keys that reading found to be folder mods now, or no longer: what lies below them has to be looked at. The
        reader of this empties it."""
        self.snapshots = self.drafts = self.settles = self.refusals = 0
        self._sink = sink
        self._limits = limits
        self._most = most_mods
        self._known: dict[str, _Known] = {}
        self._full = False
        """Whether somebody was told that there is no room."""
        self._open_wait = 0.9 * open_wait  # so that it is over when the debouncer's is
        self.patient = False
        """Whether to leave files alone that are being written. At the start no event would tell of their end."""
        self.busy: list[tuple[str, str]] = []
        """(key, file) of what was to settle and is being written. The reader of this empties it."""
        self.wanting = False
        """Whether there is room again: the whole tree has to be looked at. The reader of this sets it back."""
        self._needy: set[str] = set()
        """Keys that require others."""

    def dependants(self, key: str) -> list[str]:
        """Keys whose snapshots hold this one's files, or wait for it."""
        return [other for other in self._needy if key in self._known[other].needs]

    def keys(self) -> set[str]:
        """Every key with files, as far as known."""
        return set(self._known)

    def below(self, path: str) -> set[str]:
        """Known keys at or below a path; "": all."""
        prefix = path + "/" if path else ""
        return {key for key in self._known if key == path or key.startswith(prefix)}

    def expect(self, key: str, at: int) -> None:
        """Something happened to a key at `at` (monotonic ns): it will be drafted or settled."""
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= self._most:
                self._turn_away(key)
                return
            known = self._known[key] = _Known()
        known.caused_ns = known.caused_ns or at

    def draft(self, key: str) -> None:
        """Read an expected key and draft it, unless these bytes were the last thing said. Refusals wait to settle."""
        known = self._known.get(key)
        if known is None:
            return
        try:
            taken = self._take(key, known)
        except Busy:
            return  # what ends the writing will be heard of
        if isinstance(taken, Snapshot):
            self._offer(known, taken)
            known.same = None if known.draft else taken.signature

    def prepare(self, key: str) -> None:
        """Read what is about to settle, unless it was: many that settle together are read one by one before that."""
        known = self._known.get(key)
        if known is None:
            return
        read = known.draft.signature if known.draft else known.same
        if read is None or self._sign(key) != read:
            self.draft(key)

    def is_busy(self, key: str) -> bool:
        """Whether it was found being written when it was to be read last."""
        known = self._known.get(key)
        return known is not None and known.busy_since is not None

    def settle(self, keys: list[str] | tuple[str, ...], *, even_if_empty: bool = False) -> list[str]:
        """Say what has settled, one batch. Returns the keys that have new bytes."""
        batch: list[Settled] = []
        for key in self._in_order(keys):
            try:
                settled = self._settled(key)
            except Busy as busy:
                self.busy.append((key, busy.path))
                continue
            if settled is not None:
                batch.append(settled)
        if batch or even_if_empty:
            self.settles += len(batch)
            self._sink.settled(tuple(batch))
        return [settled.key for settled in batch if settled.digest]

    def unchanged(self, key: str) -> bool:
        """Whether the disk still holds what was said last about a key, or a draft is about to settle it anyway.

        By signature, and by content where a signature proves nothing.
        """
        known = self._known.get(key)
        if known is None:
            if full := len(self._known) >= self._most:
                self._turn_away(key)
            return full
        if known.draft:
            return True
        if known.refused:
            try:
                taken = self._take(key, known)
            except Busy:
                return False
            return isinstance(taken, Refused) and taken.diagnostic == known.refused
        if known.digest is None:
            return False
        if max(max(mark[3], mark[4]) for mark in known.signature) / 1e9 < known.looked_at - RACY:
            return self._sign(key) == known.signature
        looked_at = time.time()
        try:
            taken = self._take(key, known)
        except Busy:
            return False
        if not isinstance(taken, Snapshot) or taken.digest != known.digest:
            return False
        known.signature, known.looked_at = taken.signature, looked_at
        return True

    def _take(self, key: str, known: _Known) -> Snapshot | Refused | None:
        """What is on disk under a key: a snapshot, why there can be none, or nothing."""
        self.snapshots += 1
        now = time.monotonic()
        patient = self.patient and (known.busy_since is None or now - known.busy_since < self._open_wait)
        try:
            taken, known.needs = self._read(key, known, patient)
        except Busy:
            known.busy_since = known.busy_since or now
            raise
        if patient:  # else somebody may write still: it was waited for long enough, until it settles
            known.busy_since = None
        (self._needy.add if known.needs else self._needy.discard)(key)
        return taken

    def _read(self, key: str, known: _Known, patient: bool) -> tuple[Snapshot | Refused | None, frozenset[str]]:
        alone: frozenset[str] = frozenset()
        try:
            taken = snapshot.take(self.root, key, self._limits, known.caused_ns, patient=patient)
        except Gone:
            self._turn(key, folder=False)
            return None, alone
        except Refused as refused:
            return refused, alone
        self._turn(key, folder=taken.folder)
        known.place = Needs(taken.manifest.order, taken.manifest.requires)
        if not taken.manifest.requires:
            return taken, alone

        def library(other: str) -> Snapshot:
            return snapshot.take(self.root, other, self._limits, patient=patient)

        return requirements.compose(taken, library, set(self._known), self._limits)

    def _turn_away(self, key: str) -> None:
        """There are as many mods as there may be."""
        if not self._full:
            self._full = True
            self._sink.troubled(f"{shown(key)!r} is not started: the mods folder is full, {crowded(self._most)}")

    def _in_order(self, keys: Iterable[str]) -> list[str]:
        """The keys in load order, by what was read of them last."""
        return load_order({key: known.place if (known := self._known.get(key)) else Needs() for key in keys})

    def _turn(self, key: str, *, folder: bool) -> None:
        if folder != (key in self.folders):
            (self.folders.add if folder else self.folders.discard)(key)
            self.turned.add(key)

    def _sign(self, key: str) -> Signature | None:
        try:
            known = self._known.get(key)
            signed = snapshot.sign(self.root, key, self._limits)
            for library in sorted(known.needs) if known else ():
                signed += snapshot.sign(self.root, library, self._limits)
            return signed
        except (Gone, Refused):
            return None

    def _offer(self, known: _Known, taken: Snapshot) -> None:
        if known.draft and known.draft.digest == taken.digest:
            known.draft = replace(known.draft, signature=taken.signature)
        elif known.draft or known.refused or known.digest != taken.digest:
            known.draft = taken
            self.drafts += 1
            self._sink.drafted(taken.key, taken)

    def _settled(self, key: str) -> Settled | None:
        """New bytes, or gone; None: nothing new, or refused, which is said here."""
        known = self._known.get(key)
        if known is None:
            return None
        looked_at = time.time()
        read, known.same = known.draft.signature if known.draft else known.same, None
        if read is None or self._sign(key) != read:
            taken = self._take(key, known)
            if not isinstance(taken, Snapshot):
                return self._missing(key, known, taken)
            self._offer(known, taken)
            read = taken.signature
        known.signature = read
        known.caused_ns = 0
        known.busy_since = None
        known.looked_at = looked_at
        if known.draft is None:
            return None
        known.digest = known.draft.digest
        known.draft = known.refused = None
        return Settled(key, known.digest)

    def _missing(self, key: str, known: _Known, refused: Refused | None) -> Settled | None:
        if refused is None:
            del self._known[key]
            if self._full:  # there is room for who was turned away
                self._full, self.wanting = False, True
            self._needy.discard(key)
            return Settled(shown(key), None) if known.digest or known.draft or known.refused else None
        known.caused_ns = 0
        known.busy_since = None
        if refused.diagnostic != known.refused or known.draft:
            known.draft = None
            known.refused = refused.diagnostic
            self.refusals += 1
            self._sink.unreadable(shown(key), refused.diagnostic)
        return None


def crowded(most: int) -> str:
    """What is wrong with a folder of more than `most` mods, and what to do."""
    return (
        f"it holds more than {most} mods. Every .py file in it and in its subfolders is one: "
        "name a folder that holds mods alone, or raise most_mods"
    )


def shown(key: str) -> str:
    """The key as the sink is told it: itself, or escaped where no mod may have such a name."""
    return escape(key) if tree.unusable(key) else key
