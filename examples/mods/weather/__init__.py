"""Sun, clouds and rain. A folder mod: its own module `sky`, and a data file read beside ``__file__``."""

import json
from pathlib import Path

from fumehood.worker import game, on, state

from .sky import Sky

CLIMATE = json.loads((Path(__file__).parent / "climate.json").read_text())


@on("tick")
def tick(dt: float) -> None:
    sky = state.setdefault("sky", Sky())
    state["ticks"] = state.get("ticks", 0) + 1
    if sky.pass_time(dt, CLIMATE):
        game.send("sky", kind=sky.kind, strength=sky.strength)


@on("report")
def report() -> int:
    return int(state.get("ticks", 0))


def selftest() -> None:
    """Runs in every new version before it may go live."""
    sky = Sky()
    assert sky.pass_time(1000.0, CLIMATE), "the weather never changes"
    assert sky.kind in CLIMATE
