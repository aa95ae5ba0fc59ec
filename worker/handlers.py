"""Which functions of a mod handle which events: the decorator that says so, and the table made of it.

A handler is what stands under `@on(event)`, as often as it stands there, anywhere in the mod's files; or a plain
function of the mod's own main module that is named `on_EVENT` and has no `@on`. `on_load` and `on_unload` are hooks,
not events. Functions imported from elsewhere are not handlers, whatever their names.

Order: higher priority first; of equals the one defined first: the main file before the others in the order in which
they were imported, and within a file from top to bottom.
"""

import inspect
import linecache
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import CodeType, FunctionType, MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from ..shared.filters import LONGEST, NOTHING, frozen
from .misfit import Misfit, a

if TYPE_CHECKING:  # it needs msgspec, and a mod imports anywhere
    from .agreed import Agreed

F = TypeVar("F", bound=Callable[..., Any])

LONGEST_EVENT: Final = 200
"""Bytes of an event's name: longer than anyone types, and a dictionary key in every process."""
MOST_NAMES: Final = 5 * 1024
"""Bytes of all event names of one mod, 8 more for each. The game reads them from the 6 KiB of a channel's card."""
HOOKS: Final = ("on_load", "on_unload")
ARGUMENTS: Final = {"on_load": (), "on_unload": (), "selftest": (), "migrate": ("old", "from_version")}
"""What each function that we call by its name is given."""
MOST_DECORATORS: Final = 20
"""Lines looked at for the `def` below a function's decorators."""
_MARK: Final = "__fumehood_on__"
_UNUSUAL: Final = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


_ANY: Final[Mapping[str, Any]] = MappingProxyType({})


class Registration(NamedTuple):
    """One `@on(…)`, and where it stands."""

    event: str
    priority: int
    handler: Callable[..., Any]
    path: str
    line: int
    where: Mapping[str, Any] = _ANY
    """What it filters on: values by the name of the event's parameter; empty: nothing."""


class Handlers(NamedTuple):
    """What a mod handles."""

    table: dict[str, tuple[Callable[..., Any], ...]]
    """Event name to its handlers in the order in which they run."""
    events: list[tuple[str, int]]
    """Event name and highest priority, in order of definition."""
    priorities: Mapping[str, tuple[int, ...]] = _ANY
    """Event name to the priority of each of its handlers."""
    where: Mapping[str, tuple[dict[str, Any], ...]] = _ANY
    """Of an event that any handler filters: what each asks for, by parameter; empty: any."""
    filters: Mapping[str, list[dict[str, Any]]] = _ANY
    """Of an event whose handlers all filter: the same, as it is told to the game."""


_recording: list[Registration] | None = None
"""What `on` notes while a worker imports its mod; None anywhere else."""
_bound = False
"""Whether this process has made its table: what `on` decorates from then on would never be called."""


def on(event: str, *, priority: int = 0, **where: Any) -> Callable[[F], F]:
    """Return a decorator that makes a function a handler of `event`; handlers of higher `priority` run first.

    `where`: only for events with these values, such as `tile=(3, 4)`, by the names that the game declares (`Api`); the
    game does not even wake the mod for others. Values are None, numbers, text, bytes, or lists of them.

    Outside a worker it only marks the function. Raises TypeError or ValueError for a name or a priority that cannot be
    one; RuntimeError in a mod that is already bound, where the function would never be called.
    """
    name: object = event
    if not isinstance(name, str):
        if isinstance(name, FunctionType):  # @on without its parentheses
            near = name.__name__.removeprefix("on_")
            raise TypeError(f'@on above {name.__name__} names no event: write @on("{near}")')
        raise TypeError(f'@on takes the name of an event, like @on("tick"); got {event!r}')
    if not event or len(event.encode("utf-8", "surrogatepass")) > LONGEST_EVENT:
        raise ValueError(f"an event's name has 1 to {LONGEST_EVENT} bytes; got {len(event)} characters")
    event.encode()  # raises UnicodeEncodeError, a ValueError, for what is not text
    if type(priority) is not int or not -(2**31) <= priority < 2**31:
        raise TypeError(f"a priority is an int of at most 31 bits; got {priority!r}")
    kept = {name: frozen(value) for name, value in where.items()}
    if odd := next((name for name, value in kept.items() if value is NOTHING), None):
        raise TypeError(
            f"@on({event!r}, {odd}=…): a filter is None, a number, text, bytes, or a list of up to {LONGEST}"
        )
    caller = sys._getframe(1)
    path, line = caller.f_code.co_filename, caller.f_lineno

    def decorate(handler: F) -> F:
        given: object = handler
        if not callable(given) or isinstance(given, type):
            raise TypeError(f"@on({event!r}) stands above a function; got {handler!r}")
        if _bound:
            raise RuntimeError(f"@on({event!r}) comes too late: handlers are bound once, right after the mod's import")
        with suppress(AttributeError, TypeError):  # callables without attributes need no mark: it is for on_* functions
            setattr(handler, _MARK, True)
        if _recording is not None:
            _recording.append(Registration(event, priority, handler, path, line, where))
        return handler

    return decorate


