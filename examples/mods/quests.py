"""Something to do: so many deliveries, then the next quest."""

from fumehood.worker import game, on, state

QUESTS = [("bring wheat to the mill", 4), ("sell wool at the market", 5), ("keep the wolves away", 6)]


@on("arrived")
def arrived(who: str) -> None:
    number = state.get("quest", 0)
    text, wanted = QUESTS[number % len(QUESTS)]
    done = state.get("done", 0) + 1
    if done >= wanted:
        state["quest"], done = number + 1, 0
        game.send("say", who="quests", text=f"done: {text}, thanks to {who}")
        text, wanted = QUESTS[state["quest"] % len(QUESTS)]
    state["done"] = done
    game.send("quest", text=text, done=done, wanted=wanted)


def on_tick(dt: float) -> None:  # a plain function named on_EVENT needs no decorator
    state["ticks"] = state.get("ticks", 0) + 1


def on_report() -> int:
    return int(state.get("ticks", 0))
