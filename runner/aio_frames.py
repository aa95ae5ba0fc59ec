"""One question to many mods at once, awaited: `emit` and `veto` of a game in an event loop. See gathering.py."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..shared import payload
from ..shared.errors import FumehoodError, ModFailure, ModTimeout, PayloadError
from ..shared.messages import Emit, pack
from . import game, gathering
from .aio_rounds import Round
from .amounts import seconds
from .ballot import Ballot
from .mod import Mod as BlockingMod
from .records import FrameReport, Refusal
from .requests import Request
from .switchboard import FRAMES, WORST_NS

if TYPE_CHECKING:
    from .aio_mods import Mods

Take = Callable[[BlockingMod, Any, str, FrameReport], None]


async def emit(mods: "Mods", event: str, args: tuple[Any, ...], budget: float) -> FrameReport:
    """See Mods.emit."""
    inner = mods.inner
    started, deadline = _begun(event, budget)
    entry = inner._declared(event, args, "emit") if inner._api is not None else None
    inner._look_if_changed()
    hearing, args = inner._audience.of(event, args)
    report = FrameReport({}, [], {})
    if hearing:
        number = mods.next_number()
        try:
            data = pack(Emit(number, event, args))
        except payload.UNPACKABLE:
            raise payload.refused(list(args), f"emit({event!r}): args") from None
        report = await _gathered(mods, hearing, number, data, event, deadline, game.take_emitted)
    if entry is not None and entry.returns is not None:
        inner._check_results(report, event, entry)
    if not inner._closed:
        inner._frames += 1
        inner._worst_ns = max(inner._worst_ns, time.monotonic_ns() - started)
        inner._page_store(WORST_NS, inner._worst_ns)
        inner._page_store(FRAMES, inner._frames)
    return report


async def veto(mods: "Mods", event: str, args: tuple[Any, ...], budget: float) -> Refusal | None:
    """See Mods.veto."""
    _, deadline = _begun(event, budget)
    ballot = Ballot(mods.inner, event, args)
    report = await _gathered(mods, ballot.asked, ballot.number, ballot.data, event, deadline, ballot.take)
    return ballot.verdict(report)


def _begun(event: object, budget: float) -> tuple[int, int]:
    """Now, and the deadline, in ns. Raises PayloadError, UsageError."""
    if type(event) is not str:
        raise PayloadError(f"an event's name is text, not {type(event).__name__}")
    started = time.monotonic_ns()
    return started, started + int(seconds(budget, "budget") * 1e9)


async def _gathered(
    mods: "Mods", hearing: list[BlockingMod], number: int, data: bytes, event: str, deadline: int, take: Take
) -> FrameReport:
    """As gathering.gather, the report in load order. Raises SupervisorDied, too."""
    report = FrameReport({}, [], {})
    faults: list[FumehoodError] = []

    def taken(request: Request, reply: Any, error: FumehoodError | None) -> None:
        if error is None:
            take(request.mod, reply, event, report)
        elif isinstance(error, ModTimeout):
            report.late.append(request.mod.name)
        elif isinstance(error, ModFailure):
            report.failed[request.mod.name] = error
        else:
            faults.append(error)

    every = Round(deadline, taken)
    try:
        for mod, position, port in gathering.send(hearing, number, data, event, report):
            every.add(Request(mod, number, data, event, deadline, 0.0, position, port), mods.named(mod.name))
        await every.over()
    except BaseException:
        for mod in hearing:
            mod._inbox.wanted.pop(number, None)
        raise
    if faults:
        raise faults[0]
    names = [mod.name for mod in hearing]
    return FrameReport(
        {name: report.results[name] for name in names if name in report.results},
        [name for name in names if name in report.late],
        {name: report.failed[name] for name in names if name in report.failed},
    )
