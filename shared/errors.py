"""Every error a person can meet, grouped by whose fault it is: the caller's, the mod's, the machine's, or ours.

::

    FumehoodError
    ├── ModFailure            the mod's: what a request can end in instead of a value
    │   ├── ModError          its handler raised
    │   ├── ModTimeout        no answer by the deadline
    │   ├── ModCrashed        its process died with the request in hand
    │   ├── ModUnavailable    nothing is live under that name
    │   └── QueueFull         it does not keep up
    ├── UsageError            the caller's
    │   ├── ConfigError  PayloadError  MessageTooLarge  WrongThread  AlreadyAttached  NotLive  StateError  SaveError
    │   ├── HelperError  ViewError  NotDeclared
    ├── MachineError          this computer's: a layer, a library or a resource is missing
    └── ProtocolError, SupervisorDied    ours, or a peer that lies
"""

from collections.abc import Callable


class FumehoodError(Exception):
    """Base of everything fumehood raises on purpose."""


class ModFailure(FumehoodError):
    """Base of what a request ends in when it does not end in a value. Never the game's fault."""

    def __init__(self, message: str, *, mod: str = "", event: str = "") -> None:
        super().__init__(message)
        self.mod = mod
        """Name of the mod, as in `mods[name]`."""
        self.event = event
        """Name of the event or call."""


class ModError(ModFailure):
    """Raised when a handler of the mod raised."""

    def __init__(
        self,
        message: str,
        *,
        mod: str = "",
        event: str = "",
        kind: str = "",
        traceback: Callable[[], str] = str,
    ) -> None:
        super().__init__(message, mod=mod, event=event)
        self.kind = kind
        """Name of the exception's type in the mod, as text."""
        self._traceback = traceback

    @property
    def traceback(self) -> str:
        """The traceback in the mod, as text, control characters escaped: when it is asked for, not within a frame."""
        return self._traceback()


class ModTimeout(ModFailure):
    """Raised when the deadline passed without an answer. Says nothing about the mod; kills nothing."""

    def __init__(self, message: str, *, mod: str = "", event: str = "", handing_over: bool = False) -> None:
        super().__init__(message, mod=mod, event=event)
        self.handing_over = handing_over
        """The new version was still taking the state over: not the mod's slowness."""


class ModCrashed(ModFailure):
    """Raised when the worker died while it handled this very request. It is not replayed."""


class ModUnavailable(ModFailure):
    """Raised when no version of the mod is live: unknown, unloaded, quarantined, or the supervisor is gone."""


class QueueFull(ModFailure):
    """Raised when the mod's ring has no room: it does not keep up with what it is sent."""


class UsageError(FumehoodError):
    """Base of errors in how fumehood was used; the message names what, where and what to do."""


class ConfigError(UsageError, ValueError):
    """Raised when a folder, a setting, a manifest or a configuration file is wrong."""


class PayloadError(UsageError, TypeError):
    """Raised when a value cannot travel; the message names its path, like ``args[0]['when']``."""


class MessageTooLarge(UsageError, ValueError):
    """Raised when a message is longer than half the ring. Large data travels as a view, not as a message."""


class QueryError(FumehoodError):
    """Raised in a mod when the game did not answer its query; the message says why.

    A game's query function may raise it too: its message is passed on to the mod, and nothing is logged.
    """


class QueryTimeout(QueryError):
    """Raised in a mod when the game did not answer within `limits.query_timeout`: it did not wait for this mod."""


class NotDeclared(UsageError, AttributeError):
    """Raised when an event, a query or an intent is named that the game's `Api` does not declare; names the nearest."""


class WrongThread(UsageError, RuntimeError):
    """Raised when another thread (or a fork) than the one that made `Mods` uses it."""


class AlreadyAttached(UsageError, RuntimeError):
    """Raised when a second game connects to a supervisor that already serves one."""


class NotLive(UsageError, RuntimeError):
    """Raised in a mod that speaks to the game before it is live (at import, in selftest, in migrate)."""


class StateError(UsageError, TypeError):
    """Raised when `state` holds something that must not be carried to the next version; names its path."""


class ViewError(UsageError, LookupError):
    """Raised when a view cannot be published, or read: there is none of that name, or no room for it."""


class HelperError(UsageError, RuntimeError):
    """Raised in a mod when it uses a helper of the game's that cannot be loaded there; names it and why."""


class SaveError(UsageError, ValueError):
    """Raised when bytes given as a save are none, were cut or changed, or are of another release's format."""


class MachineError(FumehoodError, OSError):
    """Raised when this machine lacks what the policy asks for; the message names the remedy."""


class ProtocolError(FumehoodError):
    """Raised when bytes from a peer are no message: a fault of ours, or a peer that lies."""


class SupervisorDied(FumehoodError):
    """Raised when the supervisor is gone; every mod is gone with it."""
