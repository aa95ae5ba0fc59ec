"""What a game may publish as a view: any buffer, and how it is described to who reads it. numpy is used if it is there.

Nothing here imports numpy: an array of it can only come from a game that has.
"""

import struct
import sys
from functools import lru_cache
from math import prod
from typing import Any, Final, NamedTuple

from ..shared.errors import PayloadError, UsageError
from ..shared.messages import pack
from ..shared.views import MOST_DESCRIBED, Description

_SIGNED: Final = {struct.calcsize(code): code for code in "qlihb"}
_UNSIGNED: Final = {struct.calcsize(code): code for code in "QLIHB"}
_FLOATS: Final = {4: "f", 8: "d"}
_BY_KIND: Final = {"i": _SIGNED, "u": _UNSIGNED, "f": _FLOATS, "b": {1: "?"}}
_SWAPPED: Final = ">!" if sys.byteorder == "little" else "<"


class Shape(NamedTuple):
    """A buffer's layout, as it is stored in front of it."""

    packed: bytes
    """A `Description`."""
    nbytes: int
    dtype: Any
    """numpy's, if the array is numpy's; else None."""
    shape: tuple[int, ...]
    code: str


def of(array: Any, where: str) -> tuple[Shape, Any]:
    """Describe what is to be published, and return what to copy it from: a numpy array or a memoryview of bytes.

    Raises PayloadError: it is no buffer, holds Python objects, or is not contiguous and not numpy's.
    """
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(array, (numpy.ndarray, numpy.generic)):
        plain = numpy.asarray(array)
        return of_dtype(plain.dtype, plain.shape, where), plain
    try:
        seen = memoryview(array)
    except TypeError:
        kind = type(array).__name__
        text = f"{where} is a {kind}; publish an array of numpy's, an array.array, bytes, or any other buffer"
        raise PayloadError(text) from None
    if not seen.c_contiguous:
        raise PayloadError(f"{where} is not contiguous: publish a copy of it, or a numpy array, which may be anyhow")
    shape = _of_format(seen, where)
    if not seen.nbytes:
        return shape, memoryview(b"")
    return shape, seen.cast("B") if len(seen.format) == 1 else memoryview(seen.tobytes())  # cast() wants a plain letter


def like(model: Any, where: str) -> Shape:
    """Describe what is to be filled in place, by an array like it or by (dtype, shape).

    `dtype`: whatever numpy takes for one; without numpy a letter of `struct`. Raises PayloadError, UsageError.
    """
    if not (isinstance(model, tuple) and len(model) == 2):
        return of(model, where)[0]
    dtype, shape = model
    numpy = sys.modules.get("numpy")
    try:
        sizes = tuple(int(each) for each in (shape if isinstance(shape, tuple | list) else (shape,)))
        if any(each < 0 for each in sizes):
            raise ValueError("no size is below 0")
        if numpy is not None:
            wanted = numpy.dtype(dtype)
            return of_dtype(wanted.base, sizes + wanted.shape, where)
        if len(str(dtype)) != 1:
            raise ValueError("without numpy it is one letter, as in struct")
        return _plain(str(dtype), struct.calcsize(dtype), sizes, where)
    except PayloadError:
        raise
    except (TypeError, ValueError, OverflowError, struct.error) as error:
        raise UsageError(f"{where}: {model!r:.80} is no (dtype, shape): {error}") from None


def of_dtype(dtype: Any, shape: tuple[int, ...], where: str) -> Shape:
    """Describe an array of numpy's. Raises PayloadError: it holds Python objects, or cannot be described."""
    if dtype.hasobject:
        field = _object_field(dtype)
        name = f"field {field!r} of {where}" if field else where
        raise PayloadError(f"{name} holds Python objects, which stay in this process: give it a dtype of plain values")
    try:
        described = _of_dtype(dtype, shape)
    except ValueError as error:  # overlapping fields
        raise PayloadError(f"{where}: dtype {dtype} cannot be described: {error}") from None
    return _fits(described, where)


@lru_cache(maxsize=256)
def _of_dtype(dtype: Any, shape: tuple[int, ...]) -> Shape:
    """Kept, since a game publishes the same again and again: a third of what filling in place costs."""
    code = _BY_KIND.get(dtype.kind, {}).get(dtype.itemsize, "") if dtype.isnative else ""
    text = repr(dtype.descr if dtype.names is not None else dtype.str)
    return _shape(Description(code, text, shape, dtype.itemsize * prod(shape)), dtype)


def _object_field(dtype: Any) -> str:
    """The way to the first field that holds objects; "" when the dtype is one itself."""
    if dtype.subdtype is not None:
        return _object_field(dtype.subdtype[0])
    for name in dtype.names or ():
        inner = dtype.fields[name][0]
        if inner.hasobject:
            rest = _object_field(inner)
            return f"{name}.{rest}" if rest else str(name)
    return ""


def _of_format(seen: memoryview, where: str) -> Shape:
    order, code = (seen.format[0], seen.format[1:]) if seen.format[:1] in tuple("@=<>!") else ("@", seen.format)
    if len(code) != 1 or code not in "cbB?hHiIlLqQnNfd" or (order in _SWAPPED and seen.itemsize > 1):
        raise PayloadError(f"{where} has elements of format {seen.format!r}: pass it as a numpy array of some dtype")
    return _plain(code, seen.itemsize, seen.shape or (), where)


def _plain(code: str, size: int, shape: tuple[int, ...], where: str) -> Shape:
    """Describe elements of one letter and so many bytes, in this machine's order."""
    kind = "f" if code in "fd" else "b" if code == "?" else "u" if code.isupper() or code == "c" else "i"
    native = _BY_KIND[kind].get(size)
    if native is None or code not in "cbB?hHiIlLqQnNfd":
        raise PayloadError(f"{where} has elements of format {code!r}: pass it as a numpy array of some dtype")
    dtype = f"{'<' if sys.byteorder == 'little' else '>'}{kind}{size}"
    return _fits(
        _shape(Description("c" if code == "c" else native, repr(dtype), shape, size * prod(shape)), None), where
    )


def _shape(described: Description, dtype: Any) -> Shape:
    return Shape(pack(described), described.nbytes, dtype, described.shape, described.code)


def _fits(shape: Shape, where: str) -> Shape:
    if len(shape.packed) > MOST_DESCRIBED:
        text = f"{where}: its dtype takes {len(shape.packed)} bytes to describe and {MOST_DESCRIBED} fit: shorten names"
        raise PayloadError(text)
    return shape
