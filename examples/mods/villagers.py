"""Three people with somewhere to go."""

from fumehood.worker import game, on, state

PACE = 5.0  # steps a second
ROUNDS = {  # each walks from place to place, for ever
    "ann": [(8.0, 4.0), (8.0, 8.0), (24.0, 8.0), (24.0, 12.0), (24.0, 8.0), (8.0, 8.0)],
    "bob": [(27.0, 4.0), (27.0, 8.0), (6.0, 8.0), (6.0, 12.0), (6.0, 8.0), (27.0, 8.0)],
    "eve": [(17.0, 4.0), (17.0, 8.0), (32.0, 8.0), (17.0, 8.0)],
}


class Walker:
    """Where one of them is, and which place comes next."""

    def __init__(self, places: list[tuple[float, float]]) -> None:
        self.x, self.y = places[0]
        self.goal = 1

    def walk(self, places: list[tuple[float, float]], way: float) -> bool:
        """Go on by `way` steps; True on arrival."""
        x, y = places[self.goal % len(places)]
        left = abs(x - self.x) + abs(y - self.y)
        if left <= way:
            self.x, self.y, self.goal = x, y, self.goal + 1
            return True
        self.x += max(-way, min(way, x - self.x))
        self.y += max(-way, min(way, y - self.y))
        return False


@on("tick")
def tick(dt: float) -> None:
    state["ticks"] = state.get("ticks", 0) + 1
    walkers = state.setdefault("walkers", {name: Walker(places) for name, places in ROUNDS.items()})
    for name, walker in walkers.items():
        if walker.walk(ROUNDS[name], PACE * dt):
            game.send("arrived", who=name)
        if state["ticks"] % 6 == 0:
            game.send("move", kind="villager", id=name, x=walker.x, y=walker.y)


@on("report")
def report() -> int:
    return int(state.get("ticks", 0))
