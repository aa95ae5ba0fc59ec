"""The settings of a supervisor: defaults, then ``fumehood.toml``, then the command line; the last one that speaks wins.

::

    # fumehood.toml, beside the mods folder, never inside it
    root = "mods"               # relative to this file
    confinement = "full"        # or "reduced"
    watcher = "auto"            # or "native", "polling"
    packages = ["numpy"]        # what mods may import beyond the standard library
    most_mods = 500             # a folder with more is refused
    log_format = "text"         # or "json"
    log_level = "info"

    [limits]                    # what one mod may use: shared.policy.Limits names them all
    memory = "256 MiB"
    hang_after = 1.0

The file is not looked for inside the mods folder: whoever may drop a mod there would set the limits he lives under.

Rejected: environment variables (a third place to look when a limit is not what one thinks), and ignoring unknown keys
(a misspelt limit that silently does not hold is a hole).
"""

import contextlib
import difflib
import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec

from ..shared.errors import ConfigError
from ..shared.policy import Confinement, Limits
from . import amounts

FILE_NAME: Final = "fumehood.toml"

LONGEST_FILE: Final = 256 * 1024
"""Bytes of a configuration file. A person's has hundreds; a larger one is the wrong file, and is not read whole."""


MOST_MODS: Final = 500
"""Mods in one folder unless the game says otherwise: every `.py` below the root is one, and each takes two processes.
More: a wrong folder (a home, a checkout with its virtual environment) starts thousands before anybody notices."""
LINES: Final = 4096
"""As many mods as one supervisor can serve: `switchboard.MOST_MODS`, which is not imported, since it needs the ring."""


class Watcher(StrEnum):
    """How changes on disk are noticed."""

    AUTO = "auto"
    """The native one where it works, else polling."""
    NATIVE = "native"
    """inotify: at once, and free when nothing changes. Serves no network folders, and needs watches to be left."""
    POLLING = "polling"
    """Looks at every file every 2 s. Works on any folder."""


class LogFormat(StrEnum):
    """How a log line looks."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """The least important line that is still written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a supervisor can be told. Each field is a key of ``fumehood.toml``."""

    root: str | None = None
    """The mods folder. A relative path in a file counts from that file."""
    confinement: Confinement = Confinement.FULL
    watcher: Watcher = Watcher.AUTO
    packages: tuple[str, ...] = ()
    """Importable names that are preloaded for the mods, beyond the standard library."""
    limits: Limits = Limits()
    most_mods: int = MOST_MODS
    """Mods the folder may hold: a folder with more is refused, and what comes later is not started."""
    deterministic: int | None = None
    """A seed from 0: the same seed, events and snapshots give the same intents. Clocks show what the game says."""
    log_format: LogFormat = LogFormat.TEXT
    log_level: LogLevel = LogLevel.INFO


LEAST_RING: Final = 4096
MOST_RING: Final = 64 * 2**20
"""Bytes of a ring. Below a page even one traceback does not fit; each of a mod's four slots may hold two of them."""


def find(start: Path) -> Path | None:
    """Return ``start/fumehood.toml`` if there is one. Parents are not searched: a setting should be in plain sight."""
    file = start / FILE_NAME
    return file if file.is_file() else None


def read(file: Path) -> Config:
    """Read a configuration file; its `root` comes back absolute.

    Raises ConfigError, which names the file and the key or line, for everything that can be wrong with it.
    """
    try:
        with file.open("rb") as stream:
            data = stream.read(LONGEST_FILE + 1)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    if len(data) > LONGEST_FILE:
        raise ConfigError(f"{file}: is longer than {LONGEST_FILE // 1024} KiB; is this the right file?")
    try:
        table = tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}: line {line} is not UTF-8 (byte 0x{data[error.start]:02x})") from None
    except tomllib.TOMLDecodeError as error:
        hint = '; text needs quotes, as in root = "mods"' if "Invalid value" in str(error) else ""
        raise ConfigError(f"{file}: is not TOML: {error}{hint}") from None
    except RecursionError:
        raise ConfigError(f"{file}: is nested too deeply; no setting is a list of lists") from None
    except ValueError as error:  # what tomllib lets out of a number of 5000 digits
        raise ConfigError(f"{file}: holds a value that cannot be read: {error}") from None
    config = parse(table, str(file))
    if config.root is None:
        return config
    try:
        root = (file.parent / Path(config.root).expanduser()).absolute()
        inside = file.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, `~nobody`, a null character
        raise ConfigError(f"{file}: root: {amounts.shown(config.root)} is no folder: {error}") from None
    config = msgspec.structs.replace(config, root=str(root))
    if inside:
        raise ConfigError(
            f"{file}: lies inside the mods folder it names, where a mod's author could change it; "
            f"move it beside {config.root}"
        )
    return config


