"""The hostile corpus, as it lies on the disk: one small script for each attack, and what has to become of it.

A script is read here, and run by others: in a confined worker as a mod, and in a throw-away process as a proof that it
does something. It says what it expects as literals; nothing of it is executed to learn that::

    \"""Reads a file of the host by its path.\"""
    FULL = "ENOENT", "private root"
    REDUCED = "EACCES", "Landlock"

    def attack():
        return open(HOST["secret"]).read()

It got what it wanted if `attack` returns. `tests/hostile/README.md` says what else a script may say. Pure but for the
reading.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..shared.errors import ConfigError
from ..shared.policy import Confinement

GOT: Final = "got it"
"""How an attack ends that succeeds."""
KIT: Final = "_kit.py"
"""What every script begins with: system calls by name, and the like."""
_SAID: Final = ("FULL", "REDUCED", "ALONE", "LACKING", "NEEDS_ROOT", "JUDGED", "AT_LOAD", "QUICK", "SECONDS", "LIMITS")


class Fate(NamedTuple):
    """What has to become of an attack in one mode."""

    endings: tuple[str, ...]
    """Any of these: an errno's name, an exception's, or the kind of a diagnostic when the worker died or was ended."""
    layer: str
    """What must stop it. Where it is not stopped: the words in SECURITY.md that say so."""


class Attack(NamedTuple):
    """One script."""

    name: str
    """Its path in the corpus, without the ending: "files/passwd"."""
    wants: str
    text: str
    full: Fate
    reduced: Fate
    alone: str
    """Why it cannot be proved by letting it succeed; empty: it has to."""
    lacking: dict[str, str]
    """Endings of the proof that mean that this machine lacks what is attacked, with what that is."""
    needs_root: bool
    """Whether only root can prove it."""
    judged: str
    """"mod": it knows itself whether it got what it wanted. "game": it has if others notice."""
    at_load: bool
    """Whether it strikes while the mod is imported."""
    quick: bool
    """Whether it belongs to what `fumehood doctor --attack` tries."""
    seconds: float
    """How long it may take in a worker."""
    limits: dict[str, Any]
    """What differs from the usual limits, as a mod lowers them for itself."""

    @property
    def planted(self) -> bool:
        """Whether it attacks by what lies in the mods folder: `plant(root)` puts it there."""
        return "\ndef plant(" in self.text

    @property
    def has_after(self) -> bool:
        """Whether it has a second half, `after()`, for a fresh worker of the same mod."""
        return "\ndef after(" in self.text

    def fate(self, mode: Confinement) -> Fate:
        """What has to become of it in that mode."""
        return self.full if mode is Confinement.FULL else self.reduced


def folder() -> Path:
    """Where the corpus lies: in an installed package, or in a checkout imported in place. Raises ConfigError."""
    package = Path(__file__).absolute().parent.parent
    for place in (package / "attacks", package / "tests" / "hostile" / "attacks"):
        if (place / KIT).is_file():
            return place
    raise ConfigError(f"the attacks are not in {package}: the installation is not whole; install fumehood again")


def read(where: Path | None = None) -> list[Attack]:
    """All attacks, by name. Raises ConfigError with file and line for a script that does not say what it has to."""
    root = where or folder()
    return list(_read(root))


def kit(where: Path | None = None) -> str:
    """What is put before each script."""
    return ((where or folder()) / KIT).read_text()


def _read(root: Path) -> Iterator[Attack]:
    for file in sorted(root.glob("*/*.py")):
        if not file.name.startswith("_"):
            yield parse(str(file.relative_to(root).with_suffix("")), file.read_text())


def parse(name: str, text: str) -> Attack:
    """One script. Raises ConfigError."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise ConfigError(f"attack {name}: line {error.lineno}: {error.msg}") from None
    said: dict[str, Any] = {}
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in _SAID:
            try:
                said[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                raise ConfigError(f"attack {name}: line {node.lineno}: {node.targets[0].id} is no literal") from None
    wants = (ast.get_docstring(tree) or "").partition("\n\n")[0].replace("\n", " ")
    if not wants or "FULL" not in said or "attack" not in functions:
        raise ConfigError(f"attack {name}: it needs a docstring, FULL = ending, layer, and attack()")
    full = _fate(name, said["FULL"])
    return Attack(
        name=name,
        wants=wants,
        text=text,
        full=full,
        reduced=_fate(name, said["REDUCED"]) if "REDUCED" in said else full,
        alone=said.get("ALONE", ""),
        lacking=said.get("LACKING", {}),
        needs_root=said.get("NEEDS_ROOT", False),
        judged=said.get("JUDGED", "mod"),
        at_load=said.get("AT_LOAD", False),
        quick=said.get("QUICK", False),
        seconds=said.get("SECONDS", 5.0),
        limits=said.get("LIMITS", {}),
    )


def _fate(name: str, said: object) -> Fate:
    match said:
        case (str(endings), str(layer)) if endings and layer:
            return Fate(tuple(endings.split("|")), layer)
    raise ConfigError(f"attack {name}: an outcome is two texts: ending, layer")
