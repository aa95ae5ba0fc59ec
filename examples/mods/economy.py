"""What things cost. The game asks; every sale moves the price."""

from fumehood.worker import on, state

STATE_VERSION = 1
BASE = {"wheat": 4.0, "wool": 9.0, "iron": 21.0}


@on("price")
def price(item: str) -> float:
    prices = state.setdefault("prices", dict(BASE))
    return round(float(prices[item]), 2)


@on("sold")
def sold(item: str) -> None:
    prices = state.setdefault("prices", dict(BASE))
    state["sales"] = state.get("sales", 0) + 1
    prices[item] *= 0.98  # the more is sold, the less it fetches


@on("tick")
def tick(dt: float) -> None:
    state["ticks"] = state.get("ticks", 0) + 1
    prices = state.setdefault("prices", dict(BASE))
    for item, base in BASE.items():
        prices[item] += (base - prices[item]) * 0.2 * dt  # and it recovers


@on("report")
def report() -> int:
    return int(state.get("ticks", 0))
