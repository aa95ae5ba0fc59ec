"""The game's API: start or find a supervisor, talk to mods, never wait past a deadline. Starts no thread.

::

    from fumehood.runner import launch

    with launch("mods/") as mods:
        report = mods.emit("tick", dt, budget=0.004)
        for intent in mods.intents(): ...
        price = mods["economy"].call("price", "iron", timeout=0.002)
"""

from typing import TYPE_CHECKING, Any

from ..shared.errors import (
    AlreadyAttached,
    ConfigError,
    FumehoodError,
    MachineError,
    MessageTooLarge,
    ModCrashed,
    ModError,
    ModFailure,
    ModTimeout,
    ModUnavailable,
    NotDeclared,
    PayloadError,
    QueryError,
    QueueFull,
    SaveError,
    SupervisorDied,
    UsageError,
    ViewError,
    WrongThread,
)
from ..shared.messages import Diagnostic
from ..shared.policy import Confinement, Limits
from .api import Api
from .launch import connect, launch
from .records import (
    Applied,
    FrameReport,
    Intent,
    LoadReport,
    ModStatus,
    Outcome,
    Receipt,
    Refusal,
    RefusedIntent,
)
from .savefile import SavedState, SaveInfo, describe_save

if TYPE_CHECKING:
    from .game import Mods
    from .mod import Mod

__all__ = [
    "AlreadyAttached",
    "Api",
    "Applied",
    "ConfigError",
    "Confinement",
    "Diagnostic",
    "FrameReport",
    "FumehoodError",
    "Intent",
    "Limits",
    "LoadReport",
    "MachineError",
    "MessageTooLarge",
    "Mod",
    "ModCrashed",
    "ModError",
    "ModFailure",
    "ModStatus",
    "ModTimeout",
    "ModUnavailable",
    "Mods",
    "NotDeclared",
    "Outcome",
    "PayloadError",
    "QueryError",
    "QueueFull",
    "Receipt",
    "Refusal",
    "RefusedIntent",
    "SaveError",
    "SaveInfo",
    "SavedState",
    "SupervisorDied",
    "UsageError",
    "ViewError",
    "WrongThread",
    "connect",
    "describe_save",
    "launch",
]


def __getattr__(name: str) -> Any:
    """`Mod` and `Mods` need Linux and the ring: imported when asked for, so that this module imports anywhere."""
    if name == "Mods":
        from .game import Mods

        return Mods
    if name == "Mod":
        from .mod import Mod

        return Mod
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
