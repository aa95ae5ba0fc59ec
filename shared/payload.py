"""Why a value cannot travel, and where it sits: `args[0]['when'] is a socket, which msgpack does not carry`.

Whatever `messages.pack` takes may travel, and nothing is examined before it is packed: the fast path pays nothing. Only
when packing raises one of `UNPACKABLE` is the value searched, depth first and in order, for the first part at fault.

msgpack has fewer types than Python, so some values arrive as others: a tuple or a set as a list, a dataclass as a dict,
an Enum member as its value, a bytearray as bytes.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from .errors import PayloadError
from .messages import pack

UNPACKABLE: Final = (TypeError, ValueError, OverflowError, RecursionError, AttributeError)
"""What `pack` raises for a value of the wrong kind. ValueError covers text that is not Unicode."""

LONGEST_PATH: Final = 200
"""Characters of a path in a message. Shorter loses the keys a reader looks for; longer fills the screen."""
MOST_PARTS: Final = 200_000
"""Parts searched before the search gives up on naming the path: about 0.1 s, and a ring cannot carry more anyway."""


class Place(NamedTuple):
    """A part of the value and the way to it, linked from the part to the whole: deep values cost nothing extra."""

    value: object
    piece: str
    parent: "Place | None"


def explain(value: object, where: str) -> str:
    """Return why `value`, called `where` in the text, cannot be packed, or "" when it can be. Any process."""
    try:
        pack(value)
    except UNPACKABLE as error:
        return _blame(value, where, error)
    return ""


def refused(value: object, where: str) -> PayloadError:
    """Return the PayloadError for a value that `pack` has just refused. Any process; for the cold path only."""
    return PayloadError(explain(value, where) or f"{where} changed while it was being packed")


def _blame(value: object, where: str, error: Exception) -> str:
    """Walk the containers depth first, lazily; `inside` holds those between the root and here."""
    inside: set[int] = set()
    open_containers: list[tuple[int, Iterator[Place]]] = [(0, iter([Place(value, where, None)]))]
    for _ in range(MOST_PARTS):
        owner, parts = open_containers[-1]
        place = next(parts, None)
        if place is None:
            open_containers.pop()
            inside.discard(owner)
            if not open_containers:
                break
            continue
        held = _parts(place)
        if held is None:
            reason = _reason(place.value)
            if reason:
                return f"{spell(place)} {reason}"
        elif id(place.value) in inside:
            return f"{spell(place)} contains itself"
        else:
            inside.add(id(place.value))
            open_containers.append((id(place.value), held))
    if isinstance(error, RecursionError):
        return f"{where} is nested too deeply for a message"
    return f"{where} cannot travel: {error}"


def _parts(place: Place) -> Iterator[Place] | None:
    """What a container holds, keys before their values; None for anything else."""
    value = place.value
    if isinstance(value, dict):
        return _items(place, value)
    if isinstance(value, list | tuple):
        return (Place(part, f"[{index}]", place) for index, part in enumerate(value))
    if isinstance(value, set | frozenset):
        return (Place(part, "{…}", place) for part in value)
    if isinstance(value, type):
        return None
    if isinstance(value, msgspec.Struct):
        names: Iterable[str] = value.__struct_fields__
    elif dataclasses.is_dataclass(value):
        names = (field.name for field in dataclasses.fields(value))
    else:
        return None
    return (Place(getattr(value, name), f".{name}", place) for name in names if hasattr(value, name))


def _items(place: Place, value: dict[object, object]) -> Iterator[Place]:
    for key, part in value.items():
        text = spell_key(key)
        yield Place(key, f".key({text})", place)
        yield Place(part, f"[{text}]", place)


def _reason(value: object) -> str:
    """Why this leaf, which holds nothing else, cannot be packed; "" when it can."""
    try:
        pack(value)
    except UnicodeEncodeError as error:
        return f"is text with a lone surrogate at index {error.start}, which is not Unicode"
    except UNPACKABLE as error:
        if isinstance(value, int) and isinstance(error, OverflowError):
            return f"is an integer of {value.bit_length()} bits, and msgpack carries 64"
        kind = type(value)
        name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        article = "an" if name[:1].lower() in "aeiou" else "a"
        why = f"which msgpack does not carry{_remedy(value)}" if isinstance(error, TypeError) else f"and {error}"
        return f"is {article} {name}, {why}"
    return ""


def _remedy(value: object) -> str:
    if callable(getattr(value, "tolist", None)):
        return "; pass value.tolist()"
    for plain in (str, int, float):
        if isinstance(value, plain):
            return f"; pass {plain.__name__}(value)"
    if isinstance(value, Iterator | range):
        return "; pass list(value)"
    return ""


def spell(place: Place) -> str:
    """Return the way to a part as it would be written in Python, at most LONGEST_PATH characters."""
    pieces = []
    at: Place | None = place
    while at is not None:
        pieces.append(at.piece)
        at = at.parent
    text = "".join(reversed(pieces))
    if len(text) > LONGEST_PATH:
        half = LONGEST_PATH // 2
        return f"{text[:half]}…{text[-half:]}"
    return text


def spell_key(key: object) -> str:
    """The key as it would be written, at most 40 characters; of types with a repr of their own only the type."""
    if type(key) not in (str, int, float, bool, bytes, type(None)) or (type(key) is int and key.bit_length() > 128):
        return f"<{type(key).__name__}>"
    text = repr(key[:41] if isinstance(key, str | bytes) else key)
    return text if len(text) <= 40 else f"{text[:39]}…"
