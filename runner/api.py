"""What a game lets its mods do, said once by plain typed functions, and checked before any of them runs.

::

    api = Api("farm", version=2)

    @api.event                                  # what the game tells mods: emit, post, call
    def tick(dt: float) -> None: ...
    @api.event(veto=True)                       # what mods may refuse: mods.veto
    def can_enter(who: str, where: str) -> None: ...
    @api.query                                  # what mods may ask: the game answers while it waits for them
    def tile(x: int, y: int) -> str: return world[x][y]
    @api.intent                                 # what mods may want: mods.apply() runs it
    def rain(mod: Mod, strength: float) -> None: weather.start(strength)

Runs in the game, and imports anywhere. Types are what msgspec checks; what a mod sent has passed them, nothing else.
"""

import inspect
import typing
from collections.abc import Callable
from typing import Any, Final, Literal, TypeVar, overload

import msgspec

from ..shared.contract import MOST_BYTES, Contract, Declared, Parameter, blame, nearest, packed, shortened
from ..shared.errors import NotDeclared, PayloadError, UsageError
from ..shared.messages import pack
from ..shared.payload import UNPACKABLE
from .api_types import problem, spell

F = TypeVar("F", bound=Callable[..., Any])
Default = Literal["allow", "refuse"]

LONGEST_NAME: Final = 200
"""Bytes of a declared name, as of an event's name in a mod."""
_VALIDATION: Final = (msgspec.ValidationError, RecursionError, ValueError, OverflowError, TypeError)
"""What converting plain values to declared types raises; the last two also `__post_init__` of a game's own class."""
_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Entry:
    """One declared function, made ready for checking."""

    def __init__(
        self,
        function: Callable[..., Any],
        kind: str,
        *,
        veto: bool = False,
        default: Default = "allow",
        relay: bool | Callable[..., Any] = False,
    ) -> None:
        """Raises UsageError: the function cannot be declared; the message says why."""
        self.function = function
        self.default: Default = default
        """What a mod counts as that does not answer in time (veto)."""
        self.approve = relay if callable(relay) else None
        """Of an event that mods send each other: called with the mod that sends it and the arguments; false: not."""
        parameters, hints = _signature(function, kind)
        self.wants_mod = bool(parameters) and kind != "event" and _is_mod(hints.get(parameters[0].name))
        if self.wants_mod:
            del parameters[0]
        for parameter in parameters:
            _check_parameter(parameter, hints, function, kind)
        name = function.__name__
        self._kinds = {each.name: hints[each.name] for each in parameters}
        positional = [each.name for each in parameters if each.kind in _POSITIONAL]
        least = sum(each.default is each.empty for each in parameters if each.kind in _POSITIONAL)
        self.parameters = positional
        """Names of the positional ones, in order."""
        self.defaults = {each.name: each.default for each in parameters if each.default is not each.empty}
        self.tuples: dict[int, Any] = {
            count: tuple[tuple(self._kinds[each] for each in positional[:count])]  # type: ignore[misc]  # made at run time
            for count in range(least, len(positional) + 1)
        }
        """Positional arguments by how many there are, as a type."""
        self.fields = msgspec.defstruct(
            name,
            [(each.name, self._kinds[each.name], *_optional(each)) for each in parameters],
            forbid_unknown_fields=True,
            kw_only=True,
        )
        """All arguments by name, as a type."""
        self._by_position = sum(each.kind is each.POSITIONAL_ONLY for each in parameters)
        returns = hints.get("return", inspect.Parameter.empty)
        if returns is not inspect.Parameter.empty and kind != "intent" and (why := problem(returns)):
            raise UsageError(f"api.{kind}: {name}: what it returns: {why}")
        self.returns: Any = None if returns in (inspect.Parameter.empty, type(None), None) else returns
        """The type of what comes back; None: it does not matter."""
        self.declared = Declared(
            name,
            [Parameter(each.name, spell(self._kinds[each.name]), each.default is each.empty) for each in parameters],
            spell(self.returns) if self.returns else "",
            veto,
            bool(relay),
        )

    @property
    def name(self) -> str:
        """As declared."""
        return self.declared.name

    def arguments(self, args: tuple[Any, ...], where: str) -> None:
        """Check what the game is about to send. Raises PayloadError, naming `where`, the parameter and the value."""
        kinds = self.tuples.get(len(args))
        if kinds is None:
            raise PayloadError(f"{where}: {self._counted(len(args))}")
        try:
            msgspec.convert(args, kinds)
        except _VALIDATION as error:
            raise PayloadError(
                f"{where}: {blame(error, self.declared, dict(zip(self.parameters, args, strict=False)))}"
            ) from None

    def filled(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments of an event, with the defaults of those that were left out."""
        return args + tuple(self.defaults[name] for name in self.parameters[len(args) :])

    def checked(self, value: Any) -> Any:
        """A handler's value, as the declared type. Raises ValueError that says what it is instead."""
        try:
            return msgspec.convert(value, self.returns)
        except Exception as error:  # noqa: BLE001  # a game's own class may raise anything while it is made of hostile words
            raise ValueError(shortened(error, value)) from None

    def bound(self, args: list[Any], named: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The arguments of a query or an intent by name, checked; or why they are refused ("": they are not)."""
        given = dict(zip(self.parameters, args, strict=False))
        if len(args) > len(self.parameters):
            return {}, self._counted(len(args))
        for name in named:
            if name in given:
                return {}, f"{self.declared.spelled()} was given {name!r} twice"
        given.update(named)
        try:
            checked = msgspec.convert(given, self.fields)
        except _VALIDATION as error:
            return {}, blame(error, self.declared, given)
        except Exception as error:  # noqa: BLE001  # a game's own class may raise anything while it is made of hostile words
            return {}, f"{self.declared.spelled()}: {type(error).__name__}"
        return {name: getattr(checked, name) for name in self.fields.__struct_fields__}, ""

    def run(self, *mod: Any, fields: dict[str, Any]) -> Any:
        """Call the function with these arguments, by name as far as it takes them so; `mod`: for one that wants it."""
        first = self.parameters[: self._by_position]
        named = {name: value for name, value in fields.items() if name not in first}
        return self.function(*mod, *(fields[name] for name in first), **named)

    def _counted(self, count: int) -> str:
        return f"{self.declared.spelled()} was given {count} argument{'' if count == 1 else 's'}"


class Api:
    """One game's contract with its mods. Declare everything, then pass it to `launch` or `connect`."""

    def __init__(self, name: str, *, version: int | str = 1) -> None:
        """`name`: of the game, for messages. `version`: what manifests' `game-api` is compared with, as in PEP 440.

        Raises UsageError.
        """
        from packaging.version import InvalidVersion, Version

        if type(name) is not str or not name.strip() or len(name) > LONGEST_NAME:
            raise UsageError(f"an Api has a name, a text of at most {LONGEST_NAME} characters; got {name!r:.80}")
        try:
            self.version = str(Version(str(version)))
        except InvalidVersion:
            raise UsageError(f"Api({name!r}): version={version!r:.80} is no version: write 2, or '2.1'") from None
        self.name = name
        self.events: dict[str, Entry] = {}
        self.queries: dict[str, Entry] = {}
        self.intents: dict[str, Entry] = {}
        self._contract: Contract | None = None

    @overload
    def event(self, function: F, /) -> F: ...
    @overload
    def event(
        self, /, *, veto: bool = False, default: Default = "allow", relay: bool | Callable[..., Any] = False
    ) -> Callable[[F], F]: ...
    def event(
        self,
        function: Any = None,
        /,
        *,
        veto: bool = False,
        default: Default = "allow",
        relay: bool | Callable[..., Any] = False,
    ) -> Any:
        """Declare an event: what the game tells mods. The function is never called; its signature counts.

        A return type that is neither missing nor None is what each handler's value is checked against. `veto`: mods may
        refuse it (`mods.veto`); `default`: "allow" or "refuse", what a mod counts as that gives no answer.

        `relay`: mods may send it to each other, by `game.NAME(…)`: `mods.apply()` posts it to all others that handle
        it. A function approves each: it is called with the mod that sends it and the arguments; false is a no. Raises
        UsageError.
        """
        if default not in ("allow", "refuse"):
            raise UsageError(f"default={default!r:.80}: a mod without an answer counts as 'allow' or as 'refuse'")
        if default != "allow" and not veto:
            raise UsageError(f"default={default!r} has a meaning only with veto=True")
        if relay and veto:
            raise UsageError("an event is either asked of mods (veto) or sent from one to the others (relay)")
        if not isinstance(relay, bool) and not callable(relay):
            raise UsageError(f"relay={relay!r:.80}: True, or a function that approves what a mod sends")

        def declare(function: F) -> F:
            return self._declare(function, self.events, "event", veto=veto, default=default, relay=relay)

        return declare if function is None else declare(function)

    def query(self, function: F, /) -> F:
        """Declare a query: a mod's `game.NAME(…)` returns what this function returns, called in the game while it
        waits for that mod. A first parameter annotated `Mod` is given the mod that asks.

        What the function raises is logged in the game; the mod gets a QueryError without its text. Raises UsageError.
        """
        return self._declare(function, self.queries, "query")

    def intent(self, function: F, /) -> F:
        """Declare an intent: a mod's `game.NAME(…)` asks for this function to be called by `mods.apply()`, later.

        A first parameter annotated `Mod` is given the mod that asked. Raises UsageError.
        """
        return self._declare(function, self.intents, "intent")

    def contract(self) -> Contract:
        """What of this mods are told. From then on nothing more can be declared. Raises UsageError: it is too long."""
        if self._contract is None:
            parts = [[entry.declared for entry in part.values()] for part in (self.events, self.queries, self.intents)]
            events, queries, intents = parts
            contract = Contract(self.name, self.version, events, queries, intents)
            if (size := len(packed(contract))) > MOST_BYTES:
                raise UsageError(f"Api({self.name!r}) takes {size} bytes to tell mods of, and {MOST_BYTES} fit")
            self._contract = contract
        return self._contract

    def _declare(self, function: F, part: dict[str, Entry], kind: str, **how: Any) -> F:
        if isinstance(function, type) or not callable(function):
            raise UsageError(f"api.{kind} stands above a function; got {function!r:.80}")
        name = getattr(function, "__name__", "")
        if self._contract is not None:
            raise UsageError(f"api.{kind}: {name} comes too late: this Api is in use already")
        if not name.isidentifier() or name.startswith("_") or len(name.encode()) > LONGEST_NAME:
            raise UsageError(f"api.{kind}: mods cannot write game.{name}: use a function with a plain name")
        if (kind != "event" or how["relay"]) and name in RESERVED:
            raise UsageError(f"api.{kind}: game.{name} means something else to mods: use another name")
        taken = [self.events] if kind == "event" else [self.queries, self.intents]
        said = [*self.queries, *self.intents, *(each for each, entry in self.events.items() if entry.declared.relay)]
        if any(name in each for each in taken) or ((kind != "event" or how["relay"]) and name in said):
            raise UsageError(f"api.{kind}: {name} is declared twice")
        part[name] = Entry(function, kind, **how)
        return function

    def wanted(self, name: str) -> Entry | None:
        """What a mod's `game.NAME(…)` stands for, if that is an intent or an event that mods send each other."""
        entry = self.intents.get(name)
        if entry is None:
            entry = self.events.get(name)
            entry = entry if entry is not None and entry.declared.relay else None
        return entry

    def event_named(self, event: str) -> Entry:
        """Raises NotDeclared with the nearest name, when it was not declared; PayloadError: it is no name."""
        if type(event) is not str:
            raise PayloadError(f"an event's name is text, not {type(event).__name__}")
        entry = self.events.get(event)
        if entry is None:
            raise NotDeclared(f"Api({self.name!r}) has no event {event!r:.200}{nearest(event, list(self.events))}")
        return entry

    def __repr__(self) -> str:
        counts = f"{len(self.events)} events, {len(self.queries)} queries, {len(self.intents)} intents"
        return f"<Api {self.name} {self.version}: {counts}>"


RESERVED: Final = ("send",)
"""What `game` has of its own in a mod."""


def _signature(function: Callable[..., Any], kind: str) -> tuple[list[inspect.Parameter], dict[str, Any]]:
    name = getattr(function, "__name__", "?")
    if inspect.iscoroutinefunction(function):
        raise UsageError(f"api.{kind}: {name} is async; it is called where the game waits for mods: use a plain def")
    try:
        parameters = list(inspect.signature(function).parameters.values())
        hints = typing.get_type_hints(function, include_extras=True)
    except Exception as error:  # noqa: BLE001  # annotations that are text are evaluated: whatever that raises
        for where, text in getattr(function, "__annotations__", {}).items():
            if isinstance(text, str) and not _can_be_read(text, function):
                place = "what it returns" if where == "return" else f"parameter {where}"
                raise UsageError(f"api.{kind}: {name}: {place}: {text!r:.80} cannot be read: {error}") from None
        raise UsageError(f"api.{kind}: the annotations of {name} cannot be read: {error}") from None
    return parameters, hints


def _can_be_read(text: str, function: Callable[..., Any]) -> bool:
    try:
        typing.get_type_hints(type("_", (), {"__annotations__": {"_": text}}), getattr(function, "__globals__", {}))
    except Exception:  # noqa: BLE001  # as above
        return False
    return True


def _is_mod(hint: Any) -> bool:
    """Whether a parameter is to be given the mod. By name: `Mod` needs the ring, and this module imports anywhere."""
    here = __name__.rpartition(".")[0]
    return getattr(hint, "__module__", "") in (f"{here}.mod", f"{here}.aio_mod") and hint.__name__ == "Mod"


def _check_parameter(
    parameter: inspect.Parameter, hints: dict[str, Any], function: Callable[..., Any], kind: str
) -> None:
    where = f"api.{kind}: {function.__name__}: parameter {parameter.name}"
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise UsageError(f"{where} stands for any number: declare each by its name")
    if parameter.name not in hints:
        raise UsageError(f"{where} has no type: annotate it, if need be with Any")
    if kind == "event" and parameter.kind is parameter.KEYWORD_ONLY:
        raise UsageError(f"{where} goes by name only: mods get an event's values in order")
    if _is_mod(hints[parameter.name]):
        raise UsageError(f"{where} is the mod that asks: it can only be the first of a query or an intent")
    if why := problem(hints[parameter.name]):
        raise UsageError(f"{where}: {why}")
    if parameter.default is parameter.empty:
        return
    try:
        plain = msgspec.convert(parameter.default, hints[parameter.name])
    except Exception as error:  # noqa: BLE001  # a game's own class may raise anything while it is made
        try:  # a class of the game's own, as its fields
            msgspec.convert(msgspec.to_builtins(parameter.default), hints[parameter.name])
        except Exception:  # noqa: BLE001  # as above
            raise UsageError(f"{where}: its default is {shortened(error, parameter.default)}") from None
        plain = parameter.default
    try:
        pack(plain)
    except UNPACKABLE as error:
        raise UsageError(f"{where}: its default cannot travel: {shortened(error, plain)}") from None


def _optional(parameter: inspect.Parameter) -> tuple[Any, ...]:
    default = parameter.default
    if default is parameter.empty:
        return ()
    return (msgspec.field(default_factory=lambda: default),)
