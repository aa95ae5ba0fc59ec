"""A pack that circles the meadow."""

import math

from fumehood.worker import game, on, state

SPEED = 0.25  # rounds a second
PACK = 3


@on("tick")
def tick(dt: float) -> None:
    state["ticks"] = state.get("ticks", 0) + 1
    state["angle"] = state.get("angle", 0.0) + dt * SPEED * math.tau
    if state["ticks"] % 6:  # ten moves a second are enough
        return
    for wolf in range(PACK):
        angle = state["angle"] - wolf * 0.35
        game.send("move", kind="wolf", id=wolf, x=44 + 9.5 * math.cos(angle), y=9.5 + 4.2 * math.sin(angle))


@on("report")
def report() -> int:
    return int(state.get("ticks", 0))
