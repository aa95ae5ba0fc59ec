"""`brawl` never ends. The guests go on; after half a second the supervisor shows where it hangs, and starts it anew."""

from fumehood.worker import game, on


@on("command", verb="brawl")
def brawl(who: str, verb: str, rest: str) -> None:
    game.say(f"{who} starts a brawl")
    while True:
        pass
