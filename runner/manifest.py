"""What a mod says about itself: `[tool.fumehood]` in a script's PEP 723 block, or `mod.toml` in a folder.

::

    # /// script                                   # mod.toml
    # [tool.fumehood]                              game-api = ">=2,<3"
    # game-api = ">=2,<3"                          requires = ["economy"]
    # requires = ["economy"]
    #                                              [limits]
    # [tool.fumehood.limits]                       memory = "64 MiB"
    # memory = "64 MiB"
    # ///

The file is hostile: whatever it holds gives a `Manifest` or one `Refused` with file and line. A key nobody knows is an
error and not ignored, because a misspelt limit that silently does not hold is worse than a mod that does not load.
Dashes and underscores in keys are the same. Keys outside `[tool.fumehood]` belong to other tools and are left alone.
Pure; runs in the supervisor.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator
from typing import Annotated, Any, Final

import msgspec

from ..shared.messages import Diagnostic
from ..shared.policy import Limits
from ..shared.states import Stage
from . import amounts
from .terms import LONGEST_RANGE, specifiers
from .text import LONGEST_LINE, escape

FILE: Final = "mod.toml"
MOST_BYTES: Final = 16 * 1024
"""A larger manifest is refused: tomllib takes up to 15 us a byte, and nobody writes so much by hand. Of a script it is
also how many bytes of comments below opening lines are looked at: a file may have a million of those lines."""
MOST_DOTS: Final = 100
"""Dots in one line. tomllib takes time quadratic in the parts of a key, and a key stands in one line: one of 32,000
parts held the supervisor up for a minute. Fewer: a long description on one line is refused."""
LONGEST_KEY: Final = 200
"""Characters of a key that are looked at and quoted: all keys there are have fewer. With one of 15,000 it took half a
second to guess what was meant by it."""

# They begin with letters that do not vary, which `re` looks for fast; the look back at the line's start comes after.
_OPENING: Final = re.compile(rb"# /// script(?<![^\r\n]# /// script)[ \t\v\f]*+(?:\r\n?|\n)(?=#(?:[ \r\n]|\Z))")
"""The first line of a block, with a comment below it."""
_CLOSING: Final = re.compile(rb"# ///(?<![^\r\n]# ///)[ \t\v\f]*+(?:[\r\n]|\Z)")
_COMMENTS: Final = re.compile(rb"(?:#(?: [^\r\n]*+)?+(?:\r\n?|\n))*+")
"""What a block consists of; its last closing line ends it."""
_THE_GAMES: Final = {"ring_bytes": "a mod's rings are made before any version of it is read"}
OWN_LIMITS: Final = tuple(name for name in Limits.__struct_fields__ if name not in _THE_GAMES)
"""What a mod may lower for itself."""
_QUOTES: Final = ('"""', "'''")


class Refused(Exception):
    """Raised when a mod's files cannot become a snapshot; carries the diagnostic. The mod's fault, never ours."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


def refusal(kind: str, message: str, file: str, line: int = 0, column: int = 0, source: str = "") -> Refused:
    """Return the error for a mod whose files are refused. Texts are escaped and bounded here."""
    return Refused(
        Diagnostic(
            stage=Stage.SNAPSHOT,
            kind=kind,
            message=escape(message),
            file=escape(file, LONGEST_LINE),
            line=line,
            column=column,
            source=escape(source, LONGEST_LINE),
        )
    )


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What one version of a mod asks for. Everything has a default; most mods have no manifest at all."""

    game_api: Annotated[str, msgspec.Meta(max_length=LONGEST_RANGE)] = ""
    """Versions of the game's `Api` it was written for, like ">=2,<3" (PEP 440). Empty: any. A game without an `Api` has
    none, and takes it."""
    requires: tuple[str, ...] = ()
    """Keys of mods that load before it."""
    permissions: tuple[str, ...] = ()
    """Names of what it asks to be allowed beyond the default. A game grants none yet, so a mod that asks is refused:
    permissions that are declared and mean nothing would be worse."""
    order: Annotated[int, msgspec.Meta(ge=-1_000_000, le=1_000_000)] = 0
    """Among mods that do not require each other the lower loads first, then by key."""
    description: str = ""
    limits: dict[str, int | float] = {}
    """Limits it sets for itself; each at most the game's."""

    def within(self, ceiling: Limits) -> Limits:
        """The limits that hold for it: the game's, lowered by its own. Its own never raise one."""
        lowered = {name: min(value, getattr(ceiling, name)) for name, value in self.limits.items()}
        return msgspec.structs.replace(ceiling, **lowered)


