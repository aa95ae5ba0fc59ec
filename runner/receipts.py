"""Receipts: what is written down, and said in the log, about one reload."""

import logging
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from ..shared.states import Stage, Verdict
from .records import Receipt
from .roles import Attempt, Issue
from .seat import Seat
from .snapshot import Snapshot
from .text import escape, versioned

MOMENTS: Final = ("begun", "assigned", "ready", "offered", "drained", "live")
"""In the order they come; each stands for the stage that ends with it."""
MOST_EVENTS: Final = 12
"""Events named in a log line."""
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


def say(receipt: Receipt, events: Sequence[str] = ()) -> None:
    """One log line; under it the source line, if it is about one. `events`: what the mod handles."""
    found = receipt.diagnostic
    above, *below = str(found).splitlines() if found else [""]
    took = f" in {receipt.save_to_live_ms:.1f} ms" if receipt.save_to_live_ms is not None else ""
    goes_on = receipt.live_version not in (0, receipt.version)
    serves = f"; it goes on: {versioned(receipt.mod, receipt.live_version)}" if goes_on else ""
    told = fields(receipt)
    handles = ""
    if receipt.verdict == Verdict.LIVE:
        names = [escape(event, 40) for event in sorted(events)]
        told["events"] = names
        handles = "; handles " + ", ".join(names[:MOST_EVENTS]) if names else "; handles no event"
        handles += f" and {len(names) - MOST_EVENTS} more" if len(names) > MOST_EVENTS else ""
    note = f"; {receipt.state_note}" if receipt.state_note else ""
    level = logging.INFO if receipt.verdict in QUIET and not note else logging.WARNING
    what = f"{versioned(receipt.mod, receipt.version)} {verdict(receipt)} ({receipt.cause})"
    log.log(level, "%s%s%s%s%s%s", what, took, f": {above}" if above else "", serves, handles, note,
            extra={"told": told, "below": [line.removeprefix("    ") for line in below]})  # fmt: skip


def verdict(receipt: Receipt) -> str:
    """The verdict in words: a version that failed and had nothing older to go back to was started again."""
    same = receipt.verdict == Verdict.ROLLED_BACK and receipt.live_digest == receipt.digest
    return "restarted" if same else receipt.verdict


def fields(receipt: Receipt) -> dict[str, Any]:
    """What the log line says, for machines."""
    names = ("number", "mod", "version", "verdict", "cause", "live_version", "epoch", "save_to_live_ms")
    told = {name: getattr(receipt, name) for name in names}
    found = receipt.diagnostic
    if found is not None:
        told |= {name: getattr(found, name) for name in ("stage", "kind", "file", "line", "column", "source")}
        told["reason"] = found.message
    return told