def parse(table: Mapping[str, Any], where: str) -> Config:
    """Turn the keys of a file (or of the command line) into a Config. `where` begins every message.

    Raises ConfigError: an unknown key, with the nearest known one; a value of the wrong type or out of its range.
    """
    settings = _known(table, Config.__struct_fields__, where, "")
    limits = settings.get("limits", {})
    if not isinstance(limits, Mapping):
        raise ConfigError(f"{where}: limits: expected a table, `[limits]`, not {amounts.shown(limits)}")
    limits = _known(limits, Limits.__struct_fields__, where, "limits.")
    settings["limits"] = {name: _amount(name, value, f"{where}: limits.{name}") for name, value in limits.items()}
    _refuse_unknown_names(settings, where)
    packages = settings.get("packages", ())
    if not isinstance(packages, list | tuple):
        such = json.dumps([packages if isinstance(packages, str) and packages else "numpy"])
        raise ConfigError(f"{where}: packages: expected a list, such as {such}, not {amounts.shown(packages)}")
    try:
        config = msgspec.convert(settings, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {_plain(error)}") from None
    _refuse_out_of_range(config, where)
    return config


def merge(config: Config, options: Mapping[str, Any], where: str = "command line") -> Config:
    """Lay options over a config; those that are None were not given. ``limits`` is merged field by field.

    Raises ConfigError as `parse`.
    """
    given = {name: value for name, value in options.items() if value is not None and name != "limits"}
    if given_limits := options.get("limits"):
        given["limits"] = given_limits
    over = parse(given, where)
    changed = {name: getattr(over, name) for name in given if name != "limits"}
    if given_limits:
        changed["limits"] = msgspec.structs.replace(
            config.limits, **{name: getattr(over.limits, name) for name in given_limits}
        )
    return msgspec.structs.replace(config, **changed)


def parse_limit(text: str) -> tuple[str, Any]:
    """Split ``NAME=VALUE`` of the option ``--limit``. Raises ConfigError."""
    name, equals, value = text.partition("=")
    name, value = name.strip().replace("-", "_"), value.strip()
    if not (equals and name and value):
        raise ConfigError(f"--limit {text}: expected NAME=VALUE, such as memory=64MiB")
    if name not in Limits.__struct_fields__:
        raise ConfigError(f"--limit {name}: {amounts.unknown(name)}")
    return name, _amount(name, _number(value), f"--limit {name}")


def _number(text: str) -> int | float | str:
    """The number that `text` is, or `text` itself."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def _amount(name: str, value: Any, where: str) -> int | float:
    try:
        return amounts.read(name, value)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def check_root(root: str | Path) -> Path:
    """Return the mods folder as an absolute path, links resolved.

    Raises ConfigError when it does not exist, is no folder, or may not be listed.
    """
    if not os.fspath(root):
        raise ConfigError("the mods folder's name is empty; for the current folder say: .")
    if "\0" in os.fspath(root):
        raise ConfigError(f"{os.fspath(root)!r}: the mods folder cannot have that name: no path holds a null character")
    path = Path(root)
    try:
        path = path.expanduser()
        resolved = path.resolve(strict=True)
        if not resolved.is_dir():
            raise ConfigError(f"{path}: the mods folder is a file; name the folder that holds it: {path.parent}")
        with_any = next(resolved.iterdir(), None)
    except FileNotFoundError:
        raise ConfigError(f"{path}: the mods folder does not exist; make it with: mkdir -p {path}") from None
    except (OSError, RuntimeError) as error:  # RuntimeError: `~nobody`; a loop of links, before Python 3.13
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path}: the mods folder cannot be read: {reason}") from None
    if resolved == Path(resolved.anchor):
        raise ConfigError(f"{path}: the mods folder is the whole file system; name a folder that holds mods alone")
    del with_any  # an empty folder is fine: mods may come later
    return resolved


def _known(table: Mapping[str, Any], known: Iterable[str], where: str, prefix: str) -> dict[str, Any]:
    """Return the table with its keys as fields are called: dashes and underscores are the same, as in a manifest."""
    names = sorted(known)
    settings: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in names:
            near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
            hint = f"did you mean {prefix}{near[0]}?" if near else "known keys: " + ", ".join(names)
            raise ConfigError(f"{where}: {prefix}{key}: there is no such setting; {hint}")
        if name in settings:
            raise ConfigError(f"{where}: {prefix}{key}: is set twice, with a dash and with an underscore")
        settings[name] = value
    return settings


def _refuse_unknown_names(settings: Mapping[str, Any], where: str) -> None:
    """Check the settings that are one of a few names, so that a wrong one is answered with the list."""
    for key, kind in (
        ("confinement", Confinement),
        ("watcher", Watcher),
        ("log_format", LogFormat),
        ("log_level", LogLevel),
    ):
        value = settings.get(key, next(iter(kind)))
        names = [str(member) for member in kind]
        if not isinstance(value, str) or value not in names:
            raise ConfigError(f"{where}: {key}: expected one of {', '.join(names)}, not {amounts.shown(value)}")


def _refuse_out_of_range(config: Config, where: str) -> None:
    for name in config.packages:
        if not all(part.isidentifier() for part in name.split(".")):
            raise ConfigError(f"{where}: packages: {name!r} is not a name that `import` takes")
    if config.deterministic is not None and not 0 <= config.deterministic < 2**32:
        found = amounts.shown(config.deterministic)
        raise ConfigError(f"{where}: deterministic: expected a seed from 0 to {2**32 - 1}, not {found}")
    if not 1 <= config.most_mods <= LINES:
        found = amounts.shown(config.most_mods)
        raise ConfigError(f"{where}: most_mods: expected a number from 1 to {LINES}, not {found}")
    ring = config.limits.ring_bytes
    if ring & (ring - 1) or not LEAST_RING <= ring <= MOST_RING:
        raise ConfigError(
            f"{where}: limits.ring_bytes: expected a power of two from {LEAST_RING} to {MOST_RING}, not {ring}"
        )


def _plain(error: msgspec.ValidationError) -> str:
    """Turn msgspec's "Expected `int`, got `str` - at `$.limits.files`" round, so that the key comes first."""
    message, _, path = str(error).partition(" - at `$.")
    message = message.replace("`str | null`", "text").replace("`str`", "text").replace("`", "")
    return f"{path.rstrip('`')}: {message[:1].lower()}{message[1:]}" if path else message
