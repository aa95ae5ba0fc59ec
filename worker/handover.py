"""The state as bytes: from one version to the next, and from a checkpoint. Made and opened only in workers.

Classes and functions go by reference, under the mod's one importable name: old instances run new code. What would carry
*code* along (lambdas, local functions and classes, and whatever else cloudpickle would send by value) is refused with
its path, like `state['jobs'][2].callback`: a new version that quietly goes on running the old one's code is the bug
that nobody finds. So is what belongs to this process alone: open files, sockets, generators, modules, threads, locks.

Another Python's pickle may load and be wrong, so its minor version must be ours. Whoever carries the bytes keeps those
that do not load.
"""

import collections
import functools
import io
import pickle
import queue
import socket
import sys
import threading
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import cloudpickle

from ..shared.errors import StateError
from ..shared.payload import MOST_PARTS, Place, spell, spell_key
from ..shared.saved import HEADER, MAGIC, OURS, PROTOCOL
from . import crossed
from .diagnostics import message
from .misfit import a

_THIS_PROCESS: Final = (
    io.IOBase,
    socket.socket,
    threading.Thread,
    threading.Event,
    threading.Condition,
    type(threading.Lock()),
    type(threading.RLock()),
    queue.Queue,
    queue.SimpleQueue,
    types.ModuleType,
    types.GeneratorType,
    types.CoroutineType,
    types.AsyncGeneratorType,
    types.FrameType,
    types.TracebackType,
)
_CODE: Final = (types.CodeType, types.CellType)
_NAMELESS_TYPES: Final = {kind for kind in vars(types).values() if isinstance(kind, type)}
"""Types like that of a bound method, which no module names: cloudpickle refers to them by their name in `types`."""
_MEMORY_FILES: Final = (io.BytesIO, io.StringIO)


class _Refused(Exception):
    """Raised inside the pickler for an object that must not be carried; `why` completes "state[…] is …"."""

    def __init__(self, culprit: object, why: str) -> None:
        super().__init__(why)
        self.culprit = culprit
        self.why = why


class _TooLong(Exception):
    """Raised inside the pickler once it has written more than may be carried."""


def dump(state: Mapping[Any, Any], limit: int) -> bytes:
    """Return the bytes of `state`, at most `limit`. Worker, between two messages, so that it is one consistent copy.

    Raises StateError alone: it names the path of what must not be carried, or the limit.
    """
    out = _Bounded(limit)
    pickler: _Pickler | None = None
    try:
        out.write(OURS)
        pickler = _Pickler(out, protocol=PROTOCOL)
        pickler.dump(dict(state))
    except _TooLong:
        text = f"the state is longer than {limit} bytes once pickled (limit: state_bytes = {limit})"
        raise StateError(text) from None
    except _Refused as refused:
        raise StateError(f"{_find(state, refused.culprit)} is {refused.why}") from None
    except RecursionError:
        raise StateError("the state is nested too deeply to be pickled") from None
    except MemoryError:
        raise StateError(f"the state does not fit a second time, as a pickle {crossed.cite('memory')}") from None
    except BaseException as error:  # the mod's own __reduce__ or __getstate__ may raise anything
        # Every object but the plain built-in ones passes the pickler's hook: the last one seen is the one it failed on.
        last = pickler.last if pickler is not None else state
        what = f"{_find(state, last)} is {a(last)}, which cannot be pickled"
        raise StateError(f"{what}: {type(error).__name__}: {message(error)}") from error
    return b"".join(out.parts)


def load(data: bytes) -> dict[Any, Any]:
    """Return the mapping in the bytes of `dump`. Worker only, confined: a pickle runs code.

    Raises StateError alone; what the mod's own code raised is its cause.
    """
    if data[:4] != MAGIC or len(data) < HEADER.size:
        raise StateError(f"{len(data)} bytes of saved state do not begin as ours do")
    if data[: HEADER.size] != OURS:
        _, major, minor, protocol, _ = HEADER.unpack_from(data)
        theirs = f"Python {major}.{minor} (pickle protocol {protocol})"
        ours = f"Python {sys.version_info[0]}.{sys.version_info[1]} (pickle protocol {PROTOCOL})"
        raise StateError(f"the saved state was written by {theirs}, and this is {ours}: it is kept, but not loaded")
    try:
        state = pickle.loads(memoryview(data)[HEADER.size :])  # noqa: S301  # this process is the one a pickle may own
    except BaseException as error:  # unpickling runs the mod's code, which may raise anything
        raise StateError(f"the saved state does not load: {type(error).__name__}: {message(error)}") from error
    if type(state) is not dict:
        raise StateError(f"the saved state is {a(state)}, not a mapping")
    return state


def migrate(
    old: dict[Any, Any], from_version: int, to_version: int, function: Callable[..., Any] | None
) -> Mapping[Any, Any]:
    """Return the mapping the new version starts with. The mod's `migrate` is called only when the versions differ.

    Worker. Raises StateError (there is none, or it returned what is no mapping), and whatever it raises.
    """
    if from_version == to_version:
        return old
    if function is None:
        text = f"the saved state is of version {from_version}, this code says STATE_VERSION = {to_version}"
        raise StateError(f"{text}, and there is no migrate(old, from_version)")
    new = function(old, from_version)
    if new is None:
        return old
    if not isinstance(new, Mapping):
        raise StateError(
            f"migrate() returned {a(new)}; it returns the new mapping, or None when it changed the old one"
        )
    return new


