"""What comes out of a mod's reply ring, decoded: total, hostile input, at a bounded price. Runs in the game."""

from typing import Any, Final

import msgspec

from ..shared._ring import weigh
from ..shared.errors import ProtocolError
from ..shared.messages import DECODE_ERRORS, Failed, Reply, unpacker

decode_value: Final = msgspec.msgpack.Decoder().decode
"""Without a wrapper, for the one place where 40 ns count; what it raises is DECODE_ERRORS."""
UNWEIGHED: Final = 256
"""Bytes up to which an answer is decoded without being weighed: at worst it takes 50 µs. Larger: a worse worst case;
smaller: more calls pay for being weighed."""
MOST_NS: Final = 2_000_000
"""What decoding one message may cost. Larger: a deadline may pass by as much; smaller: fewer items fit into an answer
(this is 60,000 numbers, or 10,000 lists)."""
OVERHEAD_NS: Final = 500
"""What a message costs beside its decoding: taking it out, looking at it, keeping an intent."""

_decode: Final = msgspec.msgpack.Decoder(Reply).decode
_parts: Final = unpacker(list[msgspec.Raw], "the mod's worker")
_number: Final = unpacker(int, "the mod's worker")
_TAGS_WITH_ID: Final = (1, 2, 3, 5)
_INTENT_TAG: Final = 4


def read(raw: bytes) -> tuple[Any, int]:
    """One reply and what it cost in ns, about; None for an intent that is not read.

    A value that msgpack carries and Python does not (a map whose key is a map), or that is too dear to decode, fails
    its own request and nothing else. Raises ProtocolError for what is no reply at all.
    """
    cost = weigh(raw)
    if 0 <= cost <= MOST_NS:
        try:
            return _decode(raw), cost + OVERHEAD_NS
        except DECODE_ERRORS as error:
            reason = str(error)
    elif cost < 0:
        reason = "a map in it has a list for a key, or it is nested too deeply"
    else:
        reason = f"it holds too many lists and values: decoding it would take {cost / 1e6:.0f} ms"
    return _unread(raw, reason), 2 * OVERHEAD_NS


def _unread(raw: bytes, reason: str) -> Failed | None:
    """Whose answer it is that cannot be read, without reading it."""
    if raw[:1] and raw[0] & 0xF0 == 0x90:  # a short array: the only kind there is of ours, and cheap to take apart
        parts = _parts(raw)
        tag = _number(bytes(parts[0])) if parts else 0
        if tag == _INTENT_TAG and len(parts) == 3:
            return None
        if tag in _TAGS_WITH_ID and len(parts) > 1:
            return Failed(_number(bytes(parts[1])), "PayloadError", f"its answer cannot be read: {reason}", "")
    raise ProtocolError(f"the mod's worker sent {len(raw)} bytes that are no reply: {reason}")
