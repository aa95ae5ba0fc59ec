"""An exception in a mod, as a diagnostic a person can act on: which of the mod's files, line, column, and the line.

The place is the frame of the mod's own that is nearest to the error: when a mod calls `json.loads` wrongly, the fault
is at the mod's line and not inside json. A SyntaxError carries its own place.

Everything here is made from objects of the mod, whose `__str__` may raise or lie: nothing is assumed of them, and each
text is bounded and made encodable. (What control characters do to a terminal is the reader's side's to prevent.)
"""

import linecache
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple

from ..shared.messages import Diagnostic
from . import crossed
from .misfit import Misfit

LONGEST_TRACEBACK: Final = 16 * 1024
"""Bytes of a traceback. More would push a diagnostic towards the 64 KiB of a packet; less loses chained causes."""
LONGEST_MESSAGE: Final = 2 * 1024
LONGEST_LINE: Final = 1024
"""Bytes of a source line. Carets beyond it are not drawn anyway."""
LONGEST_NAME: Final = 512
OURS: Final = (f"{Path(__file__).parent}/", "<frozen importlib")
"""How the file names of our own frames begin, and of those of an import."""
MOST_FRAMES: Final = 50
"""Frames of one traceback, the innermost: enough to see what a recursion runs through, and quick to format."""


class Place(NamedTuple):
    """Where in the mod's files: absolute path, line, first and last column (1-based, characters; 0: unknown)."""

    path: str = ""
    line: int = 0
    column: int = 0
    end_column: int = 0


def describe(stage: str, error: BaseException, base: str) -> Diagnostic:
    """Worker: the diagnostic of `error`. `base` is the folder the mods root is laid in, with its final slash.

    Raises MemoryError alone.
    """
    try:
        place = _place(error, base)
        source = _source(error, place)
    except MemoryError:
        raise
    except BaseException:  # noqa: BLE001  # attributes of the mod's exception were read, which may run its code
        place, source = Place(), ""
    return Diagnostic(
        stage=stage,
        kind=kind(error),
        message=message(error),
        file=bounded(place.path.removeprefix(base), LONGEST_NAME),
        line=place.line,
        column=place.column,
        end_column=place.end_column,
        source=source,
        traceback=format_traceback(error, base),
    )


def kind(error: BaseException) -> str:
    """The name of the exception's type, as text."""
    # By type() and not isinstance(), which asks the object's own __class__; by type's own __name__, not a metaclass's.
    name = error.kind if type(error) is Misfit else _type_name(type(error))
    return bounded(name, LONGEST_NAME)


def message(error: BaseException) -> str:
    """What the exception says; if it cannot say anything, that. Raises MemoryError alone."""
    try:
        if isinstance(error, SyntaxError) and isinstance(error.msg, str):
            return bounded(error.msg, LONGEST_MESSAGE)
        said, remedy = str(error), _remedy(error)
        return bounded(said + remedy if said else remedy.lstrip(" "), LONGEST_MESSAGE)
    except MemoryError:
        raise
    except BaseException as second:  # noqa: BLE001  # the mod's own __str__ ran: whatever it raises is data
        return f"<its text cannot be had: {_type_name(type(second))}>"


def _remedy(error: BaseException) -> str:
    """The limit that was met, or what to do about a module that is not there, in the words of who writes a mod; "" when
    we cannot tell."""
    if (met := crossed.met(error)) != "":
        return f" {met}"
    name = error.name if type(error) is ModuleNotFoundError else None
    if not isinstance(name, str):
        return ""
    above, _, last = name.rpartition(".")
    if name.partition(".")[0] == "fumehood":
        return "; mods import fumehood.worker"
    if getattr(sys.modules.get(above), "__file__", None) is not None or last in sys.stdlib_module_names:
        return ""  # a module of its own, or of a package that is there, is misspelt
    if name.startswith("mods."):
        key = name.removeprefix("mods.").replace(".", "/")
        return f'; another mod is named in the manifest first: requires = ["{key}"]'
    package = name.partition(".")[0]
    return f'; mods may import the standard library and what the game names: launch(…, packages=["{package}"])'


