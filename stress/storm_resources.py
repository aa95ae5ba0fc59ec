"""What a process holds: descriptors by kind, mappings by kind, its own memory, its descendants."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

MAPPINGS_SLACK: Final = 64
"""Mappings that are no memfd's and may come and go: the allocator's. Less: a long journal fails; more: hides a leak."""
MEMORY_SLACK: Final = 24 << 20
"""Bytes that the supervisor's or the game's own memory may grow in one storm: receipts, snapshots, measured times."""


@dataclass(frozen=True)
class Holdings:
    """What one process holds at one moment."""

    descriptors: Counter[str]
    mappings: Counter[str]
    memory: int
    """Own memory (USS), bytes."""
    descendants: int


def of(pid: int) -> Holdings:
    """Look at a process."""
    process = psutil.Process(pid)
    below = len(process.children(recursive=True))
    return Holdings(descriptors(pid), mappings(pid), process.memory_full_info().uss, below)


def descriptors(pid: int) -> Counter[str]:
    """Open descriptors by kind."""
    found: Counter[str] = Counter()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found[_kind(str(entry.readlink()))] += 1
        except FileNotFoundError:
            continue  # the one the folder was read with, when it is our own
    return found


def mappings(pid: int) -> Counter[str]:
    """Mappings by kind: each memfd by its name, everything else together."""
    found: Counter[str] = Counter()
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        _, _, name = line.partition("/memfd:")
        found[_kind(f"/memfd:{name}") if name else "other"] += 1
    return found


def _kind(target: str) -> str:
    """The kind of what a descriptor refers to: numbers that differ from one to the next left out."""
    if target.startswith("/memfd:"):
        name = target.removeprefix("/memfd:").removesuffix(" (deleted)")
        return "memfd " + re.sub(r"\d+-(down|up)", "ring", name)
    if target.startswith(("socket:", "pipe:")):
        return target.partition(":")[0]
    return re.sub(r"/proc/\d+", "/proc/PID", target)


PER_WORKER: Final = ("anon_inode:[pidfd]", "socket", "pipe", "memfd fumehood:state")
"""What the supervisor holds of each worker that has a mod: one of each."""


def differences(
    who: str, before: Holdings, after: Holdings, *, workers: int = 0, ring_mappings: int = 0
) -> Iterable[tuple[str, str, str]]:
    """What is not as it was: (what, expected, found).

    `workers`: how many more workers have a mod now than before; `ring_mappings`: how many more the process may have
    mapped meanwhile, at most, since a slot is mapped when it is first used.
    """
    expected = before.descriptors.copy()
    for kind in PER_WORKER if workers else ():
        expected[kind] += workers
    for kind in sorted(expected.keys() | after.descriptors.keys()):
        if expected[kind] != after.descriptors[kind]:
            yield f"{who}: descriptors, {kind}", str(expected[kind]), str(after.descriptors[kind])
    for kind in sorted(before.mappings.keys() | after.mappings.keys()):
        slack = MAPPINGS_SLACK if kind == "other" else ring_mappings if kind.endswith("ring") else 0
        was, now = before.mappings[kind], after.mappings[kind]
        if not was - (slack if kind == "other" else 0) <= now <= was + slack:
            yield f"{who}: mappings, {kind}", f"{was}" + (f" to {was + slack}" if slack else ""), str(now)
    if after.descendants != before.descendants + workers:
        yield f"{who}: processes below it", str(before.descendants + workers), str(after.descendants)
    if after.memory > before.memory + MEMORY_SLACK:
        yield f"{who}: own memory, MiB", f"at most {before.memory + MEMORY_SLACK >> 20}", str(after.memory >> 20)
