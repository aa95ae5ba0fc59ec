"""The game's contract, as a mod meets it: what is named must be declared, and what is given must have the right type.

A friendly check: it raises where the mistake stands. The game checks the same things again, and believes nothing else.
Types are made when something is first used: most mods use a few of the things a game declares.
"""

from collections.abc import Callable, Mapping, Sequence
from types import CodeType, FunctionType
from typing import Any, Final, Literal, NoReturn

import msgspec

from ..shared.contract import Contract, Declared, blame, nearest
from ..shared.errors import NotDeclared, PayloadError
from .misfit import Misfit

_NAMES: Final = {
    "int": int, "float": float, "str": str, "bytes": bytes, "bool": bool, "list": list, "set": set, "dict": dict,
    "frozenset": frozenset, "tuple": tuple, "Any": Any, "Literal": Literal,
}  # fmt: skip
"""What types in a contract are spelled with."""
_VALIDATION: Final = (msgspec.ValidationError, RecursionError, ValueError, OverflowError, TypeError)
_VARARGS: Final = 0x04


class Agreed:
    """One contract. Worker."""

    def __init__(self, contract: Contract) -> None:
        self._game = f"{contract.name} {contract.version}"
        self.events = {each.name: each for each in contract.events}
        self.queries = {each.name: each for each in contract.queries}
        self.intents = {each.name: each for each in contract.intents}
        self.intents |= {each.name: each for each in contract.events if each.relay}
        self.open = contract.open
        self._checks: dict[str, Callable[[Mapping[str, Any]], Any]] = {}

    def undeclared(self, name: str) -> NoReturn:
        """`game.NAME` and there is no such thing. Raises NotDeclared."""
        if name in self.events:
            raise NotDeclared(f"{name!r} is an event of {self._game}: handle it with @on({name!r})")
        raise NotDeclared(f"{self._game} has no {name!r}{nearest(name, [*self.queries, *self.intents])}")

    def intent(self, name: str, values: Sequence[Any], fields: dict[str, Any]) -> dict[str, Any]:
        """The fields of a declared intent by name. Raises NotDeclared, PayloadError (wrong types), TypeError."""
        declared = self.intents.get(name)
        if declared is None:
            if not self.open:
                self.undeclared(name)
            if values:
                raise TypeError(f"game.{name}() takes its values by name, like game.{name}(strength=0.7)")
            return fields
        if values:
            fields = named(declared, values, fields)
        check = self._checks.get(name) or self._make_check(declared)
        try:
            check(fields)
        except _VALIDATION as error:
            raise PayloadError(f"game.{blame(error, declared, fields)}") from None
        return fields

    def names(self, event: str) -> list[str]:
        """The names of an event's parameters."""
        declared = self.events.get(event)
        return [each.name for each in declared.parameters] if declared else []

    def check_event(
        self, event: str, handler: Callable[..., Any], what: str, path: str, line: int, where: Sequence[str] = ()
    ) -> None:
        """Worker, bind: whether a handler can ever be called. `where`: what it filters on. Raises Misfit."""
        declared = self.events.get(event)
        if declared is None:
            if self.open and not where:
                return
            text = f"{self._game} has no event {event!r}{nearest(event, list(self.events))}"
            raise Misfit(text, kind="UnknownEvent", path=path, line=line)
        known = self.names(event)
        if odd := next((name for name in where if name not in known), None):
            text = f"{what} asks for {odd}=…, and {declared.spelled()} has no {odd!r}{nearest(odd, known)}"
            raise Misfit(text, kind="UnfitHandler", path=path, line=line)
        if not isinstance(handler, FunctionType):
            return
        code, least, most = handler.__code__, declared.required, len(declared.parameters)
        takes = 2**31 if code.co_flags & _VARARGS else code.co_argcount
        needs = code.co_argcount - len(handler.__defaults__ or ())
        if needs > least or takes < most or _needs_names(handler, code):
            text = f"{what} cannot be called as {declared.spelled()}, which is how {self._game} calls it"
            raise Misfit(text, kind="UnfitHandler", path=path, line=line)

    def _make_check(self, declared: Declared) -> Callable[[Mapping[str, Any]], Any]:
        fields = [(each.name, _type(each.type), *(() if each.required else (None,))) for each in declared.parameters]
        kind = msgspec.defstruct(declared.name, fields, forbid_unknown_fields=True)

        def check(given: Mapping[str, Any]) -> Any:
            return msgspec.convert(given, kind)

        self._checks[declared.name] = check
        return check


def named(declared: Declared, values: Sequence[Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Values by position, as fields by name. Raises TypeError, as a call of a function does."""
    if len(values) > len(declared.parameters):
        given = f"{len(values)} argument{'' if len(values) == 1 else 's'}"
        raise TypeError(f"game.{declared.spelled()} was given {given}")
    by_name = dict(zip((each.name for each in declared.parameters), values, strict=False))
    if twice := next((name for name in by_name if name in fields), None):
        raise TypeError(f"game.{declared.spelled()} was given {twice!r} twice")
    return by_name | dict(fields)


def _needs_names(handler: FunctionType, code: CodeType) -> bool:
    names = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    return any(name not in (handler.__kwdefaults__ or {}) for name in names)


def _type(spelled: str) -> Any:
    """The type that is spelled so, in the game's own words: this worker trusts the game with its life."""
    return eval(spelled, {"__builtins__": {}}, _NAMES)  # noqa: S307  # see above; nothing of a mod's gets here
