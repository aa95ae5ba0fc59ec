"""What a mod's author says to read what the game publishes: `view("npcs")`. One object, the same in every process.

It imports on any system; outside a worker there is nothing to read, and it says so with `NotLive`.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol, Self

from ..shared.errors import NotLive


class Reader(Protocol):
    """What a worker reads views with."""

    def read(self, name: str) -> Any:
        """The newest of that name."""

    def version(self, name: str) -> int:
        """Its version."""

    def names(self) -> list[str]:
        """What there is."""


class View:
    """The game's views, for a mod: arrays that the game fills and every mod reads, with no copy.

    `view("npcs")` is the newest array, as of this call: a numpy array where the game names numpy among its packages,
    else a memoryview; read-only both. It stands still until the handler returns, whatever the game publishes meanwhile.
    What the mod keeps for longer becomes a copy of its own then, and counts as its own memory.

    Works at import and in `selftest()` too. Raises, where it stands: `ViewError` naming what is published, when there
    is nothing of that name, or no room left in the mod's address space (limit: memory); `NotLive` outside fumehood.
    """

    _reader: Reader | None = None

    def __call__(self, name: str, /) -> Any:
        """The newest array of that name."""
        return (self._reader or _nowhere()).read(name)

    def version(self, name: str, /) -> int:
        """How often the game has published it so far: the same number means that nothing has changed."""
        return (self._reader or _nowhere()).version(name)

    def names(self) -> list[str]:
        """What the game has published, in alphabetical order."""
        return (self._reader or _nowhere()).names()

    def __reduce__(self) -> str:
        return "view"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Mapping[int, object]) -> Self:
        return self

    def __repr__(self) -> str:
        return "<fumehood views>"


def _nowhere() -> Reader:
    raise NotLive("view() works in a mod that fumehood has loaded: outside it no game publishes anything")


view: Final = View()


def connect(reader: Reader) -> None:
    """Worker: read views with this from now on."""
    view._reader = reader
