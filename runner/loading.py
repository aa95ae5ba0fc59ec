"""In the supervisor: every mod started anew from a save, for `Mods.load`.

A fresh worker of the version that serves rehearses with the save's bytes, is offered, adopted and started like any
other candidate (cause "load"), with those bytes in place of what the old one hands over. If it fails at any point the
mod goes on with what it had. A save of files that comes meanwhile goes first; what it brings is then loaded into.
"""

import asyncio
import time
from typing import Final

from ..shared.messages import Diagnostic
from ..shared.states import Role, Stage
from .checkpoints import Checkpoint
from .lane import Lane
from .records import LoadOutcome, LoadResult
from .savefile import SavedMod, foreign
from .text import escape

LOOK: Final = 0.05
"""As in `saving`."""
LONGEST_NAME: Final = 200


async def load(lanes: dict[str, Lane], saved: list[SavedMod], until: float) -> list[LoadResult]:
    """Start every mod anew, all of them at once; at `until` (monotonic seconds) at the latest. One result a mod."""
    entries = {each.name: each for each in saved}
    unknown = [name for name in entries if name not in lanes]
    work = [_load_one(lane, entries.get(name), until) for name, lane in lanes.items()]
    results = [result for result in await asyncio.gather(*work) if result is not None]
    for name in unknown:
        results.append(LoadResult(escape(name, LONGEST_NAME), LoadOutcome.MISSING, "there is no such mod"))
    return sorted(results, key=lambda each: each.name)


async def _load_one(lane: Lane, entry: SavedMod | None, until: float) -> LoadResult | None:
    """None: it is not there, and the save does not name it."""
    while await _rests(lane, until):
        seat = lane.active_seat()
        if seat is None:
            lane.states.replace(_checkpoint(entry, entry.digest) if entry is not None else None)
            text = "no version of it is live: the next one that is resumes from this state"
            return LoadResult(lane.name, LoadOutcome.MISSING, text) if entry is not None else None
        version = seat.bound.state_version if seat.bound is not None else 0
        if entry is not None and (refused := _unfit(entry, lane, version, seat.limits.state_bytes)) is not None:
            return refused
        number = lane.load(_checkpoint(entry, seat.snapshot.digest))
        result = await _watch(lane, number, until)
        if isinstance(result, Diagnostic):
            await _rests(lane, until)
            return LoadResult(lane.name, LoadOutcome.REFUSED, diagnostic=result)
        if result is not None:
            return _success(lane.name, entry, version, result)
    return LoadResult(lane.name, LoadOutcome.REFUSED, diagnostic=_late("it was between two versions all the time"))


def _success(name: str, entry: SavedMod | None, version: int, epoch: int) -> LoadResult:
    if entry is None:
        return LoadResult(name, LoadOutcome.STATELESS, "the save does not name it", epoch=epoch)
    if entry.state is None:
        note = f"the save holds no state of it: {escape(entry.note)}" if entry.note else "it had no state"
        return LoadResult(name, LoadOutcome.STATELESS, note, epoch=epoch)
    moved = entry.state_version != version
    return LoadResult(name, LoadOutcome.MIGRATED if moved else LoadOutcome.RESTORED, epoch=epoch)


def _unfit(entry: SavedMod, lane: Lane, version: int, most: int) -> LoadResult | None:
    """What can be told of a state without opening it."""
    if entry.state is None:
        return None
    if entry.state_version > version:
        text = f"its state is of STATE_VERSION {entry.state_version}, the mod's is {version}"
        return LoadResult(lane.name, LoadOutcome.NEWER, text)
    why = foreign(entry.state)
    if not why and len(entry.state) > most:
        why = f"its state takes {len(entry.state)} bytes (limit: state_bytes = {most})"
    if not why and not 0 <= entry.state_version < 2**31:
        why = f"its state version is {entry.state_version}"
    return LoadResult(lane.name, LoadOutcome.REFUSED, diagnostic=_diagnostic("StateError", why)) if why else None


def _checkpoint(entry: SavedMod | None, digest: str) -> Checkpoint:
    """`digest`: of the version that is to load it, since a lane goes by that when it looks for another to try."""
    if entry is None or entry.state is None:
        return Checkpoint(b"", 0, digest, time.monotonic())
    return Checkpoint(entry.state, entry.state_version, digest, time.monotonic())


async def _rests(lane: Lane, until: float) -> bool:
    """Wait until nothing is under way."""
    while not lane.at_rest():
        if (left := until - time.monotonic()) <= 0:
            return False
        await lane.house.change(min(left, LOOK))
    return True


async def _watch(lane: Lane, number: int, until: float) -> int | Diagnostic | None:
    """The epoch under which it went live; why it did not; None: something newer took its place before that."""
    attempt, seat = lane.life.attempts[number], lane.seats[number]
    try:
        while not attempt.was_live:
            if attempt.number not in lane.life.attempts:
                return seat.failure
            if (left := until - time.monotonic()) <= 0:
                if attempt.role is not Role.CANDIDATE:
                    return _late("it is still taking the state in; a receipt (cause: load) will tell what comes of it")
                return _late("no worker of it was ready")
            await lane.house.change(min(left, LOOK))
        return attempt.epoch
    finally:
        lane.drop_load(number)


def _late(what: str) -> Diagnostic:
    return _diagnostic("Timeout", f"not loaded in time: {what}")


def _diagnostic(kind: str, text: str) -> Diagnostic:
    return Diagnostic(Stage.RESTORE, kind, text)
