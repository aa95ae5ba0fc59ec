"""What a view costs: publishing it beside one memcpy of the same bytes, filling it in place, reading it, its memory.

One array of 10 MB. First every mod reads all of it, and what each has of its own is compared with before; by then it
has used numpy once, on another view. Then publishing and copying take turns (A B A B …), in the same process, from the
same source, into memory that was touched before, so that a machine that drifts drifts for both.

The goals: publishing takes at most 1.5 times as long as the memcpy, and 20 µs when nothing is copied; a hundred readers
together grow by less than the array.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy
import report
from fumehood.runner import FumehoodError, Mods, launch
from report import Goal, Report, Spread

ARRAY_BYTES: Final = 10_000_000
ROUNDS: Final = 30
"""Publications a second of the time given, and as many copies; each takes some milliseconds."""
FILLS: Final = 1_000
"""Likewise of publications without a copy."""
READS: Final = 20_000

READER: Final = """\
import time
from fumehood.worker import on, view

@on("total")
def total(name):
    return float(view(name).sum())

@on("time")
def timed(reads):
    began = time.perf_counter_ns()
    for _ in range(reads):
        view("npcs")
    return (time.perf_counter_ns() - began) / reads / 1e3
"""


@dataclass
class Measured:
    """Nanoseconds, and KiB by reader."""

    copies: list[int] = field(default_factory=list)
    publications: list[int] = field(default_factory=list)
    fills: list[int] = field(default_factory=list)
    read_us: float = 0.0
    own: list[int] = field(default_factory=list)
    """By how much private memory (USS) grew by reading."""
    proportional: list[int] = field(default_factory=list)
    """Likewise the share of all memory (PSS), in which the view counts once for all."""


def add(made: Report, folder: Path, seconds: float, readers: int) -> None:
    """Measure for about `seconds` beside the mods' start, and tell it."""
    _tell(made, measure(folder, seconds, readers), readers)


def measure(folder: Path, seconds: float, readers: int) -> Measured:
    """Everything there is to measure."""
    for number in range(readers):
        (folder / f"reader{number}.py").write_text(READER)
    source = numpy.arange(ARRAY_BYTES // 8, dtype="f8")
    with launch(folder, packages=["numpy"], log_level="warning") as mods:
        mods.settle(60.0)
        measured = Measured()
        mods.publish("small", source[:100_000])
        for name in mods:
            mods[name].call("total", "small", timeout=30.0)
        mods.publish("npcs", source)
        pids = [status.pid for status in mods.status()]
        before = [memory(pid) for pid in pids]
        wanted = float(source.sum())
        for name in mods:
            if (told := mods[name].call("total", "npcs", timeout=30.0)) != wanted:
                raise FumehoodError(f"{name} read {told} where {wanted} was published")
        for (own, share), (own_after, share_after) in zip(before, map(memory, pids), strict=True):
            measured.own.append(own_after - own)
            measured.proportional.append(share_after - share)
        _publish(mods, source, measured, seconds)
        measured.read_us = mods["reader0"].call("time", READS, timeout=30.0)
    return measured


def _publish(mods: Mods, source: Any, measured: Measured, seconds: float) -> None:
    target = numpy.zeros_like(source)

    def fill() -> None:
        with mods.publishing("npcs", like=source):
            pass

    _took(lambda: mods.publish("npcs", source))
    for _ in range(max(10, int(ROUNDS * seconds))):
        measured.copies.append(_took(lambda: numpy.copyto(target, source)))
        measured.publications.append(_took(lambda: mods.publish("npcs", source)))
    for _ in range(max(100, int(FILLS * seconds))):
        measured.fills.append(_took(fill))


def _took(act: Callable[[], object]) -> int:
    began = time.perf_counter_ns()
    act()
    return time.perf_counter_ns() - began


def memory(pid: int) -> tuple[int, int]:
    """(private, proportional) memory of a process, KiB."""
    found = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        found[name] = int(rest.split()[0])
    return found["Private_Clean"] + found["Private_Dirty"], found["Pss"]


def _tell(made: Report, measured: Measured, readers: int) -> None:
    spreads = {
        "memcpy of 10 MB": Spread.of(measured.copies, 1e-3),
        "publish 10 MB": Spread.of(measured.publications, 1e-3),
        "publish 10 MB filled in place": Spread.of(measured.fills, 1e-3),
    }
    rows: list[report.Row] = [(name, s.p50, s.p99, s.most, s.count) for name, s in spreads.items()]
    made.table(f"views: the game's time, {readers} mods there", ("", "p50 µs", "p99", "max", "times"), rows)
    made.table("views: in a mod", ("", "µs"), [('view("npcs")', measured.read_us)])
    own, share = sum(measured.own), sum(measured.proportional)
    rows = [("private (USS)", own / 1024, own / readers), ("proportional (PSS)", share / 1024, share / readers)]
    made.table(f"views: growth of {readers} readers of all 10 MB", ("", "MiB, all", "KiB, each"), rows)
    copy, publication, fill = spreads.values()
    ratio = publication.p50 / copy.p50
    made.goals.append(Goal("publish 10 MB, p50", ratio, 1.5, "times a memcpy"))
    made.goals.append(Goal("publish in place, p50", fill.p50, 20.0, "µs"))
    made.goals.append(Goal("private memory of all readers", own / 1024, ARRAY_BYTES / 2**20, "MiB"))
    made.data["views"] = {
        "game_us": {name: spread.document() for name, spread in spreads.items()},
        "publish_to_memcpy": report.rounded(ratio),
        "view_us": report.rounded(measured.read_us),
        "readers": readers,
        "grown_kib": {"private": own, "proportional": share},
    }
    made.notes.append("A view's own memory, four buffers, is the game's: it counts once.")
