"""The game's side of `Mods.provide`: a function as bytes that carry its code, since no worker can import the game."""

import keyword
import os
import sys
import sysconfig
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from ..shared import segment
from ..shared.errors import MessageTooLarge, PayloadError, UsageError
from . import control
from .amounts import seconds

if TYPE_CHECKING:
    from .game import Mods

LONGEST_NAME: Final = 100
_INSIDE: Final = frozenset(("__main__", "builtins", "fumehood", "cloudpickle", "msgspec"))
"""Beside the standard library and the packages named: what a worker has, and what goes by value anyway."""


def provide(mods: "Mods", name: object, helper: object, timeout: float) -> None:
    """See Mods.provide."""
    timeout = seconds(timeout, "timeout")
    fd, make = prepared(mods, name, helper, timeout)
    try:
        mods._look()
        mods._link.exchange(make, timeout, (fd,))
    finally:
        os.close(fd)


def prepared(
    mods: "Mods", name: object, helper: object, timeout: float
) -> tuple[int, Callable[[int], control.Provide]]:
    """A sealed memfd with the helper, the caller's to close, and what makes the request of a number. Raises as
    Mods.provide does of both."""
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        raise UsageError(f"provide({name!r:.60}): a helper's name is an identifier without a leading underscore")
    if len(name) > LONGEST_NAME:
        raise UsageError(f"provide({name[:20]!r}…): a helper's name is at most {LONGEST_NAME} characters long")
    data = by_value(name, helper, mods._packages)
    if len(data) > control.MOST_HELPER:
        most = control.MOST_HELPER
        raise MessageTooLarge(f"provide({name!r}): it takes {len(data)} bytes, {most} fit: what does it hold on to?")
    return segment.frozen("helper", data), lambda number: control.Provide(number, name, len(data), timeout)


def by_value(name: str, helper: object, packages: Iterable[str]) -> bytes:
    """Return `helper` pickled with all code of the game's own that it refers to. Raises PayloadError."""
    import cloudpickle  # here: it takes 20 ms, and most games provide nothing

    known = cloudpickle.list_registry_pickle_by_value()
    lent = [module for module in _own_modules(helper, packages) if module.__name__ not in known]
    try:
        for module in lent:
            cloudpickle.register_pickle_by_value(module)
        data: bytes = cloudpickle.dumps(helper)
    except Exception as error:  # whatever an object's own pickling raises
        text = f"provide({name!r}): it cannot be sent by value: {type(error).__name__}: {error}"
        raise PayloadError(text) from error
    finally:
        for module in lent:
            cloudpickle.unregister_pickle_by_value(module)
    return data


def _own_modules(helper: object, packages: Iterable[str]) -> list[ModuleType]:
    """The modules of the game that no worker can import: its own files, and whatever the helper itself is from."""
    inside = {*_INSIDE, *sys.stdlib_module_names, *(package.partition(".")[0] for package in packages)}
    installed = tuple({f"{sysconfig.get_paths()[kind]}{os.sep}" for kind in ("stdlib", "purelib", "platlib")})
    home = getattr(helper, "__module__", None)
    own: dict[str, ModuleType] = {}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in inside or getattr(module, "__name__", None) != name:
            continue
        file: Any = getattr(module, "__file__", None)
        if name == home or (isinstance(file, str) and not os.path.realpath(file).startswith(installed)):
            own[name] = module
    return list(own.values())
