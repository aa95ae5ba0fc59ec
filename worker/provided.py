"""`helpers`: what the game shipped by value. A mod finds it at import already; each is unpickled when it is first used.

The bytes lie in a sealed memfd of the supervisor's. They are the game's own code, which a worker may run; nothing goes
back that way.
"""

import difflib
import os
from collections.abc import Mapping
from typing import Any, Final, Self

from ..shared.errors import HelperError


class Helpers:
    """The game's helper functions by name: `helpers.path_cost(a, b)`.

    Pure in spirit: they run in this process, with copies of whatever they hold on to. Look one up where it is used, so
    that one which the game provides anew is found. Raises AttributeError for a name that the game did not provide,
    and `HelperError` for one that cannot be loaded here. Outside a worker there is none; a test may set attributes.
    """

    def __init__(self) -> None:
        self._entries: dict[str, tuple[int, int, int]] = {}
        self._fd = -1

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._entries:
            raise AttributeError(f"the game provides no helper {name!r}{_nearest(name, self._entries)}")
        _, offset, size = self._entries[name]
        value = _load(name, os.pread(self._fd, size, offset))
        self.__dict__[name] = value  # found as a plain attribute from now on
        return value

    def __dir__(self) -> list[str]:
        return sorted(self._entries)

    def __reduce__(self) -> str:
        return "helpers"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Mapping[int, object]) -> Self:
        return self

    def __repr__(self) -> str:
        return f"<fumehood helpers: {', '.join(sorted(self._entries)) or 'none'}>"


def take(owner: Helpers, entries: list[tuple[str, int, int, int]], fd: int) -> None:
    """Worker, between two messages: these are the helpers from now on. Takes the descriptor over."""
    new = {name: (since, offset, size) for name, since, offset, size in entries}
    for name in [name for name, entry in owner._entries.items() if new.get(name, entry)[0] != entry[0]]:
        owner.__dict__.pop(name, None)
    before, owner._fd, owner._entries = owner._fd, fd, new
    if before >= 0:
        os.close(before)


def _load(name: str, data: bytes) -> Any:
    import pickle  # cloudpickle's bytes need cloudpickle itself only where they say so

    try:
        return pickle.loads(data)  # noqa: S301  # the game's own code; and this process may run any
    except MemoryError:
        raise
    except BaseException as error:
        why = f"helpers.{name} cannot be loaded in a mod: {type(error).__name__}: {error}"
        hint = "; the game names packages that its helpers need in launch(packages=[…])"
        raise HelperError(why + (hint if isinstance(error, ImportError) else "")) from error


def _nearest(name: str, known: Mapping[str, object]) -> str:
    if not known:
        return ": it provides none (mods.provide(name, function))"
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else "; it provides " + ", ".join(sorted(known))


helpers: Final = Helpers()
