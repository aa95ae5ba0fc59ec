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
    if isinstance(value, list | tuple) and depth < DEEPEST:
        parts = tuple(frozen(part, depth + 1) for part in value)
        return NOTHING if NOTHING in parts else (list, parts)
    return NOTHING


def _has_lone_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def matches(where: Mapping[str, Any], names: Sequence[str], args: Sequence[Any]) -> bool:
    """Whether an event with these arguments, whose parameters have these names, is what `where` asks for. `where`:
    frozen values by name."""
    given = dict(zip(names, args, strict=False))
    return all(name in given and frozen(given[name]) == value for name, value in where.items())
