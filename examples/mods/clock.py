"""Keeps the village's time: one game day lasts a minute."""

from fumehood.worker import game, on, state

DAY = 60.0  # seconds of the game for one day of the village
BELL = "the bell rings"


@on("tick", priority=100)  # before the others of this mod; each mod has a process of its own
def tick(dt: float) -> None:
    state["t"] = state.get("t", DAY * 0.3) + dt
    state["ticks"] = state.get("ticks", 0) + 1
    minute = int(state["t"] / DAY * 24 * 60)
    if minute // 10 != state.get("shown"):
        state["shown"] = minute // 10
        game.send("time", hour=minute // 60 % 24, minute=minute % 60)
    if minute // 360 != state.get("rang"):
        state["rang"] = minute // 360
        game.send("say", who="clock", text=f"{BELL}: {minute // 60 % 24:02d}:00")


@on("bell")
def bell() -> str:
    return BELL


@on("report")
def report() -> int:
    return int(state.get("ticks", 0))
