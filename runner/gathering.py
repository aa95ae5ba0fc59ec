"""One question to many mods at once, and what each of them answers, up to one deadline. Game.

Everything is sent before the first wait: what is published before the first wake-up is nearly free. Whichever mod is
waited for, the queries of all are heard.
"""

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..shared._ring import CorruptRing
from ..shared.errors import ModFailure, ModTimeout, ProtocolError, QueueFull
from .inbox import LAST_BYTES, LAST_NS
from .records import FrameReport

if TYPE_CHECKING:
    from ..shared._ring import Port
    from .mod import Mod

CPUS: Final = os.cpu_count() or 1
"""An emit to as many mods or more parks at once: spinning would take a CPU that a mod needs to answer."""

WAKE_NS: Final = 300_000
"""How late a sleeper goes on: the kernel's timer slack of 50 us, the switch, and on a virtual machine as much again."""
GLANCE_NS: Final = 8_000
"""What a last look at one mod takes that has said nothing."""


def aim(deadline: int, now: int, asked: int) -> int:
    """When to stop waiting for that many mods, so that the last look at each ends by `deadline`. At most a quarter of
    the time is kept for that. All in ns of the monotonic clock. Pure."""
    return deadline - min(WAKE_NS + asked * GLANCE_NS, max(0, deadline - now) // 4)


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
    until = aim(deadline, time.monotonic_ns(), len(waiting))
    try:
        for mod, position, port in waiting:
            try:
                if time.monotonic_ns() >= until and mod._port is port and not mod._is_dead(mod._word):
                    _glance(mod, number, event, take, report)
                    continue
                reply = mod._await(number, data, position, event, until, port=port, spin=spin)
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


def _glance(
    mod: "Mod", number: int, event: str, take: "Callable[[Mod, Any, str, FrameReport], None]", report: FrameReport
) -> None:
    """Time is up: whether this one, which serves, has answered. As `Request.steps` says it, for a tenth of the time:
    with twenty mods that was a tenth of a frame. Raises ModCrashed: it lied."""
    wanted = mod._inbox.wanted
    try:
        mod._hear(LAST_NS, LAST_BYTES)
    except (CorruptRing, ProtocolError) as error:
        raise mod._lied(error, event) from None
    reply = wanted.pop(number, None)
    if reply is None:
        report.late.append(mod.name)
    else:
        take(mod, reply, event, report)
