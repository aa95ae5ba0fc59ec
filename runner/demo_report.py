"""What the demo says in the end: the summary as a document, and as lines for a person."""

from dataclasses import dataclass
from typing import Any

from ..shared.states import Verdict
from .demo_frames import Frames, quantile
from .demo_steps import SCRIPT, Run
from .receipts import verdict
from .records import Receipt
from .text import versioned


@dataclass
class Result:
    """Everything a run of the demo came to."""

    seconds: float
    confinement: str
    mods: int
    runs: list[Run]
    receipts: list[Receipt]
    frames: Frames
    drawn: bool
    """Whether the frames' times include drawing the screen."""
    interrupted: bool
    trouble: str = ""
    """What ended it early, if not the person."""

    @property
    def ok(self) -> bool:
        """Whether every step of the script ended as expected; after Ctrl-C: every one that ended."""
        ended = [run for run in self.runs if run.ended]
        complete = self.interrupted or len(ended) == len(SCRIPT)
        return complete and not self.trouble and not any(run.wrong for run in ended)

    def count(self, verdict: Verdict) -> int:
        """Receipts of that verdict after the start."""
        return sum(r.verdict == verdict and r.cause not in ("startup", "standby") for r in self.receipts)

    def save_to_live(self) -> list[float]:
        """Milliseconds from each save to its version being live."""
        return [r.save_to_live_ms for r in self.receipts if r.cause == "save" and r.save_to_live_ms is not None]

    def document(self) -> dict[str, Any]:
        """Return the summary as plain data: what ``--json`` writes."""
        live = self.save_to_live()
        return {
            "ok": self.ok,
            "interrupted": self.interrupted,
            "trouble": self.trouble,
            "seconds": round(self.seconds, 2),
            "confinement": self.confinement,
            "mods": self.mods,
            "reloads": self.count(Verdict.LIVE),
            "rollbacks": self.count(Verdict.ROLLED_BACK),
            "refused": self.count(Verdict.REFUSED),
            "unloaded": self.count(Verdict.UNLOADED),
            "save_to_live_ms": {
                "count": len(live),
                "p50": round(quantile(live, 0.5), 2),
                "p99": round(quantile(live, 0.99), 2),
                "max": round(max(live, default=0.0), 2),
            },
            "frames": {**self.frames.summary(), "drawn": self.drawn},
            "steps": [self._step(number) for number in range(len(SCRIPT))],
        }

    def _step(self, number: int) -> dict[str, Any]:
        step = SCRIPT[number]
        run = self.runs[number] if number < len(self.runs) else None
        document: dict[str, Any] = {
            "name": step.name,
            "expected": {mod: str(verdict) for mod, verdict in step.expect.items()},
            "seen": {},
            "ok": bool(run and run.ended and not run.wrong),
            "wrong": "it did not come to it" if run is None else run.wrong,
        }
        if run is None:
            return document
        for mod in step.expect:
            if (receipt := run.last(mod)) is not None:
                document["seen"][mod] = {
                    "verdict": receipt.verdict,
                    "live_version": receipt.live_version,
                    "save_to_live_ms": receipt.save_to_live_ms,
                    "how": how(receipt),
                }
        if run.tried:
            document["tried"] = {what: {"succeeded": ok, "got": got} for what, (ok, got) in run.tried.items()}
        return document

    def lines(self) -> list[str]:
        """Return the summary for a person."""
        document = self.document()
        live, frames = document["save_to_live_ms"], document["frames"]
        ended = [run for run in self.runs if run.ended]
        right = sum(not run.wrong for run in ended)
        times = "   ".join(f"{name} {frames[f'{name}_ms']:.1f} ms" for name in ("p50", "p99", "max"))
        refused, back, gone = map(self.count, (Verdict.REFUSED, Verdict.ROLLED_BACK, Verdict.UNLOADED))
        drawn = "drawing included" if self.drawn else "nothing drawn"
        lines = [
            ("interrupted" if self.interrupted else "done")
            + f" after {self.seconds:.1f} s, {self.mods} mods, confinement {self.confinement}",
            f"steps         {right} of {len(SCRIPT)} ended as expected",
            f"reloads       {self.count(Verdict.LIVE)} live, {refused} refused, {back} rolled back, {gone} unloaded",
            f"save to live  p50 {live['p50']:.1f} ms   p99 {live['p99']:.1f} ms   max {live['max']:.1f} ms",
            f"frame times   {times}   ({drawn}; one is due every {frames['period_ms']:.1f} ms)",
            f"frames late   {frames['late']} of {frames['count']}, {frames['skipped']} skipped",
        ]
        lines += [f"NOT AS EXPECTED  {run.step.name}: {run.wrong}" for run in ended if run.wrong]
        if self.trouble:
            lines.append(f"ENDED EARLY  {self.trouble}")
        elif not self.interrupted and len(ended) < len(SCRIPT):
            lines.append("NOT AS EXPECTED  it did not come to: " + ", ".join(s.name for s in SCRIPT[len(ended) :]))
        return lines


def how(receipt: Receipt) -> str:
    """Say in a line how a reload ended, and why."""
    name = versioned(receipt.mod, receipt.version)
    stays = f"{receipt.mod}@{receipt.live_version} goes on" if receipt.live_version else "nothing is live"
    match receipt.verdict:
        case Verdict.LIVE:
            took = receipt.save_to_live_ms
            return f"{name} is live" + (f", {took:.1f} ms after the save" if took is not None else "")
        case Verdict.REFUSED:
            return f"{name} refused: {why(receipt)}; {stays}"
        case Verdict.ROLLED_BACK:
            age = receipt.state_age_ms
            state = f" with its state, {age / 1e3:.1f} s old" if age is not None else ""
            return f"{name} {verdict(receipt)}: {why(receipt)}; {stays}{state}"
        case Verdict.UNLOADED:
            return f"{receipt.mod} unloaded: its files are gone"
        case _:
            return f"{name} {receipt.verdict}: {why(receipt)}"


def why(receipt: Receipt) -> str:
    """Say in a few words what the diagnostic says; the rest is in its panel."""
    found = receipt.diagnostic
    if found is None:
        return "no reason given"
    place = f" ({found.place})" if found.place else ""
    first = found.message.splitlines()[0].partition(" (limit:")[0] if found.message else ""
    said = f"{found.kind}: {first}" if first and found.kind.endswith(("Error", "Exception")) else first or found.kind
    return said + place
