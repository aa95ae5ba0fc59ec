"""One question to many mods at once, and what each of them answers, up to one deadline. Game.

Everything is sent before the first wait: what is published before the first wake-up is nearly free. Whichever mod is
waited for, the queries of all are heard.
"""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..shared.errors import ModFailure, ModTimeout, QueueFull
from .records import FrameReport

if TYPE_CHECKING:
    from ..shared._ring import Port
    from .mod import Mod

CPUS = os.cpu_count() or 1
"""An emit to as many mods or more parks at once: spinning would take a CPU that a mod needs to answer."""


def gather(
    mods: "Sequence[Mod]",
    number: int,
    data: bytes,
    event: str,
    deadline: int,
    take: "Callable[[Mod, Any, str, FrameReport], None]",
) -> FrameReport:
    """Send request `number`, and `take` each reply into the report; who gives none is late or failed there.

    `deadline`: ns of the monotonic clock. Raises MessageTooLarge.
    """
    report = FrameReport({}, [], {})
    try:
        waiting = send(mods, number, data, event, report)
        _collect(waiting, number, data, event, deadline, take, report)
    except BaseException:  # Ctrl-C, say: nobody waits for these answers any more
        for mod in mods:
            mod._inbox.wanted.pop(number, None)
        raise
    return report


def send(
    mods: "Sequence[Mod]", number: int, data: bytes, event: str, report: FrameReport
) -> "list[tuple[Mod, int, Port]]":
    """Send it to each, and note that the answer is waited for. Returns to whom, and where in its ring; a full queue is
    in the report. Raises MessageTooLarge."""
    waiting: list[tuple[Mod, int, Port]] = []
    for mod in mods:
        port = mod._port
        if port is None:
            continue
        try:
            position = port.head
            if port.push(data):
                mod._inbox.wanted[number] = None  # any look at its ring from now on may find the answer
                waiting.append((mod, position, port))
            else:
                full = QueueFull(f"{mod.name}.{event}: its queue is full", mod=mod.name, event=event)
                report.failed[mod.name] = full
        except ValueError:
            raise mod._too_large(event, data) from None
    return waiting


def _collect(
    waiting: "list[tuple[Mod, int, Port]]",
    number: int,
    data: bytes,
    event: str,
    deadline: int,
    take: "Callable[[Mod, Any, str, FrameReport], None]",
    report: FrameReport,
) -> None:
    spin = len(waiting) < CPUS
    mods = waiting[0][0]._mods if len(waiting) > 1 else None
    if mods is not None and mods._hears:
        mods._together = tuple(port for _, _, port in waiting)
        for mod, _, _ in waiting:
            mod._hear_besides()
    try:
        for mod, position, port in waiting:
            try:
                reply = mod._await(number, data, position, event, deadline, port=port, spin=spin)
                take(mod, reply, event, report)
            except ModTimeout:
                report.late.append(mod.name)
            except ModFailure as failure:
                # Without its traceback, which holds this frame, and that the report: a cycle that holds ports.
                report.failed[mod.name] = failure.with_traceback(None)
    finally:
        if mods is not None and mods._together:
            mods._together = ()
            for mod, _, _ in waiting:
                mod._hear_besides()
