"""Who is to hear of an event: worked out when some mod's handlers change, looked up in every frame. Game."""

from collections.abc import MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from ..shared.errors import ModFailure, ModUnavailable
from .filters import Matcher

if TYPE_CHECKING:
    from .api import Api, Entry
    from .mod import Mod


class Audience:
    """The handlers of all mods by event, as they were when it was made."""

    def __init__(self, mods: "Sequence[Mod]" = (), api: "Api | None" = None) -> None:
        """`mods`: in load order, which is kept."""
        self._handlers: dict[str, list[Mod]] = {}
        for mod in mods:
            for event in mod._events:
                self._handlers.setdefault(event, []).append(mod)
        filtered = {event for mod in mods for event in mod._card.filters}
        self._matchers = {event: self._matcher(event, api) for event in filtered}

    def _matcher(self, event: str, api: "Api | None") -> "Matcher[Mod]":
        entry = api.events.get(event) if api is not None else None
        matcher: Matcher[Mod] = Matcher(entry.parameters if entry else (), entry.defaults if entry else {})
        for rank, mod in enumerate(self._handlers.get(event, ())):
            matcher.add(rank, mod, mod._card.filters.get(event))
        return matcher

    def handling(self, event: str) -> "list[Mod]":
        """The mods that handle an event at all, in load order."""
        return self._handlers.get(event) or []

    def of(self, event: str, args: tuple[Any, ...]) -> "tuple[list[Mod], tuple[Any, ...]]":
        """The mods that want this event, in load order, and the arguments: filled up with defaults where somebody
        compares them."""
        matcher = self._matchers.get(event)
        if matcher is None:
            return self._handlers.get(event) or [], args
        args = matcher.filled(args)
        return matcher.match(args), args


def with_absent(
    order: "Sequence[Mod]",
    asked: "Sequence[Mod]",
    entry: "Entry",
    args: tuple[Any, ...],
    failed: MutableMapping[str, ModFailure],
) -> "list[Mod]":
    """Those asked, and those that would be, had they a worker: they wanted such an event when they were live last, and
    their files are there. In load order; `failed` is told why these give no answer."""
    absent: Matcher[Mod] = Matcher(entry.parameters, entry.defaults)
    for rank, mod in enumerate(order):
        if mod._port is None and entry.name in mod._last_card.events and not mod._is_gone():
            absent.add(rank, mod, mod._last_card.filters.get(entry.name))
    found = {*asked, *absent.match(absent.filled(args))}
    for mod in found.difference(asked):
        failed[mod.name] = ModUnavailable(mod._says(entry.name, mod._why_down()), mod=mod.name, event=entry.name)
    return [mod for mod in order if mod in found]