class _Bounded:
    """What a pickler writes into, with an end: a state of a gigabyte is refused before it is a gigabyte of pickle."""

    def __init__(self, limit: int) -> None:
        self.parts: list[bytes] = []
        self._left = limit

    def write(self, data: Any) -> int:  # bytes, or a view of them: as the pickler likes
        part = bytes(data)
        self._left -= len(part)
        if self._left < 0:
            raise _TooLong
        self.parts.append(part)
        return len(part)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
    """cloudpickle's table of what can be pickled beside the standard one, without its ways to carry code."""

    last: object = None

    def dump(self, obj: Any) -> None:
        """As pickle's own: cloudpickle's turns a RecursionError into something else."""
        pickle.Pickler.dump(self, obj)

    def reducer_override(self, obj: Any) -> Any:  # the signature of pickle's hook
        """Called for every object that is not of a plain built-in type; NotImplemented: go on as usual."""
        self.last = obj
        if isinstance(obj, type) and obj in _NAMELESS_TYPES:
            return super().reducer_override(obj)
        if isinstance(obj, types.FunctionType | type):
            _check_reference(obj)
        elif isinstance(obj, _THIS_PROCESS):
            if type(obj) not in _MEMORY_FILES:
                raise _Refused(obj, f"{a(obj)}, which belongs to this process alone: {_instead(obj)}")
        elif isinstance(obj, _CODE):
            raise _Refused(obj, f"{a(obj)}, which carries code: the next version would go on running it")
        return NotImplemented


def _instead(obj: object) -> str:
    """What to keep in the state in its place."""
    if isinstance(obj, io.IOBase):
        return "keep its path and position, and open it in on_load()"
    if isinstance(obj, types.GeneratorType | types.CoroutineType | types.AsyncGeneratorType):
        return "keep what it counts or walks through, and make it anew in on_load()"
    if isinstance(obj, types.ModuleType):
        return "import it where it is used"
    return "keep what it is made from, and make it in on_load()"


def _check_reference(obj: Any) -> None:  # a function or a class, whose attributes may be anything
    """Refuse a function or class that cannot be found again under its name."""
    if obj in (type(None), type(NotImplemented), type(...)):
        return
    module = getattr(obj, "__module__", None)
    name = getattr(obj, "__qualname__", "")
    found: Any = sys.modules.get(module) if isinstance(module, str) and module != "__main__" else None
    for part in name.split(".") if isinstance(name, str) else [""]:
        found = getattr(found, part, None)
    if found is obj:
        return
    kind = "class" if isinstance(obj, type) else "lambda" if name.endswith("<lambda>") else "function"
    if kind == "lambda":
        what = "a lambda"
    elif "<locals>" in name:
        what = f"the local {kind} {name}"
    else:
        what = f"the {kind} {name}, which is no longer what {module}.{name} names"
    raise _Refused(obj, f"{what}: the next version would go on running this one's code. Use one defined in the module")


def _find(state: Mapping[Any, Any], culprit: object) -> str:
    """The shortest way to `culprit`, or to an instance of it: breadth first, through what the standard types hold."""
    root = Place(state, "state", None)
    if culprit is state or (type(culprit) is dict and culprit == state):
        return "state"
    todo = collections.deque([root])
    seen = {id(state)}
    for _ in range(MOST_PARTS):
        if not todo:
            break
        place = todo.popleft()
        for part in _parts(place):
            if part.value is culprit:
                return spell(part)
            if type(part.value) is culprit:
                return f"the type of {spell(part)}"
            if id(part.value) not in seen:
                seen.add(id(part.value))
                todo.append(part)
    return "something in state"


_HOLDERS: Final = {
    functools.partial: ("func", "args", "keywords"),
    collections.defaultdict: ("default_factory",),
    types.MethodType: ("__self__", "__func__"),
    property: ("fget", "fset", "fdel"),
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
}


def _parts(place: Place) -> Iterator[Place]:
    value = place.value
    if isinstance(value, str | bytes | int | float | type):
        return
    for kind, names in _HOLDERS.items():
        if isinstance(value, kind):
            for name in names:
                yield Place(getattr(value, name), f".{name}", place)
    if isinstance(value, dict):
        for key, part in list(value.items()):
            yield Place(part, f"[{spell_key(key)}]", place)
            yield Place(key, f".key({spell_key(key)})", place)
    elif isinstance(value, list | tuple | collections.deque):
        for index, part in enumerate(list(value)):
            yield Place(part, f"[{index}]", place)
    elif isinstance(value, set | frozenset):
        for part in list(value):
            yield Place(part, "{…}", place)
    for name in _attributes(value):
        try:
            yield Place(object.__getattribute__(value, name), f".{name}", place)
        except AttributeError:
            continue  # a slot that was never filled


def _attributes(value: object) -> list[str]:
    names = [name for kind in type(value).__mro__ for name in _slots(kind)]
    try:
        return [*names, *(name for name in object.__getattribute__(value, "__dict__") if isinstance(name, str))]
    except AttributeError:
        return names


def _slots(kind: type) -> list[str]:
    slots = kind.__dict__.get("__slots__", ())
    return [slots] if isinstance(slots, str) else [name for name in slots if isinstance(name, str)]
