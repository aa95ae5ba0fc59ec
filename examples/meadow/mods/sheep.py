"""Sheep go where there is grass, four steps a second."""

import random

from fumehood.worker import game, on, state, view

WAYS = [(0, 1), (1, 0), (0, -1), (-1, 0)]


@on("tick")
def tick(dt: float) -> None:
    state["t"] = state.get("t", 0.0) + dt
    if state["t"] < 0.25:
        return
    state["t"] = 0.0
    npcs = view("npcs")  # every animal, read where the game has it
    for animal in (npcs["kind"] == 0).nonzero()[0].tolist():
        x, y = int(npcs["x"][animal]), int(npcs["y"][animal])
        dx, dy = random.choice(WAYS)
        if game.tile(x + dx, y + dy) in ("grass", "barn"):  # a query: the game answers at once
            game.move(animal, dx, dy)  # an intent: the game does it, or not
            state["steps"] = state.get("steps", 0) + 1
