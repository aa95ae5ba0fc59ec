"""Wheat: it grows, faster in the rain, and is cut when it is ripe."""

from fumehood.worker import game, on, state

PLOTS = 6
RIPE = 4.0
GROWTH = 0.35  # stages a second


@on("tick")
def tick(dt: float) -> None:
    state["ticks"] = state.get("ticks", 0) + 1
    crops = state.setdefault("crops", [plot * 0.6 for plot in range(PLOTS)])
    for plot, stage in enumerate(crops):
        grown = stage + dt * GROWTH * (1.0 + state.get("rain", 0.0))
        if grown >= RIPE + 1:
            grown = 0.0
            game.send("harvest", item="wheat")
        if int(grown) != int(stage) or state["ticks"] % 60 == 1:
            game.send("crop", plot=plot, stage=int(grown))
        crops[plot] = grown


@on("rain")
def rain(strength: float) -> None:
    state["rain"] = strength


@on("report")
def report() -> int:
    return int(state.get("ticks", 0))