def format_traceback(error: BaseException, base: str, limit: int = LONGEST_TRACEBACK) -> str:
    """The traceback as Python prints it, causes and notes included, without frames of ours; at most `limit` bytes.

    Paths stand as in the mods folder. Raises MemoryError alone.
    """
    if type(error) is Misfit:
        return "" if error.__cause__ is None else format_traceback(error.__cause__, base, limit)
    begin = _traceback_of(error)
    while begin is not None and not begin.tb_frame.f_code.co_filename.startswith(base):
        begin = begin.tb_next
    try:
        told = traceback.TracebackException(type(error), error, begin, limit=-MOST_FRAMES, compact=True)
        _leave_ours_out(told)
        text = "".join(told.format())
    except MemoryError:
        raise
    except BaseException as second:  # noqa: BLE001  # as in message()
        text = f"{kind(error)}: <its traceback cannot be had: {_type_name(type(second))}>\n"
    return bounded(text.replace(f'File "{base}', 'File "'), limit)


def _leave_ours_out(told: traceback.TracebackException) -> None:
    """What a mod calls of ours, and what calls it between two files of its own, says nothing to its author."""
    todo, seen = [told], {id(told)}
    while todo:
        each = todo.pop()
        each.stack[:] = [frame for frame in each.stack if not frame.filename.startswith(OURS)]
        for more in (each.__cause__, each.__context__, *(each.exceptions or ())):
            if more is not None and id(more) not in seen:
                seen.add(id(more))
                todo.append(more)


def _type_name(kind: type[BaseException]) -> str:
    name: str = type.__dict__["__name__"].__get__(kind)
    return name


def _traceback_of(error: BaseException) -> TracebackType | None:
    """Its traceback, whatever attributes of its own it has."""
    found: TracebackType | None = BaseException.__dict__["__traceback__"].__get__(error)
    return found


def bounded(text: object, limit: int) -> str:
    """`text` in at most `limit` bytes of UTF-8: encodable, and cut in the middle if it must be."""
    data = str.__str__(text).encode("utf-8", "backslashreplace") if isinstance(text, str) else b"?"
    if len(data) <= limit:
        return data.decode()
    mark = f"… {len(data) - limit} bytes cut …"
    kept = max(0, limit - len(mark.encode()))
    first = kept // 4
    return data[:first].decode(errors="ignore") + mark + data[len(data) - (kept - first) :].decode(errors="ignore")


def _place(error: BaseException, base: str) -> Place:
    if type(error) is Misfit:
        return Place(error.path, error.line, error.column, error.end_column)
    if isinstance(error, SyntaxError) and isinstance(error.filename, str) and error.filename.startswith(base):
        line, column, end = map(_count, (error.lineno, error.offset, error.end_offset))
        return Place(error.filename, line, column, end if _count(error.end_lineno) == line and end > column else 0)
    nearest: TracebackType | None = None
    step = _traceback_of(error)
    while step is not None:
        if step.tb_frame.f_code.co_filename.startswith(base):
            nearest = step
        step = step.tb_next
    if nearest is None:
        # An error of ours about the mod says more through what caused it.
        return _place(error.__cause__, base) if error.__cause__ is not None else Place()
    return _columns(nearest)


def _columns(step: TracebackType) -> Place:
    """Where in its line the frame's instruction stands: code objects know it in UTF-8 bytes."""
    code = step.tb_frame.f_code
    line = _count(step.tb_lineno)
    for index, (first, last, begin, end) in enumerate(code.co_positions()):
        if index == step.tb_lasti // 2:
            if first is None or begin is None or end is None or first != line:
                break
            data = linecache.getline(code.co_filename, line).encode("utf-8", "replace")
            column = len(data[:begin].decode(errors="replace")) + 1
            return Place(
                code.co_filename, line, column, len(data[:end].decode(errors="replace")) + 1 if last == first else 0
            )
    return Place(code.co_filename, line)


def _source(error: BaseException, place: Place) -> str:
    if not place.line:
        return ""
    text = error.source if type(error) is Misfit else ""
    text = text or linecache.getline(place.path, place.line)
    if not text and isinstance(error, SyntaxError) and isinstance(error.text, str):
        text = error.text
    return bounded(text.rstrip("\r\n"), LONGEST_LINE)


def _count(value: object) -> int:
    """A line or column as a mod's exception gives it: whatever is no plausible count is unknown."""
    return value if type(value) is int and 0 < value < 2**31 else 0
