"""A shower every two seconds."""

from fumehood.worker import game, on, state


@on("tick")
def tick(dt: float) -> None:
    state["t"] = state.get("t", 0.0) + dt
    if state["t"] >= 2.0:
        state["t"] = 0.0
        game.rain(strength=0.7)
