"""`order ale`, `have`: the barkeep has so much of everything, and remembers it until the next evening."""

from fumehood.worker import game, on, state

STOCK = {"ale": 40, "bread": 12, "soup": 6}


def on_load() -> None:
    state.setdefault("stock", dict(STOCK))


@on("command", verb="order")  # the game looks at the verb: other commands do not wake this mod
def order(who: str, verb: str, rest: str) -> None:
    if not state["stock"].get(rest):
        game.tell(who, f"there is no {rest} here")
        return
    state["stock"][rest] -= 1
    game.give(who, rest)
    game.say(f"one {rest} for {who}; {state['stock'][rest]} left")


@on("command", verb="have")
def have(who: str, verb: str, rest: str) -> None:
    game.tell(who, "you have: " + (", ".join(game.carried(who)) or "nothing"))
