"""What a worker costs: from the fork to confined code, step by step, and what it uses while it has nothing to do."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
from fumehood.runner import MachineError
from fumehood.runner.nursery import Nursery
from fumehood.shared.policy import Confinement, Limits

AT_ONCE: Final = 50
"""Workers asked for at once, for workers a second."""


@dataclass
class Births:
    """What making workers took."""

    microseconds: list[float] = field(default_factory=list)
    """One by one: from asking for the fork to the worker's own word that it is confined, as the supervisor hears it."""
    steps: dict[str, list[float]] = field(default_factory=dict)
    """Microseconds of each step of the confinement list, as the worker tells them."""
    per_second: float = float("nan")
    """Of `AT_ONCE` asked for at once."""


@dataclass
class Idle:
    """What a process used while it had nothing to do. `uss` in bytes; NaN where the kernel does not tell us."""

    uss: float
    cpu_share: float
    wakeups_per_second: float


def measure(confinement: Confinement, count: int) -> tuple[Births, Idle]:
    """Make `count` workers one after the other, then AT_ONCE at once, and look at the last one's memory."""
    return asyncio.run(_measure(confinement, count))


async def _measure(confinement: Confinement, count: int) -> tuple[Births, Idle]:
    born = Births()

    def lost(reason: str) -> None:
        raise MachineError(reason)

    nursery = Nursery(confinement=confinement, packages=(), limits=Limits(), spares=0, on_lost=lost)
    await nursery.start()
    try:
        for number in range(count + 5):
            began = time.perf_counter_ns()
            worker = await nursery.take()
            took = (time.perf_counter_ns() - began) / 1e3
            if number >= 5:  # the first ones find cold caches
                born.microseconds.append(took)
                for name, microseconds in worker.steps.items():
                    born.steps.setdefault(name, []).append(microseconds)
            worker.kill()
            await worker.exited
        began = time.perf_counter_ns()
        crowd = await asyncio.gather(*(nursery.take() for _ in range(AT_ONCE)))
        born.per_second = AT_ONCE / ((time.perf_counter_ns() - began) / 1e9)
        idle = watch_idle(crowd[0].pid)
        await asyncio.sleep(0.5)
        return born, idle()
    finally:
        await nursery.close()


def watch_idle(pid: int) -> Callable[[], Idle]:
    """Begin to watch a process; the returned function ends that and says what it used meanwhile."""
    before, began = _used(pid), time.monotonic()

    def end() -> Idle:
        seconds = time.monotonic() - began
        cpu, switches = (after - earlier for after, earlier in zip(_used(pid), before, strict=True))
        return Idle(own_memory(pid), cpu / 1e9 / seconds, switches / seconds)

    return end


def own_memory(pid: int) -> float:
    """Bytes of memory that only this process has (USS): what would come free if it ended."""
    try:
        return float(psutil.Process(pid).memory_full_info().uss)
    except psutil.Error:
        return float("nan")


def _used(pid: int) -> tuple[int, int]:
    """Nanoseconds on a CPU, and how often it was put on one. /proc/PID/stat would only tell hundredths of a second."""
    on_cpu, _, times = Path(f"/proc/{pid}/schedstat").read_text().split()
    return int(on_cpu), int(times)
