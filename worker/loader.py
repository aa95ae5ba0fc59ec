"""From the bytes of a snapshot to an imported module, in steps that are timed and fail apart.

::

    snapshot {"__init__.py": …, "sky.py": …, "data/t.json": …}
       │ check    that every name stays below the mod's folder
       │ compile  every file that could be imported, so that a broken one is found before the mod is live
       │ lay      into SCRATCH/mods/weather/…, so that __file__ and the data files beside it are real
       ▼ import   mods.weather, the same name in every version; its parents are namespaces made up here

Compiled before it is laid: for a SyntaxError CPython reads the line from the file, if there is one, and then counts
columns wrongly in one that begins with a byte order mark.

Paths are strings here: what every worker touches in memory that it shares with the zygote is a page of its own from
then on, and pathlib is a dozen of them.

The snapshot's file names are checked although the supervisor made them: what they name came from a mods folder.
Compiled code is used once, at import, and written nowhere: a snapshot is loaded by one process, once.
"""

import importlib
import importlib.util
import io
import os
import sys
import tokenize
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType
from typing import Final

from .misfit import Misfit

ROOT: Final = "mods"
"""The package all mods stand in, and the folder in scratch that the mods root is laid in."""


class Layout:
    """Where a mod's files are laid, and what each would be called when imported."""

    def __init__(self, mod: str, module: str, folder: bool, scratch: str) -> None:
        """`mod`: its key, like `a/x`. `module`: its importable name, like `mods.a.x`. Raises Misfit for a bad key."""
        _check_name(mod)
        self.base = f"{scratch}/{ROOT}/"
        """The absolute folder that stands for the watched root, with its final slash."""
        self.module = module
        self.folder = f"{self.base}{mod}" if folder else f"{self.base}{mod}".rpartition("/")[0]
        """The folder the snapshot's names are relative to."""
        self.main = f"{self.folder}/__init__.py" if folder else f"{self.base}{mod}.py"
        self.is_folder = folder

    def check(self, snapshot: dict[str, bytes]) -> None:
        """Raises Misfit for a name that leads elsewhere, and when the main file is missing."""
        for name in snapshot:
            _check_name(name)
        main = self.main.removeprefix(f"{self.folder}/")
        if main not in snapshot:
            raise Misfit(f"there is no {main} in it", path=self.main, kind="ImportError")

    def lay(self, snapshot: dict[str, bytes]) -> None:
        """Write the files. Raises Misfit: scratch is full, or a file stands where a folder should."""
        for name, data in snapshot.items():
            path = f"{self.folder}/{name}"
            try:
                os.makedirs(path.rpartition("/")[0], exist_ok=True)  # noqa: PTH103 (strings)
                # x: two names for one file would be a surprise
                with open(path, "xb", buffering=0) as file:  # noqa: PTH123 (as above)
                    view = memoryview(data)
                    while view:
                        view = view[file.write(view) :]
            except OSError as error:
                text = f"the mod's files cannot be laid into its scratch folder: {error.strerror}"
                raise Misfit(text, path=path, kind=type(error).__name__) from None

    def name_of(self, name: str) -> str | None:
        """The importable name of one of the snapshot's files; None when it has none."""
        if not self.is_folder:
            return self.module if f"{self.folder}/{name}" == self.main else None
        stem, dot, suffix = name.rpartition(".")
        parts = stem.split("/")
        if not dot or suffix != "py" or not all(part.isidentifier() for part in parts):
            return None
        if parts[-1] == "__init__":
            parts.pop()
        return ".".join([self.module, *parts])


def compile_all(laid: list[tuple[Layout, dict[str, bytes]]]) -> "Finder":
    """Compile every importable file: of the mod, which comes first, and of its libraries.

    Raises Misfit, SyntaxError, and what compile() raises for code beyond it.
    """
    finder = Finder(laid[0][0])
    for layout, snapshot in laid:
        for name in sorted(snapshot):
            module = layout.name_of(name)
            if module is not None:
                finder.add(
                    layout, module, f"{layout.folder}/{name}", _compile(snapshot[name], f"{layout.folder}/{name}")
                )
    return finder


def import_main(layout: Layout, finder: "Finder") -> ModuleType:
    """Import the mod. Raises whatever it raises, any BaseException."""
    sys.meta_path.insert(0, finder)
    importlib.import_module(layout.module)
    module = sys.modules[layout.module]
    if not isinstance(module, ModuleType):
        raise Misfit(f"it put an object that is no module into sys.modules[{layout.module!r}]", path=layout.main)
    return module


