"""A game's `Api` as a stub of `fumehood.worker`, for the editors and type checkers of mod authors.

::

    typings/fumehood/__init__.pyi             empty: without it nobody looks further
    typings/fumehood/worker/__init__.pyi      game.rain(strength: float), on("tick") for (dt: float) handlers, …

A mod stays as it is: ``from fumehood.worker import game, on`` finds the stub first, in mypy where ``mypy_path`` names
the folder, in pyright where ``stubPath`` does (``typings`` is its default). The stub needs nothing but the standard
library, so that an author who has not installed fumehood has it too.

Rejected: a ``game.pyi`` beside the mods, which every mod would import under ``if TYPE_CHECKING`` and which would hide
the game's own ``game.py``; a package ``fumehood-stubs``, which mypy finds in site-packages only.

The same `Api` gives the same text. Pure but for `write`; runs in the command.
"""

import inspect
import keyword
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from ..shared.contract import Declared, Parameter
from ..shared.errors import ConfigError
from .api import Api, Entry
from .stub_frame import ERRORS, HEADER, IMPORTS, REST
from .stub_types import BUILTINS, TYPING, arriving, quoted, scalar, written

WIDTH: Final = 88
"""Longest line that is not broken: what formatters take where nothing else is set."""
FOLDER: Final = "typings"
_DOCSTRING: Final = re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"""', re.DOTALL)
_TAKEN_BY_ON: Final = ("event", "priority")
"""Parameters of `on` itself: an event's parameters of these names cannot be filtered on."""


