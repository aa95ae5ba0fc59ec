"""What a storm comes to: for a person, and as a document."""

from collections import Counter
from typing import IO, TYPE_CHECKING, Any, Final

import report
from report import Report, Spread

if TYPE_CHECKING:
    from reload_storm import Storm
    from storm_check import Difference

MOST_SHOWN: Final = 40


def tell_differences(differences: "list[Difference]", to: IO[str]) -> None:
    """A clear table of what is not as it should be, or that nothing is."""
    if not differences:
        print("\nEverything is as it should be.", file=to)
        return
    print(f"\n{len(differences)} DIFFERENCES", file=to)
    for what, expected, found in differences[:MOST_SHOWN]:
        print(f"  {what:<44} expected {expected}; found {found}", file=to)
    if len(differences) > MOST_SHOWN:
        print(f"  … and {len(differences) - MOST_SHOWN} more", file=to)


def make_report(storm: "Storm", machine: dict[str, Any]) -> Report:
    """Reloads, times, frames, posts, calls, CPU."""
    made = Report(f"fumehood: a storm of saves (seed {storm.seed})", machine)
    rows: list[report.Row] = []
    for phase in storm.phases:
        frames = Spread.of(phase.frames.times, 1e3)
        measured = (frames.p50, frames.p99, frames.most, phase.frames.late, frames.count)
        rows.append((phase.name, phase.changes, phase.seconds, phase.rest, *measured))
    columns = ("", "saves", "s", "then at rest after s", "frame p50 ms", "p99", "max", "late", "frames")
    made.table(f"{len(storm.mods)} mods, {storm.writers} writers", columns, rows)
    verdicts = Counter(receipt.verdict for receipt in storm.receipts if receipt.cause == "save")
    others = Counter(f"{receipt.verdict} ({receipt.cause})" for receipt in storm.receipts if receipt.cause != "save")
    made.table("receipts", ("", "count"), [*verdicts.items(), *others.items()])
    live = Spread.of(r.save_to_live_ms for r in storm.receipts if r.save_to_live_ms is not None)
    took = (live.p50, live.p99, live.least, live.most, live.count)
    made.table("save to live, ms", ("p50", "p99", "min", "max", "saves"), [took])
    posts, game = storm.posts, storm.game
    unsent = sum(game.unsent.values())
    row = (posts.posted, posts.handled, posts.lost, unsent)
    made.table("posts", ("posted", "handled", "lost", "refused to the game's face"), [row])
    made.table("calls", ("ended in", "count"), list(game.calls.items()))
    made.table("CPU during the storm", ("", "cores"), list(storm.cpu.items()))
    made.data |= {
        "ok": not storm.differences,
        "seed": storm.seed,
        "plant": storm.plant,
        "mods": len(storm.mods),
        "launch_seconds": round(storm.launched, 2),
        "close_seconds": round(storm.closed, 2),
        "phases": [
            {
                "name": phase.name,
                "saves": phase.changes,
                "seconds": round(phase.seconds, 2),
                "rest_seconds": round(phase.rest, 2),
                "frames": phase.frames.summary(),
            }
            for phase in storm.phases
        ],
        "reloads": verdicts["live"],
        "refused": verdicts["refused"],
        "rolled_back": verdicts["rolled back"],
        "receipts": {**verdicts, **others},
        "save_to_live_ms": live.document(),
        "posts": posts.posted,
        "posts_handled": posts.handled,
        "posts_lost": posts.lost,
        "posts_not_sent": dict(game.unsent),
        "calls": dict(game.calls),
        "late_in_emits": game.late,
        "game": storm.statistics,
        "cpu_cores": {who: report.rounded(cores) for who, cores in storm.cpu.items()},
        "held_at_the_end": {
            who: {"memory_mib": held.memory >> 20, "descriptors": sum(held.descriptors.values())}
            for who, held in (("game", storm.held.game), ("supervisor", storm.held.supervisor))
        },
        "differences": [{"what": a, "expected": b, "found": c} for a, b, c in storm.differences],
        "journal_of_what_differs": _journal(storm),
    }
    made.notes.append("Frames count from when each was due.")
    made.notes.append("Save to live includes the 250 ms that two reloads of a mod keep apart, and the queue before it.")
    return made


def _journal(storm: "Storm") -> dict[str, list[str]]:
    """Every receipt of the mods that differ: what happened to them, in a line each."""
    blamed = {what.partition(":")[0] for what, _, _ in storm.differences}
    found: dict[str, list[str]] = {}
    for r in storm.receipts:
        if r.mod in blamed:
            why = f": {r.diagnostic.kind}: {r.diagnostic.message}" if r.diagnostic else ""
            what = f"{r.number} at {r.at:.3f} {r.mod}@{r.version} {r.verdict} ({r.cause}) {r.digest[:12]}"
            found.setdefault(r.mod, []).append(f"{what}{why}; {r.live_version} serves")
    return found
