"""From the bytes of a snapshot to an imported module, in steps that are timed and fail apart.

::

    snapshot {"__init__.py": …, "sky.py": …, "data/t.json": …}
       │ lay      into SCRATCH/mods/weather/…, so that __file__ and the data files beside it are real
       │ compile  every file that could be imported, so that a broken one is found before the mod is live
       ▼ import   mods.weather, the same name in every version; its parents are namespaces made up here

The snapshot's file names are checked although the supervisor made them: what they name came from a mods folder.
Compiled code is used once, at import, and written nowhere: a snapshot is loaded by one process, once.
"""

import importlib
import importlib.util
import io
import sys
import tokenize
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
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
        self.folder = f"{self.base}{mod}" if folder else str(Path(self.base, mod).parent)
        """The folder the snapshot's names are relative to."""
        self.main = f"{self.folder}/__init__.py" if folder else f"{self.base}{mod}.py"
        self.is_folder = folder

    def lay(self, snapshot: dict[str, bytes]) -> None:
        """Write the files. Raises Misfit, OSError (scratch is full)."""
        for name, data in snapshot.items():
            _check_name(name)
            path = Path(self.folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:  # x: two names for one file would be a surprise
                file.write(data)
        if not Path(self.main).is_file():
            raise Misfit(f"there is no {Path(self.main).name} in it", path=self.main, kind="ImportError")

    def name_of(self, name: str) -> str | None:
        """The importable name of one of the snapshot's files; None when it has none."""
        if not self.is_folder:
            return self.module if Path(self.folder, name) == Path(self.main) else None
        stem, dot, suffix = name.rpartition(".")
        parts = stem.split("/")
        if not dot or suffix != "py" or not all(part.isidentifier() for part in parts):
            return None
        if parts[-1] == "__init__":
            parts.pop()
        return ".".join([self.module, *parts])


def compile_all(layout: Layout, snapshot: dict[str, bytes]) -> "Finder":
    """Compile every importable file. Raises Misfit, SyntaxError, and what compile() raises for code beyond it."""
    finder = Finder(layout)
    for name in sorted(snapshot):
        module = layout.name_of(name)
        if module is not None:
            finder.add(module, f"{layout.folder}/{name}", _compile(snapshot[name], f"{layout.folder}/{name}"))
    return finder


def import_main(layout: Layout, finder: "Finder") -> ModuleType:
    """Import the mod. Raises whatever it raises, any BaseException."""
    importlib.invalidate_caches()
    sys.meta_path.insert(0, finder)
    importlib.import_module(layout.module)
    module = sys.modules[layout.module]
    if not isinstance(module, ModuleType):
        raise Misfit(f"it put an object that is no module into sys.modules[{layout.module!r}]", path=layout.main)
    return module


class Finder(MetaPathFinder):
    """Finds this one mod's modules and their parents, and nothing else: other mods live in other processes."""

    def __init__(self, layout: Layout) -> None:
        self._files: dict[str, tuple[str, CodeType]] = {}
        self._namespaces: dict[str, list[str]] = {}
        parts = layout.module.split(".")
        for end in range(1, len(parts)):
            self._namespaces[".".join(parts[:end])] = []
        self._module, self._folder = layout.module, layout.folder

    def add(self, name: str, path: str, code: CodeType) -> None:
        """Know a compiled file, and the folders above it, which need no `__init__.py`."""
        self._files[name] = (path, code)
        parent = name.rpartition(".")[0]
        while len(parent) > len(self._module):
            below = parent[len(self._module) + 1 :].replace(".", "/")
            self._namespaces.setdefault(parent, [f"{self._folder}/{below}"])
            parent = parent.rpartition(".")[0]

    def own_files(self) -> list[str]:
        """The files imported so far in the order in which their import began: the main one first."""
        return [self._files[name][0] for name in list(sys.modules) if name in self._files]

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002  # importlib's signature
        target: ModuleType | None = None,  # noqa: ARG002  # importlib's signature
    ) -> ModuleSpec | None:
        """As importlib asks. A file wins over a folder of the same name, unless that folder is a package."""
        found = self._files.get(fullname)
        if found is not None:
            file, code = found
            return importlib.util.spec_from_file_location(
                fullname,
                file,
                loader=_CompiledLoader(fullname, file, code),
                submodule_search_locations=[file.rpartition("/")[0]] if file.endswith("/__init__.py") else None,
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
        line, column = _line_and_column(data, null)
        text = f"null byte at byte {null}: source code holds none"
        raise Misfit(text, kind="SyntaxError", path=path, line=line, column=column, end_column=column + 1)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError:
        encoding = ""  # an encoding nobody knows, or bytes in the first lines that are not UTF-8
    try:
        data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        line, column = _line_and_column(data, error.start)
        text = (
            f"byte 0x{data[error.start]:02x} at byte {error.start} of the file is not {(encoding or 'utf-8').upper()}"
        )
        raise Misfit(
            text, kind="UnicodeDecodeError", path=path, line=line, column=column, end_column=column + 1
        ) from None
    return compile(data, path, "exec", dont_inherit=True)


def _line_and_column(data: bytes, position: int) -> tuple[int, int]:
    """Line (from 1) and column (characters, from 1) of a byte."""
    before = data[:position].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    last = before.rpartition(b"\n")[2]
    return before.count(b"\n") + 1, len(last.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")) + 1


def _check_name(name: str) -> None:
    parts = name.split("/")
    if "\0" in name or any(part in ("", ".", "..") for part in parts):
        raise Misfit(f"{name!r} is not a relative path below the mods folder", kind="ValueError")