def read(files: dict[str, bytes], *, folder: bool, name: str, where: str, ceiling: Limits) -> Manifest:
    """Return the manifest in a mod's files.

    `name`: the single file's name in `files`, or "" for a folder. `where`: the mod's place below the root, for the
    diagnostic: "a/" for a/x.py, "weather/" for a folder. `ceiling`: the game's limits. Raises `Refused`.
    """
    if not folder:
        return _script(files[name], where + name, ceiling)
    if FILE in files:
        return _Reader(files[FILE], where + FILE, 0, ceiling).folder()
    block = _block(files.get("__init__.py", b""), where + "__init__.py")
    if block and "fumehood" in _Reader(*block, ceiling).tools():
        raise refusal(
            "ManifestError", f"the settings of a folder mod stand in its {FILE}, not in __init__.py", block[1], block[2]
        )
    return Manifest()


def _script(data: bytes, file: str, ceiling: Limits) -> Manifest:
    block = _block(data, file)
    return _Reader(*block, ceiling).script() if block else Manifest()


def _block(data: bytes, file: str) -> tuple[bytes, str, int] | None:
    """The TOML inside the PEP 723 block, the file, and the number of the line before its first.

    Not by the PEP's regular expression, which takes time quadratic in a file full of opening lines; nor by line, since
    a file has megabytes. Past the opening lines no more than MOST_BYTES are looked at, all that open nothing included.
    """
    found: tuple[bytes, str, int] | None = None
    left = MOST_BYTES
    end = 0
    while opening := _OPENING.search(data, end):
        start = opening.end()
        behind = data[start : start + left]
        if start + left >= len(data):
            behind += b"\n"  # the file's last line need not have one
        comments = _COMMENTS.match(behind)
        assert comments is not None  # it matches nothing, too
        lines = comments[0].splitlines()
        last = next((at for at in reversed(range(len(lines))) if lines[at].rstrip() == b"# ///"), None)
        end = start + comments.end()
        left -= comments.end()
        rest = behind[comments.end() :]
        goes_on = end < len(data) and (rest in (b"", b"#") or rest.startswith(b"# "))
        if goes_on and _CLOSING.search(data, end):
            raise refusal(
                "ManifestError", f"the manifest is longer than {MOST_BYTES} bytes", file, _number(data, opening.start())
            )
        if last is not None:
            line = _number(data, opening.start())
            if found:
                raise refusal("ManifestError", "a file has at most one `# /// script` block", file, line)
            found = b"\n".join(line[2:] for line in lines[:last]), file, line
        if goes_on:
            break  # and nothing is closed from here on
    return found


def _number(data: bytes, at: int) -> int:
    """The line that this byte stands in, 1-based, as `splitlines` counts."""
    return 1 + data.count(b"\n", 0, at) + data.count(b"\r", 0, at) - data.count(b"\r\n", 0, at)


