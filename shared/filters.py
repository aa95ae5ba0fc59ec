"""What `@on("step", tile=(3, 4))` means: the handler runs only for events whose `tile` is (3, 4). Pure; both sides.

Compared is what msgpack carries: a tuple and a list are the same, 3 and 3.0 too, True and 1 are not.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final

NOTHING: Final = object()
"""The frozen form of a value that no filter can name."""
DEEPEST: Final = 3
"""Lists within lists of a filter's value. A hostile mod's filters are decoded by the game."""
LONGEST: Final = 32
"""Values in one list of those; a longer one is NOTHING unread. More: an event with a long list costs more, once a mod
filters on that."""


def frozen(value: Any, depth: int = 0) -> Any:
    """A hashable form, equal for equal values; NOTHING for what is neither plain nor a short way to a list of it."""
    kind = type(value)
    if kind is bool:
        return (bool, value)
    if value is None or kind in (float, bytes):
        return value
    if kind is int:
        return value if -(2**63) <= value < 2**64 else NOTHING
    if kind is str:
        return NOTHING if _has_lone_surrogate(value) else value
    if isinstance(value, Enum):
        return frozen(value.value, depth)
    if isinstance(value, list | tuple) and depth < DEEPEST and len(value) <= LONGEST:
        parts = tuple(frozen(part, depth + 1) for part in value)
        return NOTHING if NOTHING in parts else (list, parts)
    return NOTHING


def _has_lone_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


class Given:
    """The arguments of one event, each frozen once at most."""

    def __init__(self, names: Sequence[str], args: Sequence[Any]) -> None:
        """`names`: of the event's parameters, in order."""
        self._args = dict(zip(names, args, strict=False))
        self._frozen: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        """Frozen; NOTHING for a name that no parameter has."""
        value = self._frozen.get(name, self)
        if value is self:
            value = self._frozen[name] = frozen(self._args[name]) if name in self._args else NOTHING
        return value


def matches(where: Mapping[str, Any], given: Given) -> bool:
    """Whether an event with these arguments is what `where` asks for. `where`: frozen values by name."""
    return all(given[name] == value for name, value in where.items())
