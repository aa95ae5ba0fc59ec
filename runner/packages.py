"""What must be visible inside the private root, found by explicit location: fumehood, msgspec, cloudpickle, and the
packages that the game names.

Never a whole site-packages: of each package its own folder or file, what its distribution installed beside it
(`numpy.libs`, `*.dist-info`), and the distributions it requires. The standard library the zygote finds by itself.
"""

import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from ..shared.errors import ConfigError

ALWAYS: Final = ("msgspec", "cloudpickle", "pyseccomp")
"""What the worker side itself imports; the last one in the zygote alone, to compile its filter."""
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_DASHES: Final = re.compile(r"[-_.]+")


class Visible(NamedTuple):
    """Where the packages lie, in the words of `shared.plan.Plan`."""

    packages: dict[str, str]
    named: list[str]
    """The top-level modules that were asked for, of `packages`; the others are required by them or by fumehood."""
    search: list[str]
    companions: list[str]


def fumehood_folder() -> str:
    """The folder of the package that this module belongs to: installed, editable or zipped out of a checkout."""
    return str(Path(__file__).absolute().parent.parent)


def locate(names: Sequence[str]) -> Visible:
    """Find the packages `names` (import or distribution names) with all they require, and those of `ALWAYS`.

    Raises ConfigError for a name that is not installed, or one that is always there.
    """
    if own := [name for name in names if name in sys.stdlib_module_names or name == "fumehood"]:
        raise ConfigError(f"package {own[0]!r} is always there for mods: take it off the list")
    found = _Finder()
    for name in ALWAYS:
        found.add(name)
    named: list[str] = []
    for name in names:
        named += found.add(name)
    return Visible(found.packages, named, sorted(found.search), sorted(found.companions))


class _Finder:
    """Collects locations; each distribution is visited once."""

    def __init__(self) -> None:
        self.packages: dict[str, str] = {}
        self.search: set[str] = set()
        self.companions: set[str] = set()
        self._visited: set[str] = set()

    @cached_property
    def _owners(self) -> Mapping[str, list[str]]:
        """Distributions by top-level module. Reads every installed file list: 0.2 s, so only if asked."""
        return importlib.metadata.packages_distributions()

    def add(self, name: str) -> list[str]:
        """Add a package and what it requires; returns the top-level import names that `name` stands for."""
        if name.isidentifier() and self._add_module(name):
            same = _installed(name)
            for distribution in [same] if same else self._owners.get(name, []):
                self._add_distribution(distribution)
            return [name]
        modules = [module for module, owners in self._owners.items() if _normal(name) in map(_normal, owners)]
        if not modules:
            raise ConfigError(
                f"package {name!r} is not installed for this Python: pip install {name}, or take it off the list"
            )
        for module in modules:
            self.add(module)
        return [module for module in modules if module in self.packages]

    def _add_module(self, name: str) -> bool:
        """Locate one top-level module without executing it."""
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return False
        if spec is None:
            return False
        if spec.submodule_search_locations:
            place = Path(next(iter(spec.submodule_search_locations))).absolute()
        elif spec.origin and spec.has_location:
            place = Path(spec.origin).absolute()
        else:
            return False
        self.packages[name] = str(place)
        self.search.add(str(place.parent))
        return True

    def _add_distribution(self, name: str) -> None:
        """Take in what one distribution installed at the top of its folder, then what it requires."""
        if (key := _normal(name)) in self._visited:
            return
        self._visited.add(key)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            return  # required under a condition that does not hold here
        for file in distribution.files or ():
            top = file.parts[0]
            place = Path(str(distribution.locate_file(top)))
            if top not in ("..", "__pycache__", "/") and place.exists() and not top.endswith(".pth"):
                module = top.partition(".")[0]
                is_module = place.is_dir() and module == top and (place / "__init__.py").exists()
                if (is_module or place.suffix in (".py", ".so")) and module.isidentifier():
                    self._add_module(module)
                else:
                    self.companions.add(str(place.absolute()))
        for requirement in distribution.requires or ():
            if "extra ==" not in requirement and (match := _NAME.match(requirement)):
                self._add_distribution(match[0])


def _normal(name: str) -> str:
    return _DASHES.sub("-", name).lower()


def _installed(name: str) -> str:
    """The distribution of the same name as a module, if that module is in it: so it is for most."""
    try:
        files = importlib.metadata.distribution(name).files or ()
    except importlib.metadata.PackageNotFoundError:
        return ""
    return name if any(file.parts[0].partition(".")[0] == name for file in files) else ""
