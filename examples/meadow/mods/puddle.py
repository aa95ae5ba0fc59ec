"""Whoever steps into the puddle splashes. The filter is looked at by the game: other steps do not wake this mod."""

from fumehood.worker import game, on, state


@on("step", tile=(3, 4))
def splash(who: str, tile: list[int]) -> None:
    state["splashes"] = state.get("splashes", 0) + 1
    game.rain(strength=0.1)
