"""Inputs for the fuzzer: bytes turned this way and that, and values shaped as a type says but for a few lies.

No coverage guides it: the targets are small, each input is interpreted in full, and what is made here knows their
structure. Everything is drawn from the given `random.Random`, so a seed gives the same inputs again.
"""

import random
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import inspect

NUMBERS: Final = (
    0, 1, 2, 3, 7, 8, 9, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 511, 512, 1023, 4095, 4096, 16384, 24576,
    2**15, 2**16 - 1, 2**16, 2**31 - 1, 2**31, 2**32 - 8, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 8, 2**64 - 1,
)  # fmt: skip
TEXTS: Final = (
    "", "a", "\0", "\n", "ä", "\u202e", "\x1b[2J", "__init__", "../..", "/", ".", "x" * 300, "\U0010ffff",
    "e\u0301" * 9, "tile", "rain", "tick", "save", "Diagnostic", "%s%n", "{0}", "[bold]", "1e999", "nan",
)  # fmt: skip
LONGEST: Final = 60_000
"""Bytes of an input. Longer: fewer of them a second; no datagram or letter of a worker's is longer."""


def havoc(rng: random.Random, data: bytes, dictionary: Sequence[bytes], others: Sequence[bytes]) -> bytes:
    """Change an input in one to eight places."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 4, 8))):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(10):
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << rng.randrange(8)
            case 1 if changed:
                changed[at % len(changed)] = rng.randrange(256)
            case 2:
                width = rng.choice((1, 2, 4, 8))
                number = rng.choice(NUMBERS) % (1 << 8 * width)
                changed[at : at + width] = number.to_bytes(width, rng.choice(("little", "big")))
            case 3:
                changed[at:at] = rng.randbytes(rng.choice((1, 2, 8, 40)))
            case 4:
                del changed[at : at + rng.choice((1, 2, 8, 64))]
            case 5:
                changed[at:at] = changed[at : at + rng.choice((1, 8, 64))] * rng.choice((1, 2, 30))
            case 6 if dictionary:
                changed[at:at] = rng.choice(dictionary)
            case 7 if dictionary:
                token = rng.choice(dictionary)
                changed[at : at + len(token)] = token
            case 8:
                del changed[at:]
            case 9 if others:
                changed[at:] = rng.choice(others)[at // 2 :]
        del changed[LONGEST:]
    return bytes(changed)


def value(rng: random.Random, depth: int = 0) -> Any:
    """Anything that msgpack carries."""
    match rng.randrange(12 if depth < 4 else 9):
        case 0:
            return rng.choice((None, True, False))
        case 1 | 2:
            return rng.choice((1, 1, 1, -1)) * min(rng.choice(NUMBERS), 2**63)
        case 3:
            return rng.choice((0.0, -0.0, 1.5, 1e308, -1e308, float("inf"), float("-inf"), float("nan"), 1e-320))
        case 4 | 5:
            return rng.choice(TEXTS)
        case 6:
            return rng.randbytes(rng.choice((0, 1, 8, 300)))
        case 7:
            return rng.choice(TEXTS) * rng.choice((1, 10, 100))
        case 8:
            return rng.randrange(2**64)
        case 9 | 10:
            return [value(rng, depth + 1) for _ in range(rng.choice((0, 1, 2, 5, 40 >> depth)))]
    return {rng.choice(TEXTS): value(rng, depth + 1) for _ in range(rng.choice((0, 1, 3)))}


class Shaped:
    """Values of a union of message types, as plain data. `lies`: how often a part is something else."""

    def __init__(self, kinds: Sequence[type], lies: float = 0.06) -> None:
        self._infos = [inspect.type_info(kind) for kind in kinds]
        self._lies = lies

    def packed(self, rng: random.Random) -> bytes:
        """One of them, packed."""
        return msgspec.msgpack.encode(self.plain(rng))

    def plain(self, rng: random.Random) -> Any:
        """One of them."""
        return self._of(rng, rng.choice(self._infos), 0)

    def _of(self, rng: random.Random, kind: inspect.Type, depth: int) -> Any:
        if rng.random() < self._lies or depth > 6:
            return value(rng, depth)
        match kind:
            case inspect.StructType():
                return self._struct(rng, kind, depth)
            case inspect.UnionType():
                return self._of(rng, rng.choice(kind.types), depth)
            case inspect.ListType() | inspect.VarTupleType() | inspect.SetType() | inspect.CollectionType():
                return [self._of(rng, kind.item_type, depth + 1) for _ in range(rng.choice((0, 1, 2, 6)))]
            case inspect.TupleType():
                return [self._of(rng, each, depth + 1) for each in kind.item_types]
            case inspect.DictType():
                return {
                    rng.choice(TEXTS): self._of(rng, kind.value_type, depth + 1) for _ in range(rng.choice((0, 1, 3)))
                }
            case inspect.IntType():
                return rng.choice((-1, *NUMBERS, rng.randrange(100)))
            case inspect.FloatType():
                return rng.choice((0.0, 0.01, 1.0, -1.0, 1e308, float("inf"), float("nan"), 3))
            case inspect.StrType():
                return rng.choice(TEXTS)
            case inspect.BytesType():
                return rng.randbytes(rng.choice((0, 1, 8, 40)))
            case inspect.BoolType():
                return rng.random() < 0.5
            case inspect.NoneType():
                return None
            case inspect.EnumType():
                return rng.choice(list(kind.cls)).value
        return value(rng, depth)

    def _struct(self, rng: random.Random, kind: inspect.StructType, depth: int) -> Any:
        parts = [(field.encode_name, self._of(rng, field.type, depth + 1)) for field in kind.fields]
        if rng.random() < self._lies:
            del parts[rng.randrange(len(parts) + 1) :]
        if kind.array_like:
            tag = [] if kind.tag is None else [kind.tag]
            return [*tag, *(part for _, part in parts)]
        head = {} if kind.tag_field is None else {kind.tag_field: kind.tag}
        return {**head, **dict(parts)}