class Finder(MetaPathFinder):
    """Finds the modules of this one mod, of what it requires, and their parents: other mods live in other processes."""

    def __init__(self, own: Layout) -> None:
        self._files: dict[str, tuple[str, CodeType]] = {}
        self._namespaces: dict[str, list[str]] = {}
        self._own = own
        self.borrowed: set[str] = set()
        """Paths of the libraries' files: what they define handles nothing here."""
        self._sought: list[str] = []

    def add(self, layout: Layout, name: str, path: str, code: CodeType) -> None:
        """Know a compiled file, and the folders above it, which need no `__init__.py`."""
        self._files[name] = (path, code)
        if layout is not self._own:
            self.borrowed.add(path)
        parent = name.rpartition(".")[0]
        while len(parent) > len(layout.module):
            below = parent[len(layout.module) + 1 :].replace(".", "/")
            self._namespaces.setdefault(parent, [f"{layout.folder}/{below}"])
            parent = parent.rpartition(".")[0]
        parts = layout.module.split(".")
        for end in range(1, len(parts)):
            self._namespaces.setdefault(".".join(parts[:end]), [])

    def own_files(self) -> list[str]:
        """The mod's own files imported so far, in the order in which their import began: the main one first."""
        # sys.modules is no help: it is in the order in which imports ended.
        files = [self._files[name][0] for name in dict.fromkeys(self._sought) if name in sys.modules]
        return [file for file in files if file not in self.borrowed]

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002  # importlib's signature
        target: ModuleType | None = None,  # noqa: ARG002  # importlib's signature
    ) -> ModuleSpec | None:
        """As importlib asks. A file wins over a folder of the same name, unless that folder is a package."""
        found = self._files.get(fullname)
        if found is not None:
            self._sought.append(fullname)
            file, code = found
            below = any(name.startswith(fullname + ".") for name in self._files)  # mods a.py and a/x.py: both are found
            inside = [file.rpartition("/")[0]] if file.endswith("/__init__.py") else [] if below else None
            return importlib.util.spec_from_file_location(
                fullname,
                file,
                loader=_CompiledLoader(fullname, file, code),
                submodule_search_locations=inside,
            )
        folders = self._namespaces.get(fullname)
        if folders is None:
            return None
        spec = ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = folders
        return spec


class _CompiledLoader(SourceFileLoader):
    """A source file's loader, for its source, its resources and its path, whose code was compiled before."""

    def __init__(self, fullname: str, path: str, code: CodeType) -> None:
        super().__init__(fullname, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002  # importlib's signature
        return self._code


def _compile(data: bytes, path: str) -> CodeType:
    """compile(), with the place of what it does not locate: bytes that are no text, and null bytes."""
    null = data.find(b"\0")
    if null >= 0:
        raise _at_byte(f"null byte at byte {null}: source code holds none", "SyntaxError", path, data, null)
    source: str | bytes = data
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline) if _is_marked(data) else ("utf-8", [])
        text = data.decode(encoding)
        if encoding in ("utf-8", "utf-8-sig"):
            source = text  # from bytes CPython counts columns in bytes
    except (SyntaxError, LookupError):
        pass  # bad bytes in the first two lines, or an encoding that nobody knows: looked at below
    except UnicodeDecodeError as error:
        raise _not_text(error, path, data) from None
    if source is data:
        try:
            data.decode()
        except UnicodeDecodeError as error:
            if not _declares_an_encoding(data):
                raise _not_text(error, path, data) from None
    try:
        return compile(source, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        if error.text is None and isinstance(source, str) and error.lineno:
            # The passes after the parser look for the line in the file, which is not there yet.
            lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            error.text = lines[error.lineno - 1] if error.lineno <= len(lines) else None
        raise
    except (MemoryError, RecursionError) as error:
        text = "the compiler gave up: nested too deeply, or larger than the memory the mod may use"
        raise Misfit(text, kind=type(error).__name__, path=path) from None


def _is_marked(data: bytes) -> bool:
    """Whether anything may be said about the encoding: a byte order mark, or words in the first two lines."""
    return data.startswith(b"\xef\xbb\xbf") or _declares_an_encoding(data)


def _declares_an_encoding(data: bytes) -> bool:
    return any(b"coding" in line for line in data.splitlines()[:2])


def _not_text(error: UnicodeDecodeError, path: str, data: bytes) -> Misfit:
    text = f"byte 0x{data[error.start]:02x} at byte {error.start} of the file is not {error.encoding.upper()}"
    return _at_byte(text, "UnicodeDecodeError", path, data, error.start)


def _at_byte(text: str, kind: str, path: str, data: bytes, position: int) -> Misfit:
    """A Misfit whose place is a byte: its line and column (characters), and the line as far as it is text."""
    lines = data[:position].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    before = lines[-1].removeprefix(b"\xef\xbb\xbf").decode(errors="replace")
    rest = data[position : position + 200].splitlines()[0] if data[position : position + 1] not in b"\r\n" else b""
    column = len(before) + 1
    source = before + rest.decode(errors="backslashreplace")
    return Misfit(text, kind=kind, path=path, line=len(lines), column=column, end_column=column + 1, source=source)


def _check_name(name: str) -> None:
    parts = name.split("/")
    if "\0" in name or any(part in ("", ".", "..") for part in parts):
        raise Misfit(f"{name!r} is not a relative path below the mods folder", kind="ValueError")
