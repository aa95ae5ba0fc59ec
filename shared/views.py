"""A view's memory: one memfd that the game writes and every worker maps for reading; and the words by which they agree.

::

    0           header: MAGIC, CURRENT, MOVED, FENCE, each in a cache line of its own
    HEADER      buffer 0: a description of what is in it (length u32, msgpack), then at HEAD its bytes
    + stride    buffer 1 …

The game fills a buffer that is not current and that nobody has pinned, then stores CURRENT, `version << INDEX_BITS |
index`, with release. A worker that loads CURRENT with acquire sees that buffer and its description in full. It *pins*
the buffer before it uses it: it stores a bit in its own `up` segment, does a sequentially consistent read-modify-write,
and loads CURRENT again; if that names another buffer it starts over. The game stores CURRENT, does such a
read-modify-write too, and only then looks at the pins. So either the game sees the pin, or the worker sees that it came
too late.

A worker's pins are one u64 for each view, at PINS + 8 * place of its `up` segment: the memory's generation in the upper
half, a bit for each buffer in the lower. They are hostile input: see `honest`.
"""

from typing import Final

import msgspec

from ._ring import LETTER

MAGIC: Final = 0x0100_5645_4956_4D48
"""At offset 0 of every view's memory: layout version 1."""
CURRENT: Final = 64
"""u64. 0: nothing was published there yet."""
MOVED: Final = 128
"""u32, the supervisor's. 1: it goes on in another memory, which was announced to every worker before."""
FENCE: Final = 192
"""u32, counted up by the game before it looks at pins."""
HEADER: Final = 4096
HEAD: Final = 4096
"""Bytes in front of the data of each buffer, so that the data begins on a page."""
INDEX_BITS: Final = 6
INDEX_MASK: Final = (1 << INDEX_BITS) - 1

MOST_VIEWS: Final = 32
"""Views of one game. Each is a descriptor in every worker, and its `files` limit is 64."""
MOST_BUFFERS: Final = 32
"""Buffers of one view: a bit each in a pin word."""
MOST_PINNED: Final = 3
"""Buffers of one view that an honest worker has pinned at a time: two that its handler holds, and the newest."""
PINS: Final = LETTER - 1024
"""Where the pins stand in `up`, at the end of the part that `down` needs for its card."""
PINS_BYTES: Final = 8 * MOST_VIEWS
PIN_FENCE: Final = LETTER - 64
"""u32 of `up`, counted up by the worker between a pin and its look at CURRENT."""


class Description(msgspec.Struct, frozen=True, array_like=True):
    """What lies in a buffer."""

    code: str
    """The elements' type as `struct` writes it, in this machine's order; "": numpy alone can name it."""
    dtype: str
    """Their dtype as numpy describes it: the text of a literal, which the *worker* reads."""
    shape: tuple[int, ...]
    nbytes: int


unpack_description: Final = msgspec.msgpack.Decoder(Description).decode
MOST_DESCRIBED: Final = HEAD - 4
"""Bytes of a packed description: some 150 named fields."""


def stride(capacity: int) -> int:
    """Bytes from one buffer to the next, each of which holds `capacity` bytes."""
    return HEAD + -(-max(1, capacity) // HEAD) * HEAD


def memory_bytes(buffers: int, each: int) -> int:
    """Bytes of a view's memory with so many buffers, `each` apart."""
    return HEADER + buffers * each


def honest(word: int, generation: int) -> int:
    """Which buffers, a bit each, a worker's pin word keeps from being filled again.

    None when it speaks of another generation; none either when it claims more than an honest worker ever does: who lies
    can keep MOST_PINNED buffers from use, and that costs the game as much memory and nothing else.
    """
    if word >> 32 != generation:
        return 0
    mask = word & 0xFFFF_FFFF
    return mask if mask.bit_count() <= MOST_PINNED else 0