def write(api: Api, folder: Path) -> Path:
    """Write the stub below `folder`, made if need be; returns the file. Raises ConfigError: it cannot be written."""
    target = folder / "fumehood" / "worker" / "__init__.pyi"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        (folder / "fumehood" / "__init__.pyi").write_text("", encoding="utf-8")
        target.write_text(stub(api), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{folder}: the stub cannot be written there: {error.strerror}: {error.filename}") from None
    return target


def stub(api: Api) -> str:
    """The text of the stub."""
    header = HEADER.format(title=_escaped(" ".join(_clean(f"{api.name} {api.version}").split())))
    text = "".join((header, IMPORTS, ERRORS, _handlers(api), _on(api), _game(api), REST))
    if any(len(line) > WIDTH for line in _DOCSTRING.sub("", text).splitlines()):
        # A type so long that only a formatter could break it: it stays as it is.
        text = text.replace("\nimport builtins\n", "\n# fmt: off\nimport builtins\n", 1)
    return text


# ── events ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _handlers(api: Api) -> str:
    """For each event what its handlers have to be, and a name for the very function: type checkers show both."""
    parts = []
    for entry in api.events.values():
        event = entry.declared
        parameters = [_parameter(each, arriving(each.type)) for each in event.parameters]
        returns = written(event.returns) if event.returns else "object"
        call = _function("__call__", [_free("self", event), *parameters, "/"], returns, indent=4)
        parts.append(f"class _On_{event.name}(Protocol):\n{_docstring(entry, 4)}{call}\n\n")
    names = [entry.name for entry in api.events.values()]
    parts += [_type_variable(f"_Handler_of_{name}", f"_On_{name}") for name in names]
    return "".join([*parts, "\n" if names else ""])


def _on(api: Api) -> str:
    if not api.events:
        doc = "This game declares no event."
        return _function("on", ["event: Never", "/", "*", "priority: int = 0"], "Never", doc=doc) + "\n\n"
    parts = []
    for entry in api.events.values():
        filters = [
            f"{each.name}: {written(each.type) if scalar(each.type) else 'Any'} = ..."
            for each in entry.declared.parameters
            if each.name not in _TAKEN_BY_ON
        ]
        parameters = [f"event: Literal[{quoted(entry.name)}]", "/", "*", "priority: int = 0", *filters]
        many = "@overload\n" if len(api.events) > 1 else ""
        handler = f"_Handler_of_{entry.name}"
        parts.append(many + _function("on", parameters, f"Callable[[{handler}], {handler}]", doc=_doc(entry)) + "\n")
    return "".join([*parts, "\n"])


# ── what is said to the game ──────────────────────────────────────────────────────────────────────────────────────────


def _game(api: Api) -> str:
    asked = [(entry, True) for entry in api.queries.values()] + [(entry, False) for entry in _wanted(api)]
    taken = {entry.name for entry, _ in asked} & (BUILTINS | TYPING)
    parts = ["class _Game:\n"]
    for entry, query in asked:
        declared = entry.declared
        if keyword.iskeyword(declared.name):
            continue
        positional = [each for each in declared.parameters if each.name in entry.parameters]
        named = [each for each in declared.parameters if each.name not in entry.parameters]
        parameters = [_parameter(each, each.type, taken) for each in positional]
        parameters += ["*", *(_parameter(each, each.type, taken) for each in named)] if named else []
        returns = written(arriving(declared.returns or "Any"), taken) if query else "None"
        parameters = [_free("self", declared), *parameters]
        parts.append(_function(declared.name, parameters, returns, doc=_doc(entry), indent=4))
        parts.append("\n\n" if _doc(entry) else "\n")
    parts.append(_sends(api, taken))
    return "".join([*parts, "\n"])


def _wanted(api: Api) -> list[Entry]:
    """What mods say without an answer: intents, and events that they send each other."""
    return [*api.intents.values(), *(entry for entry in api.events.values() if entry.declared.relay)]


def _sends(api: Api, taken: Iterable[str]) -> str:
    """`game.send("rain", strength=0.7)`, for each intent and each event that mods send each other."""
    wanted = _wanted(api)
    if not wanted:
        doc = "This game declares no intent."
        return _function("send", ["self", "name: Never", "/"], "None", doc=doc, indent=4) + "\n"
    parts = []
    for entry in wanted:
        fields = [_parameter(each, each.type, taken) for each in entry.declared.parameters]
        first = [_free("self", entry.declared), f"{_free('name', entry.declared)}: {_literal(entry.name, taken)}", "/"]
        parameters = [*first, *(["*", *fields] if fields else [])]
        parts.append("    @overload\n" if len(wanted) > 1 else "")
        parts.append(_function("send", parameters, "None", indent=4) + "\n")
    return "".join(parts)


def _literal(name: str, taken: Iterable[str]) -> str:
    return written(f"Literal[{name!r}]", list(taken))


def _free(name: str, declared: Declared) -> str:
    """A name for a parameter of ours, beside the game's own: one of them may be called `self`."""
    while any(each.name == name for each in declared.parameters):
        name = f"_{name}"
    return name


# ── text ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _parameter(parameter: Parameter, kind: str, taken: Iterable[str] = ()) -> str:
    return f"{parameter.name}: {written(kind, list(taken))}{'' if parameter.required else ' = ...'}"


def _function(name: str, parameters: list[str], returns: str, *, doc: str = "", indent: int = 0) -> str:
    """A `def` in one line, or with a line for each parameter and a comma at the end, which formatters leave so."""
    margin = " " * indent
    body = f"\n{_quote(doc, indent + 4)}".rstrip("\n") if doc else " ..."
    line = f"{margin}def {name}({', '.join(parameters)}) -> {returns}:"
    if len(line + ("" if doc else body)) > WIDTH:
        lines = "".join(f"{margin}    {each},\n" for each in parameters)
        line = f"{margin}def {name}(\n{lines}{margin}) -> {returns}:"
    return line + body


def _type_variable(name: str, bound: str) -> str:
    line = f"{name} = TypeVar({quoted(name)}, bound={bound})\n"
    return line if len(line) <= WIDTH else f"{name} = TypeVar(\n    {quoted(name)},\n    bound={bound},\n)\n"


def _doc(entry: Entry) -> str:
    """The docstring of the game's function; "": it has none of its own."""
    function: Callable[..., object] = entry.function
    return _clean(inspect.cleandoc(function.__doc__ or "")) if inspect.isroutine(function) else ""


def _docstring(entry: Entry, indent: int) -> str:
    doc = _doc(entry)
    return f"{_quote(doc, indent)}\n" if doc else ""


def _quote(doc: str, indent: int) -> str:
    margin = " " * indent
    first, *rest = _escaped(doc).split("\n")
    if not rest:
        return f'{margin}"""{first[:-1] + chr(92) + chr(34) if first.endswith(chr(34)) else first}"""\n'
    return "".join(
        [f'{margin}"""{first}\n', *(f"{margin}{line}\n" if line else "\n" for line in rest), f'{margin}"""\n']
    )


def _escaped(text: str) -> str:
    """For between three quotes."""
    return text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def _clean(text: str) -> str:
    """Without what a source file cannot hold, or an editor would obey; no blanks at the ends of lines."""
    plain = "".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text)
    return "\n".join(line.rstrip() for line in plain.split("\n")).strip()
