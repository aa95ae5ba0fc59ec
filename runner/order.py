"""The load order of mods: who is required before who requires, then the lower `order`, then the name. Pure."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple


class Needs(NamedTuple):
    """What one mod's manifest says about its place."""

    order: int = 0
    requires: Sequence[str] = ()


def load_order(mods: Mapping[str, Needs]) -> list[str]:
    """Return every name in `mods`, once. Requirements that are not in `mods` count for nothing.

    Kahn's algorithm with a heap. Names that require each other in a circle come last; they are refused anyway.
    """
    waits_for = {name: {other for other in needs.requires if other in mods} for name, needs in mods.items()}
    wanted_by: dict[str, list[str]] = {}
    for name, others in waits_for.items():
        for other in others:
            wanted_by.setdefault(other, []).append(name)
    ready = [(mods[name].order, name) for name, others in waits_for.items() if not others]
    heapq.heapify(ready)
    ordered: list[str] = []
    while ready:
        _, name = heapq.heappop(ready)
        ordered.append(name)
        for dependant in wanted_by.get(name, ()):
            waits_for[dependant].discard(name)
            if not waits_for[dependant]:
                heapq.heappush(ready, (mods[dependant].order, dependant))
    placed = set(ordered)
    return ordered + sorted(name for name in mods if name not in placed)


def required_by(name: str, mods: Mapping[str, Needs]) -> Iterator[str]:
    """Yield what `name` requires, directly or through others, each once; never `name` itself."""
    seen = {name}
    todo = list(mods[name].requires) if name in mods else []
    while todo:
        other = todo.pop()
        if other in seen or other not in mods:
            continue
        seen.add(other)
        todo.extend(mods[other].requires)
        yield other
