"""Mods whose files went away a moment ago: one that appears with the same bytes under another name is the same mod.

A rename is two facts about the disk, that may come in one batch or in several, and the new name may be gone again
before it began. So what went is remembered for a while. In one batch the same bytes are enough (git writes a new file);
later it has to be the very same files, by inode and time of change: a mod that is deleted and another one that is made
of the same bytes a second later are two mods. Runs in the supervisor.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

from .snapshot import Snapshot

if TYPE_CHECKING:
    from .lane import Lane

MEMORY: Final = 10.0
"""Seconds that a mod may be away between two names. Longer: memory; shorter: one that is moved aside for a while and
comes back under another name begins anew."""


class _Orphan(NamedTuple):
    lane: "Lane"
    snapshot: Snapshot
    since: float


class Orphans:
    """What went away lately, the latest last."""

    def __init__(self) -> None:
        self._gone: list[_Orphan] = []

    def add(self, lane: "Lane", now: float) -> None:
        """The files of a mod are gone. Call before its lifecycle hears of it; `now`: one time for a whole batch."""
        self._gone = [each for each in self._gone if now - each.since < MEMORY and each.lane is not lane]
        snapshot = lane.snapshots.get(lane.life.target or "")
        if snapshot is not None:
            self._gone.append(_Orphan(lane, snapshot, now))

    def claim(self, lane: "Lane", digest: str, now: float) -> "Lane | None":
        """The mod that one with these bytes, which nobody serves yet, was called until now; None: it is new."""
        mine = lane.snapshots.get(digest)
        for each in reversed(self._gone):
            if mine is None or now - each.since >= MEMORY or not _same_bytes(mine, each.snapshot):
                continue
            if each.since != now and _files(mine) != _files(each.snapshot):
                continue
            self._gone.remove(each)
            origin: Lane | None = each.lane
            while origin is not None and origin is not lane and origin.moved_from is not None:
                origin = origin.moved_from  # renamed again before it began
            return origin if origin is not lane else None
        return None


def _same_bytes(mine: Snapshot, theirs: Snapshot) -> bool:
    """Whether these are one mod's bytes. A single file carries its name in its snapshot, which a rename changes."""
    if mine.folder != theirs.folder:
        return False
    return mine.digest == theirs.digest or (not mine.folder and [*mine.files.values()] == [*theirs.files.values()])


def _files(snapshot: Snapshot) -> set[tuple[int, int, int]]:
    """Inode, size and time of change of each file: a rename keeps all three, a new file has not all of them."""
    return {mark[1:4] for mark in snapshot.signature[: len(snapshot.files)]}
