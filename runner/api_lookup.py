"""Finds a game's `Api` by what a person types for it, ``game:api``. The game's own code is imported."""

import importlib
import sys
import traceback
from pathlib import Path

from ..shared.errors import ConfigError
from .api import Api


def find_api(named: str, folder: Path) -> Api:
    """Import the module that `named`, such as ``game:api``, begins with, from `folder` or wherever Python finds it.

    `folder` is put first on sys.path and stays there: the game may import more of its own later. Raises ConfigError,
    one line that says what is wrong: no MODULE:NAME, no such module, a module that fails (and where), no such name, no
    Api.
    """
    module_name, _, name = named.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), *name.split("."))):
        raise ConfigError(f"{named!r}: write MODULE:NAME, such as game:api, for the Api called api in game.py")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        value: object = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            raise ConfigError(f"{named}: there is no module {error.name!r} in {folder} or on Python's path") from None
        raise ConfigError(f"{named}: {module_name} cannot be imported: {_last(error)}") from None
    except Exception as error:  # noqa: BLE001  # the game's own code: whatever it raises ends this in one line
        raise ConfigError(f"{named}: {module_name} cannot be imported: {_last(error)}") from None
    except SystemExit as error:
        raise ConfigError(
            f"{named}: importing {module_name} ends the program (exit status {error.code}): "
            'start the game under `if __name__ == "__main__":`'
        ) from None
    where = module_name
    for part in name.split("."):
        if not hasattr(value, part):
            apis = (
                [each for each, found in vars(value).items() if isinstance(found, Api)] if where == module_name else []
            )
            raise ConfigError(f"{named}: {where} has no {part!r}" + (f"; its Api: {', '.join(apis)}" if apis else ""))
        value, where = getattr(value, part), f"{where}.{part}"
    if not isinstance(value, Api):
        raise ConfigError(f"{named}: it is no Api, but {_kind(value)}: name what `Api(…)` made")
    return value


def _kind(value: object) -> str:
    name = type(value).__name__
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def _last(error: BaseException) -> str:
    """What it raised and where, in one line."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    trace = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in trace if "importlib" not in frame.filename and frame.filename != __file__]
    return f"{text} ({frames[-1].filename}:{frames[-1].lineno})" if frames else text
