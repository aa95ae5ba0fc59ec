"""Has a word for everyone."""

from fumehood.worker import on, state

WORDS = ["good day, {}", "mind the wolves, {}", "fine wool today, {}"]


@on("greet")
def greet(who: str) -> str:
    state["greeted"] = state.get("greeted", 0) + 1
    words = WORDS[int(state["greeted"]) % len(WORDS)]
    return words.format(who)


@on("tick")
def tick(dt: float) -> None:
    state["ticks"] = state.get("ticks", 0) + 1


@on("report")
def report() -> int:
    return int(state.get("ticks", 0))
