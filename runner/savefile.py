"""The bytes of a save: what `Mods.save` returns, and `Mods.load` and `describe_save` read. Pure; runs in both.

::

    [magic "FHSAVE" | format | 0] [SHA-256 of the rest] [msgpack: SavedGame]

The checksum finds a save that was cut or changed by accident; it is no signature. What a mod's state holds is opaque
here: only a confined worker of that mod ever opens it, so a stranger's save can do no more than a stranger's mod.
"""

import hashlib
import struct
import time
from typing import Final

import msgspec

from ..shared.errors import ProtocolError, SaveError
from ..shared.messages import pack, unpacker
from ..shared.saved import HEADER, OURS
from ..shared.saved import MAGIC as STATE_MAGIC
from .config import LINES
from .text import escape

MAGIC: Final = b"FHSAVE"
FORMAT: Final = 1
"""Goes up when what follows the checksum changes so that this release could not read it."""
_HEAD: Final = struct.Struct(">6sBB32s")


class SavedMod(msgspec.Struct, frozen=True):
    """One mod in a save. `digest` and `version` (what wrote the state) are for people: a load does not compare them."""

    name: str
    version: int
    digest: str
    state_version: int
    age: float
    note: str
    state: bytes | None
    """Opaque. None: there is none, and `note` says why."""


class SavedGame(msgspec.Struct, frozen=True):
    """All of a save but its head."""

    at: float
    mods: list[SavedMod]


class SavedState(msgspec.Struct, frozen=True):
    """What a save says of one mod.

    Fields: `version` and `digest` (what wrote the state), `state_version` (its STATE_VERSION), `size` (bytes of the
    state; 0: there is none), `age` (seconds the state was old when the save was made; 0: taken at its point), `note`
    (why it is older, or missing).
    """

    version: int
    digest: str
    state_version: int
    size: int
    age: float
    note: str


class SaveInfo(msgspec.Struct, frozen=True):
    """What a save holds, from its bytes alone.

    Fields: `at` (wall clock, seconds since the epoch of Unix), `mods` (name to SavedState).
    """

    at: float
    mods: dict[str, SavedState]

    @property
    def stale(self) -> dict[str, str]:
        """The mods whose state is not of the save's point, or missing, and why."""
        return {name: each.note for name, each in self.mods.items() if each.note}


def describe_save(data: bytes) -> SaveInfo:
    """Return what a save holds and how good it is: for a list of save slots, or right after `Mods.save`.

    Runs no code of a mod's and needs no supervisor. Raises SaveError when `data` is no save.
    """
    game = unpacked(data)
    return SaveInfo(
        game.at,
        {
            each.name: SavedState(
                each.version,
                escape(each.digest, 64),
                each.state_version,
                len(each.state or b""),
                each.age,
                escape(each.note),
            )
            for each in game.mods
        },
    )


def packed(mods: list[SavedMod]) -> bytes:
    """Return a save of these states, made now."""
    body: bytes = pack(SavedGame(time.time(), mods))
    return _HEAD.pack(MAGIC, FORMAT, 0, hashlib.sha256(body).digest()) + body


def unpacked(data: object) -> SavedGame:
    """Return what is in a save. Raises SaveError alone, which says what the bytes are instead."""
    if not isinstance(data, bytes | bytearray | memoryview):
        raise SaveError(f"a save is the bytes that mods.save() returned, not {type(data).__name__}")
    data = bytes(data)
    if not data.startswith(MAGIC):
        raise SaveError(f"these {len(data)} bytes are no save of fumehood's: they do not begin as one")
    if len(data) < _HEAD.size:
        raise SaveError(f"the save was cut: {len(data)} bytes are left of it")
    _, form, _, checksum = _HEAD.unpack_from(data)
    if form != FORMAT:
        raise SaveError(f"the save is of format {form}, and this release reads format {FORMAT}: use the one it is from")
    body = data[_HEAD.size :]
    if hashlib.sha256(body).digest() != checksum:
        raise SaveError("the save was cut or changed since it was made: its checksum is wrong")
    try:
        game: SavedGame = _unpack(body)
    except ProtocolError as error:
        raise SaveError(f"the save cannot be read: {error}") from None
    if len(game.mods) > LINES or len({each.name for each in game.mods}) != len(game.mods):
        raise SaveError(f"the save names a mod twice, or more than {LINES}: it was not made by mods.save()")
    return game


def foreign(state: bytes) -> str:
    """Why no worker here loads these bytes, from the eight that they begin with; "" when one may."""
    if state.startswith(OURS):
        return ""
    if len(state) < HEADER.size or not state.startswith(STATE_MAGIC):
        return f"its {len(state)} bytes do not begin as a saved state does"
    _, major, minor, protocol, _ = HEADER.unpack_from(state)
    _, our_major, our_minor, our_protocol, _ = HEADER.unpack(OURS)
    theirs, ours = f"{major}.{minor} (pickle protocol {protocol})", f"{our_major}.{our_minor} ({our_protocol})"
    return f"its state was written by Python {theirs}, and this is {ours}"


_unpack: Final = unpacker(SavedGame, "a save")
