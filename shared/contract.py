"""What a game lets its mods do, as it travels: names, parameters and types, without the functions behind them.

Made by `runner.api` from the functions of a game; told to every worker, so that a misspelt name or a wrong type is an
error where it stands in the mod. Those are friendly words: what counts is checked again in the game.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from reprlib import Repr
from typing import Any, Final

import msgspec

from .messages import pack, unpacker

MOST_BYTES: Final = 32 * 1024
"""Longest packed contract: it travels in one packet with the rest of an assignment, half of what that may be."""
MOST_NAMED: Final = 12
"""Names that are listed to somebody who asked for another one."""
LONGEST_SOUGHT: Final = 100
"""Characters of a name that the nearest is looked for, and of the way to a wrong value. More: hostile ones cost."""


class Parameter(msgspec.Struct, frozen=True, array_like=True):
    """One parameter of an event, a query or an intent."""

    name: str
    type: str
    """In Python's words, such as ``list[int] | None``; ``Any``: whatever the game makes of it."""
    required: bool = True


class Declared(msgspec.Struct, frozen=True, array_like=True):
    """One event, query or intent."""

    name: str
    parameters: list[Parameter]
    returns: str = ""
    """As `Parameter.type`; empty: nothing that matters."""
    veto: bool = False
    """An event that mods may refuse."""
    relay: bool = False
    """An event that mods may send to each other, as they send an intent."""

    @property
    def required(self) -> int:
        """How many parameters have no default. They come first."""
        return sum(parameter.required for parameter in self.parameters)

    def spelled(self) -> str:
        """``rain(strength: float)``, as a person reads it."""
        inside = ", ".join(f"{each.name}: {each.type}{'' if each.required else ' = …'}" for each in self.parameters)
        return f"{self.name}({inside})"


class Contract(msgspec.Struct, frozen=True, array_like=True):
    """Everything one version of a game's `Api` declares, each part in the order in which it was declared."""

    name: str
    version: str
    events: list[Declared] = []
    queries: list[Declared] = []
    intents: list[Declared] = []
    open: bool = False
    """What is not declared is taken all the same, unchecked, as from a game without an `Api`: for tests of mods, that
    answer a query or two and know no more of the game."""


def packed(contract: Contract) -> bytes:
    """For the way to a worker. Any process."""
    return pack(contract)


unpack_contract: Final = unpacker(Contract, "the supervisor (contract)")


def nearest(name: str, known: list[str]) -> str:
    """``; did you mean 'tick'? (there are: tick, step)``: what to say behind "there is no …". Any process."""
    near = get_close_matches(name[:LONGEST_SOUGHT], known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(known[:MOST_NAMED]) or "none"
    more = f" and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
    return f"{hint} (declared: {listed}{more})"


_STEP: Final = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\[(\.\.\.)\]")
_brief = Repr()
_brief.maxstring = _brief.maxother = 60
_brief.maxlevel = 3


def blame(error: BaseException, declared: Declared, given: Mapping[str, Any]) -> str:
    """What does not fit `declared`, naming the parameter and its value: ``strength is 'wet' (Expected `float`, …)``.

    `error`: what msgspec raised for `given`, as a whole by position or by name. Any process; bounded in length.
    """
    reason, at, path = str(error).partition(" - at `$")
    if not at:
        return f"{declared.spelled()}: {reason[:200]}"
    value: Any = given
    where = ""
    for step in _STEP.finditer(path[:LONGEST_SOUGHT].removesuffix("`")):
        name, index, rest = step.groups()
        try:
            if value is given:
                name = name if name is not None else list(given)[int(index)]
                value, where = given[name], name
            elif index is not None:
                value, where = list(value)[int(index)], f"{where}[{index}]"
            else:
                value, where = (value if rest else value[name]), f"{where}[{rest or repr(name)}]"
        except (KeyError, IndexError, TypeError, ValueError):
            break  # a map's key, or a class of the game's own: the whole is shown
    return f"{declared.spelled()}: {where[:100] or 'it'} is {_brief.repr(value)} ({reason[:200]})"


def shortened(error: BaseException, value: object) -> str:
    """The same of one value without a name: ``'wet' (Expected `float`, got `str`)``."""
    return f"{_brief.repr(value)} ({str(error)[:200]})"
