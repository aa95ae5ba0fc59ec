"""`say …` and `sing`: change the song while guests are here."""

from fumehood.worker import game, on, state

SONG = "of a farmer and his cow"


@on("command", verb="say")
def say(who: str, verb: str, rest: str) -> None:
    game.say(f"{who} says: {rest}")


@on("command", verb="sing")
def sing(who: str, verb: str, rest: str) -> None:
    state["songs"] = state.get("songs", 0) + 1
    game.say(f"song {state['songs']}: {SONG}")