class _Reader:
    """One TOML text of a mod: parsed and checked; every complaint names the line."""

    def __init__(self, data: bytes, file: str, offset: int, ceiling: Limits) -> None:
        self._file = file
        self._offset = offset
        self._ceiling = ceiling
        self._lines: list[str] = []
        if len(data) > MOST_BYTES:
            raise self._wrong(f"the manifest is longer than {MOST_BYTES} bytes")
        try:
            self._text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise self._wrong("the manifest is not UTF-8", 1 + data.count(b"\n", 0, error.start)) from None
        self._lines = self._text.split("\n")
        if deep := next((at for at, line in enumerate(self._lines, 1) if line.count(".") > MOST_DOTS), 0):
            raise self._wrong(f"more than {MOST_DOTS} dots in one line: no key is nested so deeply", deep)
        self._document = self._parse()

    def tools(self) -> dict[str, Any]:
        tool = self._document.get("tool", {})
        return tool if isinstance(tool, dict) else {}

    def script(self) -> Manifest:
        return self._manifest(self.tools().get("fumehood", {}))

    def folder(self) -> Manifest:
        if "fumehood" not in self.tools():
            return self._manifest(self._document)
        if (extra := next((key for key in self._document if key != "tool"), None)) is not None:
            text = f"{extra[:LONGEST_KEY]!r} stands beside [tool.fumehood]: use one of the two forms"
            raise self._wrong(text, self._line(extra))
        return self.script()

    def _parse(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self._text)
        except RecursionError:
            raise self._wrong("the manifest is nested too deeply") from None
        except ValueError as error:  # TOMLDecodeError, and what a date or a number of 5000 digits lets out
            text = str(error)
            said, _, where = text.rpartition(" (at line ")  # its end, whatever the keys that it quotes hold
            line, _, column = where.removesuffix(")").partition(", column ")
            if said and line.isdecimal() and column.isdecimal():
                raise self._wrong(said, int(line), int(column)) from None
            at_end = len(self._lines) if "end of document" in text else 0
            raise self._wrong(text.partition(" (at end")[0], at_end) from None

    def _manifest(self, table: Any) -> Manifest:
        settings = self._known(table, Manifest.__struct_fields__, "tool.fumehood")
        limits = self._limits(settings.pop("limits", {}))
        try:
            manifest = msgspec.convert({**settings, "limits": limits}, Manifest)
        except msgspec.ValidationError as error:
            text, _, path = str(error).partition(" - at `$.")
            key = path.rstrip("`").partition("[")[0]
            raise self._wrong(f"{key.replace('_', '-')}: {text}", self._line(key)) from None
        if manifest.game_api and specifiers(manifest.game_api) is None:
            text = f"game-api: {manifest.game_api!r:.80} is no range of versions such as '>=2,<3'"
            raise self._wrong(text, self._line("game_api"))
        if manifest.permissions:
            asked = manifest.permissions[0]
            raise self._wrong(
                f"permissions: {asked!r} cannot be granted: no game grants any", self._line("permissions")
            )
        return manifest

    def _limits(self, table: Any) -> dict[str, int | float]:
        limits = {name: self._limit(name, value) for name, value in self._known(table, OWN_LIMITS, "limits").items()}
        wanted = msgspec.structs.replace(self._ceiling, **limits)
        if over := wanted.within(self._ceiling):
            name = over[0]
            raise self._wrong(
                f"{name} = {limits[name]} is more than the game allows ({getattr(self._ceiling, name)}): "
                "a mod may only lower its limits",
                self._line(name),
            )
        return limits

    def _limit(self, name: str, value: Any) -> int | float:
        try:
            return amounts.read(name, value)
        except ValueError as error:
            raise self._wrong(f"{name}: {error}", self._line(name)) from None

    def _known(self, table: Any, names: tuple[str, ...], what: str) -> dict[str, Any]:
        if not isinstance(table, dict):
            raise self._wrong(f"{what} has to be a table", self._line(what.rpartition(".")[2]))
        known: dict[str, Any] = {}
        # The first unknown key ends it: a manifest of 10,000 wrong keys gives one message.
        for whole, value in table.items():
            key = whole[:LONGEST_KEY]
            name = key.replace("-", "_")
            if name in _THE_GAMES:
                raise self._wrong(f"{key!r} is the game's to set: {_THE_GAMES[name]}", self._line(key))
            if name not in names:
                near = difflib.get_close_matches(name, names, 1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(names)}"
                raise self._wrong(f"unknown key {key!r} in {what}{hint}", self._line(key))
            if name in known:
                raise self._wrong(f"{key!r} is set twice in {what}", self._line(key))
            known[name] = value
        return known

    def _line(self, key: str) -> int:
        """The line that most likely sets `key`, 1-based; 0 when it cannot be told."""
        sought = _spelled(key)
        return next((number for number, line in self._likely() if sought in _set_in(line)), 0)

    def _likely(self) -> Iterator[tuple[int, str]]:
        """The lines with their numbers, those inside strings of several lines last: what stands there sets nothing.

        Which those are is a guess that a comment with three quotes spoils, so none is left out.
        """
        inside = ""
        put_off = []
        for number, line in enumerate(self._lines, 1):
            if inside:
                put_off.append((number, line))
                inside = "" if inside in line else inside
                continue
            yield number, line
            inside = min((quotes for quotes in _QUOTES if line.count(quotes) % 2), key=line.find, default="")
        yield from put_off

    def _wrong(self, message: str, line: int = 0, column: int = 0) -> Refused:
        source = self._lines[line - 1] if 0 < line <= len(self._lines) else ""
        shift = 2 if self._offset and column else 0  # the "# " that the block's lines begin with
        return refusal("ManifestError", message, self._file, line and line + self._offset, column + shift, source)


def _spelled(part: str) -> str:
    """A part of a key, so that the ways to write it are the same."""
    return part.strip().strip("\"'").replace("-", "_")[:LONGEST_KEY]


def _set_in(line: str) -> set[str]:
    """The parts of all keys that a line seems to set: a table's, one before "=", and those of tables on one line.

    By what stands where and not by a regular expression: one took a time for a line of brackets that is cubic in them.
    """
    line = line.strip()
    if not line or line.startswith("#"):
        return set()
    if line.startswith("["):
        keys = [line.lstrip("[ ").partition("]")[0]]
    else:
        first, *others = line.split("=")
        marks = ((before, max(before.rfind("{"), before.rfind(","))) for before in others[:-1])
        keys = [first] * bool(others) + [before[at + 1 :] for before, at in marks if at >= 0]
    text = line.lstrip("[ ")
    if text.startswith(("'", '"')):  # it may hold any of the marks above
        quoted, _, behind = text[1:].partition(text[0])
        keys += [quoted] * behind.lstrip().startswith(("=", ".", "]"))
    return {_spelled(part) for key in keys for part in (key, *key.split("."))}
