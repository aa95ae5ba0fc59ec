"""How long a save slot and a helper keep the game: 20 mods saved, loaded, and given a function.

Peers: the same states pickled, and unpickled, in one process; the same function pickled once. What those leave out is
the work: 20 processes that are asked, and started anew.
"""

import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import cloudpickle
import report
from fumehood.runner import FumehoodError, launch
from report import Report, Spread

MODS: Final = 20
ITEMS: Final = 500
"""In each mod's state, about 6 KB pickled."""
ROUNDS: Final = 3
"""At least so many of each."""

KEEPER: Final = f"""\
from fumehood.worker import helpers, on, state

def on_load():
    state.setdefault("items", {{f"item {{number}}": number * 1.5 for number in range({ITEMS})}})

@on("cost")
def cost(a, b):
    return helpers.cost(a, b)
"""


def cost(a: int, b: int) -> int:
    """The helper."""
    return abs(a - b) + 1


def add(made: Report, folder: Path, seconds: float, _: int) -> None:
    """Measure for about `seconds`, and tell it."""
    for number in range(MODS):
        (folder / f"keeper{number}.py").write_text(KEEPER)
    states = [{"items": {f"item {number}": number * 1.5 for number in range(ITEMS)}} for _ in range(MODS)]
    times: dict[str, list[int]] = {}

    def timed(name: str, act: Callable[[], Any]) -> Any:
        began = time.perf_counter_ns()
        value = act()
        times.setdefault(name, []).append(time.perf_counter_ns() - began)
        return value

    with launch(folder, log_level="error") as mods:
        mods.save()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times["load"]) < ROUNDS:
            data = timed("save", mods.save)
            pickled = timed("pickle the same states", lambda: [pickle.dumps(state) for state in states])
            loaded = timed("load", lambda data=data: mods.load(data, timeout=30.0))
            timed("unpickle them", lambda pickled=pickled: [pickle.loads(each) for each in pickled])
            timed("provide a function", lambda: mods.provide("cost", cost))
            timed("pickle it", lambda: cloudpickle.dumps(cost))
            if not loaded.ok or len(loaded.restored) != MODS or mods["keeper0"].call("cost", 2, 5) != 4:
                raise FumehoodError(f"a load ended otherwise than expected: {loaded}")
    spreads = {name: Spread.of(of, 1e-6) for name, of in times.items()}
    rows: list[report.Row] = [(name, s.p50, s.least, s.most, s.count) for name, s in spreads.items()]
    made.table(f"save slots and helpers: {MODS} mods", ("", "p50 ms", "min", "max", "times"), rows)
    made.data["slots_ms"] = {name: spread.document() for name, spread in spreads.items()}
