"""Who is to hear of an event: worked out when some mod's handlers change, looked up in every frame. Game."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .filters import Matcher

if TYPE_CHECKING:
    from .api import Api
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
