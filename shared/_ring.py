"""Stands where the compiled ring is missing, and says why. Python takes `_ring.abi3.so` beside it, if there is one.

A clone of the repository is a folder called ``fumehood`` with an ``__init__.py`` in it, so a program beside it imports
the clone and not what is installed. Nothing but the missing ring tells the two apart.
"""

from pathlib import Path

_package = Path(__file__).resolve().parent.parent

if (_package / "pyproject.toml").exists():
    raise ImportError(
        f"the checkout at {_package} is being imported, not the installed fumehood, and its C part is not compiled: "
        f"run the game from another folder than {_package.parent}, or install with: pip install {_package}",
        name=__name__,
        path=str(_package),
    )
raise ImportError(
    f"the fumehood at {_package} has no C part for this Python: install it anew, with pip",
    name=__name__,
    path=str(_package),
)