def record() -> list[Registration]:
    """Worker: from now on every `@on` is also noted in the list returned here."""
    global _recording
    _recording = []
    return _recording


def bind(
    module: ModuleType, own_files: list[str], registrations: list[Registration], agreed: "Agreed | None" = None
) -> Handlers:
    """Worker: make the table, once. `own_files`: the mod's imported files, the main one first. `agreed`: what the game
    declares. Raises Misfit."""
    global _recording, _bound
    _recording, _bound = None, True
    found = [*registrations, *_plain(module)]
    rank = {path: index for index, path in enumerate(own_files)}
    found.sort(key=lambda each: (-each.priority, rank.get(each.path, len(rank)), each.line))
    table: dict[str, list[Registration]] = {}
    highest: dict[str, int] = {}
    for each in found:
        what = f"the handler of {each.event!r}"
        _check(each.handler, what, each.path, each.line)
        if agreed is not None:
            agreed.check_event(each.event, each.handler, what, each.path, each.line, list(each.where))
        elif each.where:
            text = f"{what} asks for {next(iter(each.where))}=…, and this game does not declare what its events hold"
            raise Misfit(text, kind="UnfitHandler", path=each.path, line=each.line)
        table.setdefault(each.event, []).append(each)
        highest.setdefault(each.event, each.priority)
    filtered = {event: found for event, found in table.items() if any(each.where for each in found)}
    told = sum(len(event.encode()) + 8 for event in table)
    told += sum(len(repr(dict(each.where))) for run in filtered.values() for each in run)
    if told > MOST_NAMES:
        text = (
            f"it handles {len(table)} events, and their names and filters are longer together than {MOST_NAMES} bytes"
        )
        raise Misfit(text)
    return Handlers(
        {event: tuple(each.handler for each in found) for event, found in table.items()},
        list(highest.items()),
        {event: tuple(each.priority for each in found) for event, found in table.items()},
        {
            event: tuple({name: frozen(value) for name, value in each.where.items()} for each in found)
            for event, found in filtered.items()
        },
        {
            event: [dict(each.where) for each in found]
            for event, found in filtered.items()
            if all(each.where for each in found)
        },
    )


def hook(module: ModuleType, name: str) -> Callable[..., Any] | None:
    """Worker: return the mod's function of that name, None when it has none. Raises Misfit when it is no function."""
    value = vars(module).get(name)
    if value is None:
        return None
    code = getattr(value, "__code__", None)
    path, line = (code.co_filename, first_line(code)) if code else (getattr(module, "__file__", "") or "", 0)
    if not callable(value) or isinstance(value, type):
        raise Misfit(f"{name} must be a function; it is {a(value)}", path=path, line=line)
    _check(value, name, path, line)
    given = ARGUMENTS.get(name, ())
    try:
        inspect.signature(value).bind(*given)
    except TypeError as error:
        text = f"{name} is called as {name}({', '.join(given)}), and cannot be: {error}"
        raise Misfit(text, path=path, line=line) from None
    except ValueError:
        pass  # a function written in C tells no signature
    return value  # type: ignore[no-any-return]  # vars() of a module is untyped


def stands(function: Callable[..., Any]) -> dict[str, Any]:
    """Where a function stands, as a Misfit is told."""
    code = getattr(function, "__code__", None)
    return {"path": code.co_filename, "line": first_line(code)} if code else {}


def first_line(code: CodeType) -> int:
    """The line of a function's `def`; Python's own count begins with its decorators."""
    for line in range(code.co_firstlineno, code.co_firstlineno + MOST_DECORATORS):
        if linecache.getline(code.co_filename, line).lstrip().startswith(("def ", "async def ")):
            return line
    return code.co_firstlineno


def _plain(module: ModuleType) -> list[Registration]:
    found = []
    for name, value in vars(module).items():
        if not name.startswith("on_") or name in HOOKS or len(name) == 3 or not isinstance(value, FunctionType):
            continue
        if value.__module__ == module.__name__ and not getattr(value, _MARK, False):
            code = value.__code__
            found.append(Registration(name[3:], 0, value, code.co_filename, code.co_firstlineno))
    return found


def _check(handler: Callable[..., Any], what: str, path: str, line: int) -> None:
    if type(handler) is not FunctionType or handler.__code__.co_flags & _UNUSUAL:
        _refuse_unusual(handler, what, path, line)
    if isinstance(handler, FunctionType):
        owner = handler.__qualname__.rpartition(".")[0]
        if owner and not owner.endswith("<locals>"):
            text = f"{what} is a method of {owner}, and there is no instance to call it on: use a plain function"
            raise Misfit(text, path=path, line=line)


def _refuse_unusual(handler: Callable[..., Any], what: str, path: str, line: int) -> None:
    call = handler if inspect.isroutine(handler) else getattr(handler, "__call__", handler)  # noqa: B004  # its kind, not whether
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(call):
        raise Misfit(f"{what} is an async function, and nothing awaits it: use a plain def", path=path, line=line)
    if any(map(inspect.isgeneratorfunction, (handler, call))) or any(map(inspect.isasyncgenfunction, (handler, call))):
        raise Misfit(f"{what} is a generator, and nothing iterates it: use return, not yield", path=path, line=line)
