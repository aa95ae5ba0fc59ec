"""The game's side of save slots: `Mods.save` and `Mods.load`. Never opens a mod's state."""

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ..shared import segment
from ..shared.errors import ProtocolError
from ..shared.messages import pack, unpacker
from . import control, savefile
from .amounts import seconds
from .records import Intent, LoadOutcome, LoadReport, LoadResult
from .savefile import SavedMod

if TYPE_CHECKING:
    from .game import Mods

_unpack: Final = unpacker(list[SavedMod], "the supervisor (a save)")


def save(mods: "Mods", timeout: float) -> bytes:
    """See Mods.save."""
    timeout = seconds(timeout, "timeout")
    return packed(_ask(mods, lambda begin, number: control.Save(number, begin, timeout), timeout))


def packed(answers: list[tuple[Any, list[int]]]) -> bytes:
    """The save that the supervisor answered with. Takes the descriptors over."""
    saved: list[SavedMod] = []
    for answer, fds in answers:
        try:
            if not isinstance(answer, control.Saved) or len(fds) != 1:
                raise ProtocolError(f"the supervisor answered a save with {type(answer).__name__}")
            saved = _unpack(segment.read_all(fds[0], answer.size))
        finally:
            for fd in fds:
                os.close(fd)
    return savefile.packed(saved)


def load(mods: "Mods", data: object, timeout: float) -> LoadReport:
    """See Mods.load."""
    timeout = seconds(timeout, "timeout")
    fd, size = carried(data)
    try:
        answers = _ask(mods, lambda begin, number: control.Load(number, begin, timeout, size), timeout, fd)
    finally:
        os.close(fd)
    return loaded(mods, answers)


def carried(data: object) -> tuple[int, int]:
    """A save as the supervisor takes it: a sealed memfd, the caller's to close, and its length. Raises SaveError."""
    body = pack(savefile.unpacked(data).mods)
    return segment.frozen("load", body), len(body)


def loaded(mods: "Mods", answers: list[tuple[Any, list[int]]]) -> LoadReport:
    """What became of each mod, from the supervisor's answer."""
    results = []
    for answer, _ in answers:
        if not isinstance(answer, control.LoadItem):
            raise ProtocolError(f"the supervisor answered a load with {type(answer).__name__}")
        results.append(answer.result)
    mods._look()
    mods._worlds.update({result.name: result.epoch for result in results if result.epoch})
    return _report(results)


def _ask(mods: "Mods", make: Any, timeout: float, fd: int = -1) -> list[tuple[Any, list[int]]]:
    """Ask, and adopt what is on offer, until the answer is whole. Descriptors in it are the caller's."""
    deadline = time.monotonic() + timeout
    begin = True
    while True:
        mods._look()
        left = max(0.0, deadline - time.monotonic())
        attached = (fd,) if begin and fd >= 0 else ()
        answers, whole = mods._link.exchange(partial(make, begin), left, attached)
        begin = False
        if whole:
            return answers


def _report(results: list[LoadResult]) -> LoadReport:
    def named(outcome: LoadOutcome) -> list[LoadResult]:
        return [result for result in results if result.outcome is outcome]

    def notes(outcome: LoadOutcome) -> dict[str, str]:
        return {result.name: result.note for result in named(outcome)}

    refused = named(LoadOutcome.REFUSED)
    return LoadReport(
        [result.name for result in named(LoadOutcome.RESTORED)],
        [result.name for result in named(LoadOutcome.MIGRATED)],
        notes(LoadOutcome.STATELESS),
        notes(LoadOutcome.MISSING),
        notes(LoadOutcome.NEWER),
        {result.name: result.diagnostic for result in refused if result.diagnostic is not None},
    )


def of_this_world(mods: "Mods", intents: list[Intent]) -> list[Intent]:
    """Leave out, and count, what a mod asked for before it was started from a save: meant for the game before that.

    Epochs only ever grow, and a rollback takes a new one.
    """
    kept = []
    for intent in intents:
        if intent.epoch >= mods._worlds.get(intent.mod, 0):
            kept.append(intent)
        else:
            mods[intent.mod]._inbox.dropped_intents += 1
    return kept
