"""The objects a mod speaks to: `state`, `game` and `log`. One of each in a process, the same for its whole life.

Outside a worker `state` is an ordinary dict, `log` a standard logger, and `game` refuses everything with `NotLive`:
a mod can be imported and its functions tested anywhere. Inside one, `worker.loop` opens and closes them.
"""

import copy
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

from ..shared.errors import NotLive

if TYPE_CHECKING:  # it needs msgspec, and a mod imports anywhere
    from .agreed import Agreed


class State(dict[Any, Any]):
    """What a mod carries from version to version: a dict, changed in place, of whatever pickle carries except code.

    Empty at import and in `selftest()` (whose changes are thrown away); restored before `on_load()`. Changing it at
    import raises `NotLive`: the change would be lost when the state is restored, at the second load at the latest.
    """

    def __reduce__(self) -> str:
        """A reference to the one `state`: an object in the state may hold the state."""
        return "state"

    def __copy__(self) -> dict[Any, Any]:
        return dict(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[Any, Any]:
        return copy.deepcopy(dict(self), memo)


class ClosedState(State):
    """The state while a mod is imported: readable, empty. A class of its own: an open one is as fast as a dict."""

    def _closed(self, *_: object, **__: object) -> NoReturn:
        raise NotLive(
            "state is empty at import and what is put into it then would be lost: "
            "set first values in on_load(), with state.setdefault(…)"
        )

    __setitem__ = __delitem__ = __ior__ = update = setdefault = pop = popitem = clear = _closed


class Game:
    """The game, as a mod sees it: what is said to it is an intent, which the game applies when and if it likes.

    `game.rain(strength=0.7)` and `game.send("rain", strength=0.7)` are the same. Values go by name and must be what
    msgpack carries. Both raise, where they stand: `NotLive` before on_load() and after on_unload(); `PayloadError`
    naming the path of a value that cannot travel; `MessageTooLarge`; `QueueFull` when the game has not read the
    intents before it; `TypeError` for values without a name. With a game that declares what it takes (`Api`), values
    may go by position; a name that it does not declare raises `NotDeclared`, a value of another type `PayloadError`.

    What such a game declares as a query is answered: `game.tile(3, 4)` returns what the game says. It raises
    `QueryTimeout` when the game does not wait for this mod, `QueryError` when it has no answer, and what an intent
    raises.
    """

    _speak: Callable[[str, dict[str, Any]], None]
    _ask: Callable[[str, tuple[Any, ...], dict[str, Any]], Any]
    _agreed: "Agreed | None" = None

    def __init__(self) -> None:
        self._speak = self._ask = _not_live

    def send(self, name: str, /, **fields: Any) -> None:
        """Send the intent `name` with these fields."""
        if type(name) is not str or not name:
            raise TypeError(f"game.send() takes the intent's name, a str that is not empty, first; got {name!r}")
        self._speak(name, fields if self._agreed is None else self._agreed.intent(name, (), fields))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        if self._agreed is not None:
            return self._declared(name, self._agreed)

        def intent(*values: object, **fields: Any) -> None:
            if values:
                raise TypeError(f"game.{name}() takes its values by name, like game.{name}(strength=0.7)")
            self._speak(name, fields)

        intent.__name__ = intent.__qualname__ = name
        # Found as a plain attribute from now on: a mod says the same thing often.
        self.__dict__[name] = intent
        return intent

    def _declared(self, name: str, agreed: "Agreed") -> Callable[..., Any]:
        if name in agreed.queries:
            return self._query(name)
        if name not in agreed.intents and not agreed.open:
            agreed.undeclared(name)

        def intent(*values: Any, **fields: Any) -> None:
            self._speak(name, agreed.intent(name, values, fields))

        intent.__name__ = intent.__qualname__ = name
        self.__dict__[name] = intent
        return intent

    def _query(self, name: str) -> Callable[..., Any]:
        def query(*values: Any, **named: Any) -> Any:
            return self._ask(name, values, named)

        query.__name__ = query.__qualname__ = name
        self.__dict__[name] = query
        return query

    def __reduce__(self) -> str:
        return "game"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Mapping[int, object]) -> Self:
        return self

    def __repr__(self) -> str:
        return "<fumehood game>"


def _not_live(name: str, *_: object) -> NoReturn:
    raise NotLive(
        f"game.{name}() works only in a live mod: in handlers, on_load() and on_unload(); "
        "not at import, in selftest() or in migrate(), and not outside fumehood"
    )


_speaker: Callable[[str, dict[str, Any]], None] = _not_live
_asker: Callable[[str, tuple[Any, ...], dict[str, Any]], Any] = _not_live
state: Final = State()
game: Final = Game()
log: Final = logging.getLogger("fumehood.mod")
"""A standard logger. In a worker its records go to the supervisor's log under the mod's name, rate-limited."""


def close_state() -> None:
    """Worker: empty `state` and refuse changes until `open_state`."""
    open_state()
    state.clear()
    object.__setattr__(state, "__class__", ClosedState)


def open_state() -> None:
    """Worker: let `state` be changed from now on."""
    object.__setattr__(state, "__class__", State)


def agree(agreed: "Agreed | None") -> None:
    """Worker: go by what the game declares; None: it declares nothing."""
    game.__dict__.clear()
    game._speak, game._ask = _speaker, _asker
    game._agreed = agreed


def parameters_of(event: str) -> list[str]:
    """Worker: the names of an event's parameters, as the game declares them now; empty when it declares nothing."""
    return game._agreed.names(event) if game._agreed is not None else []


def connect_game(
    speak: Callable[[str, dict[str, Any]], None] | None,
    ask: Callable[[str, tuple[Any, ...], dict[str, Any]], Any] | None = None,
) -> None:
    """Worker: send intents through `speak(name, fields)` and queries through `ask(name, values, named)`; None: refuse
    them with `NotLive` again."""
    global _speaker, _asker
    game._speak = _speaker = speak or _not_live
    game._ask = _asker = ask or _not_live
