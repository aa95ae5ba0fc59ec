"""What comes out of a mod's reply ring, decoded: total, hostile input. Runs in the game."""

from typing import Any, Final

import msgspec

from ..shared.errors import ProtocolError
from ..shared.messages import Failed, Reply, unpacker

decode: Final = msgspec.msgpack.Decoder(Reply).decode
"""Without a wrapper, for the one place where 40 ns count; what it raises is DECODE_ERRORS."""
DECODE_ERRORS: Final = (msgspec.MsgspecError, RecursionError, ValueError, OverflowError)

_parts: Final = unpacker(list[msgspec.Raw], "the mod's worker")
_number: Final = unpacker(int, "the mod's worker")
_TAGS_WITH_ID: Final = (1, 2, 3)
_INTENT_TAG: Final = 4


def read(raw: bytes) -> Any:
    """One reply: Value, Failed, Emitted or Intent; None for an intent that cannot be read.

    A value that msgpack carries and Python does not (a map whose key is a map) fails its own request and nothing else.
    Raises ProtocolError for what is no reply at all.
    """
    try:
        return decode(raw)
    except DECODE_ERRORS as error:
        reason = str(error)
    parts = _parts(raw)
    tag = _number(bytes(parts[0])) if parts else 0
    if tag == _INTENT_TAG and len(parts) == 3:
        return None
    if tag in _TAGS_WITH_ID and len(parts) > 1:
        return Failed(_number(bytes(parts[1])), "PayloadError", f"its answer cannot be read: {reason}", "")
    raise ProtocolError(f"the mod's worker sent {len(raw)} bytes that are no reply: {reason}")
