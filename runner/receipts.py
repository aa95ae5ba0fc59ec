"""Receipts: what is written down, and said in the log, about one reload."""

import logging
import time
from itertools import pairwise
from typing import Final

from ..shared.states import Stage, Verdict
from .records import Receipt
from .roles import Attempt, Issue
from .seat import Seat
from .snapshot import Snapshot

MOMENTS: Final = ("begun", "assigned", "ready", "offered", "drained", "live")
"""In the order they come; each stands for the stage that ends with it."""
QUIET: Final = (Verdict.LIVE, Verdict.UNLOADED, Verdict.SUPERSEDED)

log = logging.getLogger("fumehood.mods")


def make(
    number: int,
    mod: str,
    issue: Issue,
    serving: Attempt | None,
    seat: Seat | None,
    snapshot: Snapshot | None,
    worst_frame_ms: float,
) -> Receipt:
    """One receipt. `seat`: of the worker it is about, or of the one that took over; `serving`: who is live now."""
    times = seat.times if seat else {}
    to_live = None
    if issue.verdict is Verdict.LIVE and issue.cause == "save" and snapshot is not None and "live" in times:
        to_live = (times["live"] - snapshot.caused_ns) / 1e6
    heir = seat if issue.verdict is Verdict.ROLLED_BACK else None
    age = heir.resumed_age if heir else None
    return Receipt(
        number=number,
        mod=mod,
        cause=issue.cause,
        verdict=issue.verdict.value,
        version=issue.version,
        digest=issue.digest,
        epoch=serving.epoch if serving else 0,
        live_version=serving.version if serving else 0,
        live_digest=serving.digest if serving else "",
        stages=stages(times, snapshot, seat),
        save_to_live_ms=to_live,
        state_age_ms=age * 1e3 if age is not None else None,
        worst_frame_ms=worst_frame_ms,
        at=time.time(),
        diagnostic=issue.diagnostic,
        state_note=seat.state_note if seat else "",
        lost_effects=heir.lost_effects if heir else None,
    )


def stages(times: dict[str, int], snapshot: Snapshot | None, seat: Seat | None) -> dict[str, float]:
    """Microseconds per stage, from the moments that were marked and from what the worker told."""
    known: list[tuple[str, int]] = [(moment, times[moment]) for moment in MOMENTS if moment in times]
    if snapshot is not None and snapshot.caused_ns:
        known.insert(0, ("caused", snapshot.caused_ns))
    between = {b[0]: round((b[1] - a[1]) / 1e3, 1) for a, b in pairwise(known) if b[1] >= a[1]}
    return between | {name: round(value, 1) for name, value in (seat.stages if seat else {}).items()}


def checked(told: dict[str, float]) -> dict[str, float]:
    """Timings as a worker tells them: known names, plausible numbers."""
    return {name: value for name, value in told.items() if name in tuple(Stage) and 0.0 <= value < 1e9}


def say(receipt: Receipt) -> None:
    """One log line."""
    d = receipt.diagnostic
    where = f" {d.file}:{d.line}:" if d and d.file else ""
    why = f":{where} {d.kind}: {d.message}" if d else ""
    took = f" in {receipt.save_to_live_ms:.1f} ms" if receipt.save_to_live_ms is not None else ""
    serves = f"; {receipt.live_version} serves" if receipt.live_version not in (0, receipt.version) else ""
    note = f"; {receipt.state_note}" if receipt.state_note else ""
    level = logging.INFO if receipt.verdict in QUIET and not note else logging.WARNING
    what = f"{receipt.mod}@{receipt.version} {receipt.verdict} ({receipt.cause})"
    log.log(level, "%s%s%s%s%s", what, took, why, serves, note)
