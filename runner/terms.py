"""What the game that is attached declares, as the supervisor holds it: told to every worker, compared with manifests.

The supervisor runs nothing by it; what a mod sends is checked in the game, by the functions themselves.
"""

from contextlib import suppress
from typing import Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from ..shared.contract import Contract, unpack_contract
from ..shared.messages import Diagnostic
from ..shared.states import Stage
from .text import escape

MISMATCH: Final = "GameApiMismatch"
UNKNOWN_EVENT: Final = "UnknownEvent"
UNFIT_HANDLER: Final = "UnfitHandler"
BY_CONTRACT: Final = (MISMATCH, UNKNOWN_EVENT, UNFIT_HANDLER)
"""What diagnostics call a version that does not fit the game. Another game may take it."""


LONGEST_RANGE: Final = 200
"""Characters of a range of versions. More: `packaging` takes numbers of more digits than Python does, and only raises
when a version is compared with them; and each game that attaches is compared with all mods."""


def specifiers(text: str) -> SpecifierSet | None:
    """``>=2,<3`` as PEP 440 has it, of printable characters (``===`` takes any); None: it is none."""
    if len(text) > LONGEST_RANGE or not text.isprintable():
        return None
    try:
        return SpecifierSet(text)
    except InvalidSpecifier:
        return None


class Terms:
    """One game's contract, or none."""

    def __init__(self, packed: bytes = b"") -> None:
        """Raises ProtocolError: it is no contract."""
        self.packed = packed
        self.contract: Contract | None = unpack_contract(packed) if packed else None

    def judge(self, game_api: str) -> Diagnostic | None:
        """Why a mod whose manifest says this `game-api` is not for this game; None: it is.

        A game that declares nothing has no version to compare, and takes every mod.
        """
        if self.contract is None or not game_api:
            return None
        wanted = specifiers(game_api)
        with suppress(ValueError):  # the game's version is none, or has a number of more digits than Python takes
            if wanted is not None and wanted.contains(self.contract.version, prereleases=True):
                return None
        ours = f"{self.contract.name} {self.contract.version}"
        text = f"it was written for game-api {escape(game_api, LONGEST_RANGE)}, and this game is {ours}"
        return Diagnostic(Stage.BIND, MISMATCH, text)
