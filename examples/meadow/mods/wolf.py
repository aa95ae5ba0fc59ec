"""Wolves go for the nearest sheep, three steps a second."""

from fumehood.worker import game, on, state, view


@on("tick")
def tick(dt: float) -> None:
    state["t"] = state.get("t", 0.0) + dt
    if state["t"] < 0.35:
        return
    state["t"] = 0.0
    npcs = view("npcs")
    sheep = npcs[npcs["kind"] == 0]
    for animal in (npcs["kind"] == 1).nonzero()[0].tolist():
        across, down = sheep["x"] - npcs["x"][animal], sheep["y"] - npcs["y"][animal]
        nearest = (abs(across) + abs(down)).argmin()
        dx, dy = int(across[nearest]), int(down[nearest])
        if abs(dx) >= abs(dy):
            game.move(animal, (dx > 0) - (dx < 0), 0)
        else:
            game.move(animal, 0, (dy > 0) - (dy < 0))
