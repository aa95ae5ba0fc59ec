"""Which mods an event concerns, by what they filter on: looked up by value, so that no mod is asked or woken in vain.

A thousand mods that each wait for a tile of their own cost one look-up a step, not a thousand comparisons. Pure.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from ..shared.filters import DEEPEST, LONGEST, NOTHING, Given, frozen, matches

T = TypeVar("T")
MOST_FILTERS = 256
"""Filters of one mod, over all its events. They have to fit into its card anyway."""

Filters = dict[str, list[dict[str, Any]]]
"""Of an event whose handlers all filter: what each of them asks for, by parameter. They are the mod's words."""


class Matcher(Generic[T]):
    """One event's mods, of which some filter."""

    def __init__(self, names: Sequence[str], defaults: Mapping[str, Any]) -> None:
        """`names`: of the event's parameters; `defaults`: of those that have one."""
        self._names = list(names)
        self._defaults = defaults
        self._always: list[tuple[int, T]] = []
        self._by_value: dict[str, dict[Any, list[tuple[int, T, dict[str, Any]]]]] = {}

    def add(self, rank: int, mod: T, filters: Sequence[Mapping[str, Any]] | None) -> None:
        """`rank`: its place in the load order. `filters`: None, it wants every such event. Names that no parameter has
        match nothing."""
        if filters is None:
            self._always.append((rank, mod))
            return
        for where in filters:
            if not where or not set(where) <= set(self._names):
                continue
            rest = {name: frozen(value) for name, value in where.items()}
            first = min(rest, key=self._names.index)
            self._by_value.setdefault(first, {}).setdefault(rest.pop(first), []).append((rank, mod, rest))

    def filled(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, with the defaults of those that were left out."""
        return args + tuple(self._defaults[name] for name in self._names[len(args) :])

    def match(self, args: Sequence[Any]) -> list[T]:
        """The mods that want this event, in load order."""
        found = dict(self._always)
        given = Given(self._names, args)
        for name, by_value in self._by_value.items():
            for rank, mod, rest in by_value.get(given[name], ()):
                if matches(rest, given):
                    found[rank] = mod
        return [found[rank] for rank in sorted(found)]


def checked(filters: Filters, events: Sequence[str]) -> Filters:
    """A worker's filters, if a game may be given them. Raises ValueError: they are none that an honest mod has."""
    if sum(map(len, filters.values())) > MOST_FILTERS:
        raise ValueError(f"it has more than {MOST_FILTERS} filters")
    for event, wheres in filters.items():
        if event not in events or not wheres:
            raise ValueError(f"it filters {event!r:.200}, which it does not handle")
        for where in wheres:
            if not where or any(frozen(value) is NOTHING for value in where.values()):
                raise ValueError(
                    f"a filter of {event!r:.200} holds what is not plain, or lists {DEEPEST} deep or of over {LONGEST}"
                )
    return filters
