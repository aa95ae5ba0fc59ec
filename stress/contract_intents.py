"""What it costs the game that a mod wants 10,000 things in one frame: those that are declared, and those that are not.

`apply()` reads and checks each, and calls the declared function; the peer is the function itself, called as often with
the same values. What is refused is sent past the check in the worker, as a hostile mod would send it.
"""

import time
from pathlib import Path
from typing import Final

import report
from fumehood.runner import Api, FumehoodError, Limits, Mods, launch
from report import Report, Spread

WISHES: Final = 10_000
LIMITS: Final = Limits(ring_bytes=2**20)
"""Room for as many in one ring: the game reads none while it waits for the handler's answer."""
ROUNDS: Final = 3
"""At least so many of each."""

WANTING: Final = """\
from fumehood.worker import game, on

@on("want")
def want(count):
    for number in range(count):
        game.rain(strength=0.5)

@on("lie")
def lie(count):
    speak = game._speak
    for number in range(count):
        speak("rain", {"strength": "wet"})
"""


class Rain:
    """The game's own function, which counts."""

    def __init__(self) -> None:
        self.fallen = 0.0

    def rain(self, strength: float) -> None:
        """An intent."""
        self.fallen += strength


def add(made: Report, folder: Path, seconds: float, _: int) -> None:
    """Measure for about `seconds`, and tell it."""
    (folder / "wanting.py").write_text(WANTING)
    rain, api = Rain(), Api("bench")

    @api.event
    def want(count: int) -> None: ...

    @api.event
    def lie(count: int) -> None: ...

    api.intent(rain.rain)
    times: dict[str, list[float]] = {"apply, as declared": [], "apply, refused": [], "the function alone": []}
    with launch(folder, api=api, limits=LIMITS, log_level="error") as mods:
        _applied(mods, "want")
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times["apply, refused"]) < ROUNDS:
            times["apply, as declared"].append(_applied(mods, "want"))
            times["apply, refused"].append(_applied(mods, "lie"))
            began = time.perf_counter_ns()
            for _number in range(WISHES):
                rain.rain(strength=0.5)
            times["the function alone"].append((time.perf_counter_ns() - began) / WISHES)
    spreads = {name: Spread.of(of, 1e-3) for name, of in times.items()}
    rows: list[report.Row] = [(name, s.p50, s.least, s.most, s.count) for name, s in spreads.items()]
    made.table(f"intents: {WISHES} of one mod", ("", "p50 µs, each", "min", "max", "times"), rows)
    made.data["intents_us"] = {name: spread.document() for name, spread in spreads.items()}
    made.notes.append(
        "apply() reads intents from the ring, decodes and checks them, a few milliseconds of them a time."
    )


def _applied(mods: Mods, event: str) -> float:
    """Nanoseconds of apply() for each intent of one call."""
    mods["wanting"].call(event, WISHES, timeout=10.0)
    took = count = 0
    while True:
        began = time.perf_counter_ns()
        report_of = mods.apply()
        took += time.perf_counter_ns() - began
        if not report_of.count + report_of.refusals:
            break
        count += report_of.count if event == "want" else report_of.refusals
    if count != WISHES:
        raise FumehoodError(f"{WISHES} intents were said and {count} came: {mods.statistics()}")
    return took / WISHES
