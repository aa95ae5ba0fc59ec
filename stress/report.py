"""What all benches share: the machine they ran on, percentiles, goals met or missed, tables, and where the JSON goes.

A figure without its machine and its peers says nothing, and one that was taken while something else used the cores says
the wrong thing: so each report opens with the machine and how busy it was before and after.
"""

import argparse
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, TextIO

from rich.console import Console
from rich.table import Table

BUSY: Final = 0.10
"""Share of the machine's time that somebody else uses, from which a run counts as taken under load."""

STALL: Final = 0.0003
"""Seconds that count as an interruption: a timer tick takes a tenth of that."""
STALLS_SECONDS: Final = 1.0

Row = Sequence[object]


def quantile(ordered: Sequence[float], q: float) -> float:
    """The value at quantile `q` (0..1) of values in ascending order: the nearest rank, so one that was measured."""
    if not ordered:
        return float("nan")
    rank = math.ceil(round(q * len(ordered), 6))  # rounded: 0.99 * 100 is a little more than 99
    return ordered[min(max(rank, 1), len(ordered)) - 1]


@dataclass(frozen=True, slots=True)
class Spread:
    """How measured values are spread. All in the unit they were given in."""

    count: int
    p50: float
    p99: float
    p999: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float], scale: float = 1.0) -> "Spread":
        """Sort the values and take their percentiles, each multiplied by `scale`."""
        ordered = sorted(values)
        if not ordered:
            nothing = float("nan")
            return cls(0, nothing, nothing, nothing, nothing, nothing)
        p50, p99, p999 = (quantile(ordered, q) * scale for q in (0.5, 0.99, 0.999))
        return cls(len(ordered), p50, p99, p999, ordered[0] * scale, ordered[-1] * scale)

    def document(self) -> dict[str, Any]:
        """As plain data. A percentile that its count does not carry (p99.9 of 50 values) is the largest value."""
        named = {"p50": self.p50, "p99": self.p99, "p99.9": self.p999, "min": self.least, "max": self.most}
        return {"count": self.count, **{name: rounded(value) for name, value in named.items()}}


def rounded(value: float) -> float | None:
    """Four significant digits; None for what is no number, since JSON has no NaN."""
    return None if math.isnan(value) else float(f"{value:.4g}")


def shown(value: object) -> str:
    """A cell of a table."""
    if isinstance(value, float):
        if math.isnan(value):
            return "-"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that was promised. `at_least`: larger is better."""

    name: str
    value: float
    limit: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def margin(self) -> float:
        """How many times better than promised; below 1: missed."""
        better, worse = (self.value, self.limit) if self.at_least else (self.limit, self.value)
        if worse == 0:
            return 1.0 if better == 0 else float("inf")
        return better / worse

    def document(self) -> dict[str, Any]:
        """As plain data."""
        margin = None if self.margin == float("inf") else rounded(self.margin)
        bound = "at least" if self.at_least else "at most"
        figures = {"value": rounded(self.value), bound: self.limit, "unit": self.unit}
        return {"name": self.name, **figures, "met": self.met, "margin": margin}


@dataclass
class Report:
    """One run of a bench: what it measured, against which goals, with which remarks."""

    title: str
    machine: dict[str, Any]
    tables: list[tuple[str, Sequence[str], Sequence[Row]]] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    """The figures under their names, for the JSON document."""

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Add a table; columns after the first are right-aligned."""
        self.tables.append((title, columns, rows))

    def document(self) -> dict[str, Any]:
        """Return the whole report as plain data."""
        return {
            "title": self.title,
            "machine": self.machine,
            "goals": [goal.document() for goal in self.goals],
            **self.data,
            "notes": self.notes,
        }

    def show(self, to: TextIO) -> None:
        """Print it for a person."""
        console = Console(file=to, highlight=False, width=None if to.isatty() else 132)
        machine = self.machine
        console.print(f"[bold]{self.title}[/]", markup=True)
        busy = ", ".join(f"{share:.0%} {when}" for when, share in machine["busy"].items())
        console.print(
            f"{machine['cpu']}, {machine['cpus']} CPUs{', virtual' if machine['virtual'] else ''}; "
            f"Linux {machine['kernel']}; {machine['python']}; fumehood {machine['fumehood']}\n"
            f"busy with other things: {busy}"
            + ("  (taken under load)" if machine["under_load"] else "")
            + f"; it takes a CPU away {machine['stalls']['a_second']:g} times a second,"
            f" for {machine['stalls']['longest_ms']:g} ms at most",
            markup=False,
        )
        for title, columns, rows in self.tables:
            table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
            for number, column in enumerate(columns):
                table.add_column(column, justify="right" if number else "left", no_wrap=True)
            for row in rows:
                table.add_row(*map(shown, row))
            console.print()
            console.print(table, markup=False)
        if self.goals:
            console.print("\n[bold]Goals[/]")
        for goal in self.goals:
            verdict = "[green]met   [/]" if goal.met else "[red]missed[/]"
            bound = "at least" if goal.at_least else "at most"
            margin = "" if goal.limit == 0 else f" ({goal.margin:.2f} times as good as promised)"
            text = f"{goal.name}: {shown(goal.value)} {goal.unit}, {bound} {shown(goal.limit)}{margin}"
            console.print(f"{verdict} {text}")
        for note in self.notes:
            console.print(f"· {note}", markup=False)


