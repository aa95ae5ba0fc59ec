"""Who may come in, and who is told that somebody did."""

from fumehood.worker import game, on, refuse, state


@on("can_enter", priority=10)
def can_enter(who: str) -> None:
    if not who.isalnum() or len(who) > 20:
        refuse("letters and digits, twenty at most")
    if who.lower() in ("goblin", "taxman"):
        refuse(f"no {who}s in here")


@on("entered")
def entered(who: str) -> None:
    state["seen"] = state.get("seen", 0) + 1
    others = [name for name in game.here() if name != who]
    game.say(f"{who} comes in; here: {', '.join(others) or 'nobody else'}")


@on("command", verb="look")
def look(who: str, verb: str, rest: str) -> None:
    game.tell(who, f"you see {', '.join(game.here())}; {state.get('seen', 0)} have come so far")
