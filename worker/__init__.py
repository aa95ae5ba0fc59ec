"""What a mod's author imports. It imports on any system and does nothing by itself, so that editors complete names::

    from fumehood.worker import game, log, on, state, view

    @on("tick")
    def tick(dt: float) -> None:
        state["t"] = state.get("t", 0.0) + dt
        if state["t"] > 30 and view("humidity").mean() > 0.5:    # an array that the game publishes
            game.rain(strength=0.7)

`helpers` holds what the game ships into mods by value. Beside these names a mod may define `STATE_VERSION`,
`migrate(old, from_version)`, `selftest()`, `on_load()`, `on_unload()`, and plain functions named `on_EVENT`, which need
no decorator.

No module of this package may be called like one of the names below: importing it would replace the name.
"""

from ..shared.errors import (
    HelperError,
    MessageTooLarge,
    NotDeclared,
    NotLive,
    PayloadError,
    QueryError,
    QueryTimeout,
    QueueFull,
    ViewError,
)
from .api import game, log, state
from .handlers import on
from .provided import helpers
from .refusal import refuse
from .views import view

__all__ = [
    "HelperError",
    "MessageTooLarge",
    "NotDeclared",
    "NotLive",
    "PayloadError",
    "QueryError",
    "QueryTimeout",
    "QueueFull",
    "ViewError",
    "game",
    "helpers",
    "log",
    "on",
    "refuse",
    "state",
    "view",
]