def machine(busy_before: float, busy_after: float) -> dict[str, Any]:
    """Describe this computer, how busy it was with other things (shares of all its CPUs' time), and how often those
    interrupt. Spins for STALLS_SECONDS on each of two CPUs to find out."""
    info = Path("/proc/cpuinfo").read_text()
    name = next((line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")), "")
    try:
        fumehood = version("fumehood")
    except PackageNotFoundError:
        fumehood = "not installed"
    return {
        "cpu": name or platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "virtual": " hypervisor " in info,
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "kernel": platform.release(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "fumehood": fumehood,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "busy": {"before": round(busy_before, 3), "after": round(busy_after, 3)},
        "under_load": max(busy_before, busy_after) > BUSY,
        "stalls": stalls(),
    }


def stalls() -> dict[str, Any]:
    """How often, and for how long at most, something else took a CPU from a process that never sleeps: nobody's figure
    can be better than that. Milliseconds."""
    allowed = os.sched_getaffinity(0)
    found: list[float] = []
    watched = sorted(allowed)[:2]
    try:
        for cpu in watched:
            os.sched_setaffinity(0, {cpu})
            end, last = time.perf_counter() + STALLS_SECONDS, time.perf_counter()
            while last < end:
                now = time.perf_counter()
                if now - last >= STALL:
                    found.append((now - last) * 1e3)
                last = now
    finally:
        os.sched_setaffinity(0, allowed)
    seconds = STALLS_SECONDS * len(watched)
    return {"a_second": rounded(len(found) / seconds), "longest_ms": rounded(max(found, default=0.0))}


def busy(seconds: float = 0.5) -> float:
    """Share of all CPUs' time that is used while we sleep `seconds`: by others, since we do nothing then."""
    idle, total = _ticks()
    time.sleep(seconds)
    idle_after, total_after = _ticks()
    return 1.0 - (idle_after - idle) / max(1, total_after - total)


def _ticks() -> tuple[int, int]:
    numbers = [int(text) for text in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return numbers[3] + numbers[4], sum(numbers)


def parser(description: str) -> argparse.ArgumentParser:
    """A parser with what every bench takes. `description`: a module's docstring."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument(
        "--json",
        metavar="FILE",
        nargs="?",
        const="-",
        help="write the figures as one JSON document to FILE; alone: print it on stdout, and nothing else there",
    )
    return made


def emit(document: dict[str, Any], where: str | None, show: Callable[[TextIO], None]) -> None:
    """Print for a person and write the document, as `--json` says."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if where == "-":
        sys.stdout.write(text)
        return
    show(sys.stdout)
    if where is not None:
        Path(where).write_text(text)
