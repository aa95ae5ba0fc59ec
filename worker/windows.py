"""The views in a worker: what was announced, what is mapped of it, and what is pinned. `shared.views` has the rules.

A buffer is mapped when it is first read, and stays mapped. It is pinned from the first `view()` that returns an array
on it until the handler has returned (`settle`), or until the next `view()` of that name finds that nobody holds it any
more. An array that is still held when its pin has to go gets private pages with the same bytes, at the same address:
so no array ever changes, a mod that keeps one pays for it with its own memory, and no pin outlives a message.

Whether somebody holds an array is told by the references to its window: an array, and every slice of it, has one.
"""

import errno
import os
import sys
from ast import literal_eval
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

import msgspec

from ..shared._ring import Segment
from ..shared.errors import ViewError
from ..shared.messages import View
from ..shared.views import (
    CURRENT,
    HEAD,
    HEADER,
    INDEX_BITS,
    INDEX_MASK,
    MAGIC,
    MOST_PINNED,
    MOVED,
    PIN_FENCE,
    PINS,
    Description,
    unpack_description,
)
from . import crossed
from ._window import Window

_UNHELD: Final = 2
"""References to a window that nobody else holds, as getrefcount() counts them: the table's and its own."""
_MOST_NAMED: Final = 20


class Laid(NamedTuple):
    """What lies in a buffer, ready to be shown."""

    version: int
    packed: bytes
    described: Description
    dtype: Any
    """numpy's; None without numpy."""


class Entry:
    """One memory of one view."""

    def __init__(self, command: View, fd: int) -> None:
        """Takes the descriptor over. Raises OSError, ValueError: it is no memory of a view's."""
        self.name = command.name
        self.generation = command.generation
        self.at_pins = PINS + 8 * command.place
        self.stride = command.stride
        self.fd = fd
        self.header = Window(fd, 0, HEADER)
        if self.header.load64(0) != MAGIC:
            raise ValueError(f"the memory of view {command.name!r} is of another layout")
        self.windows: dict[int, Window] = {}
        self.laid: dict[int, Laid] = {}
        self.pinned = 0

    @property
    def session(self) -> int:
        """The game's, of which there may be a newer one: then nobody writes to this memory any more."""
        return self.generation >> 16

    def held(self) -> list[int]:
        """The buffers on which somebody has an array, least recently read first."""
        return [index for index in self.windows if sys.getrefcount(self.windows[index]) > _UNHELD]

    def window(self, index: int) -> Window:
        """The buffer, mapped. Raises ViewError: no room."""
        window = self.windows.pop(index, None)  # and put back, as the one read last
        if window is None:
            window = self._map(index)
        self.windows[index] = window
        return window

    def _map(self, index: int) -> Window:
        try:
            return Window(self.fd, HEADER + index * self.stride, self.stride)
        except OSError as error:
            if error.errno != errno.ENOMEM:
                raise
        held = self.held()
        self.windows = {each: window for each, window in self.windows.items() if each in held}
        try:
            return Window(self.fd, HEADER + index * self.stride, self.stride)
        except OSError as error:
            text = f"view({self.name!r}): {self.stride} bytes do not fit into this mod's address space any more: "
            more = f"give it more {crossed.cite('memory')}, or publish less ({error.strerror})"
            raise ViewError(text + more) from None

    def keep(self, index: int) -> None:
        """Let the arrays on a buffer have it for themselves."""
        window = self.windows.pop(index)
        laid = self.laid[index]
        try:
            window.keep(HEAD + laid.described.nbytes)
        except MemoryError:
            raise MemoryError(
                f"the array of view({self.name!r}) that is kept beyond its handler becomes a copy, and "
                f"{laid.described.nbytes} bytes do not fit any more {crossed.cite('memory')}"
            ) from None

    def forget(self) -> None:
        """Another memory has taken its place: what is held becomes private, else all of it would stay."""
        for index in self.held():
            self.keep(index)
        os.close(self.fd)


class Windows:
    """All views of one worker. One thread only."""

    def __init__(self, pull: Callable[[], None]) -> None:
        """`pull`: takes in the announcements that wait at the socket, with `take`, at any time."""
        self._pull = pull
        self._up: Segment | None = None
        self._entries: dict[str, Entry] = {}
        self._session = 0
        self.held: dict[int, Entry] = {}
        """By generation: views with a pin, and those whose memory was replaced, for `settle`. The loop looks at it."""

    def bind(self, up: Segment) -> None:
        """From its assignment on it has a segment to put pins into."""
        self._up = up

    def take(self, command: View, fd: int) -> None:
        """The game publishes this. Takes the descriptor over. Raises OSError, ValueError."""
        entry = Entry(command, fd)
        old = self._entries.get(entry.name)
        if old is not None:
            self.held[old.generation] = old
        self._session = entry.session
        self._entries[entry.name] = entry

    def read(self, name: str) -> Any:
        """See `views.View`."""
        entry = self._find(name)
        while True:
            current = entry.header.load64(CURRENT)
            bit = 1 << (current & INDEX_MASK)
            if entry.pinned & bit or entry.session != self._session:  # the latter: the game that wrote it is gone
                return self._show(entry, current)
            self._pin(entry, bit)

    def version(self, name: str) -> int:
        """See `views.View`."""
        return self._find(name).header.load64(CURRENT) >> INDEX_BITS

    def names(self) -> list[str]:
        """See `views.View`."""
        self._pull()
        return sorted(self._entries)

    def settle(self) -> None:
        """The message is handled: no pin outlives it. Raises MemoryError: what is kept does not fit."""
        for entry in self.held.values():
            if self._entries.get(entry.name) is not entry:
                entry.forget()
                continue
            for index in entry.held():
                entry.keep(index)
            self._store_pins(entry, 0)
        self.held.clear()

    def _find(self, name: str) -> Entry:
        entry = self._entries.get(name) if type(name) is str else None
        if entry is None or entry.header.load32(MOVED):
            self._pull()
            entry = self._entries.get(name) if type(name) is str else None
            if entry is None:
                raise ViewError(self._unknown(name))
        return entry

    def _unknown(self, name: object) -> str:
        if type(name) is not str:
            return f"view() takes the name of a view, a str; got a {type(name).__name__}"
        near = get_close_matches(name, self._entries, 1)
        known = sorted(self._entries)
        listed = ", ".join(known[:_MOST_NAMED]) or "nothing"
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"the game publishes no view {name!r}{hint} (published: {listed})"

    def _pin(self, entry: Entry, bit: int) -> None:
        """Pin one more buffer; it counts if CURRENT still names it afterwards."""
        if self._up is None:
            raise ViewError("view() works from the import of the mod on")
        held = [index for index in entry.held() if entry.pinned >> index & 1]
        for index in held[: max(0, len(held) + 1 - MOST_PINNED)]:  # one handler that holds many versions
            entry.keep(index)
        mask = sum(1 << index for index in held if index in entry.windows)
        self.held[entry.generation] = entry
        self._store_pins(entry, mask | bit)
        self._up.add32(PIN_FENCE)  # pairs with the game's FENCE: see shared.views

    def _store_pins(self, entry: Entry, mask: int) -> None:
        entry.pinned = mask
        if self._up is not None and entry.session == self._session:
            self._up.store64(entry.at_pins, entry.generation << 32 | mask if mask else 0)

    def _show(self, entry: Entry, current: int) -> Any:
        """The array on a pinned buffer: `current` named it."""
        index, version = current & INDEX_MASK, current >> INDEX_BITS
        window = entry.window(index)
        laid = entry.laid.get(index)
        if laid is None or laid.version != version:
            laid = entry.laid[index] = _laid(window, version, laid)
        described = laid.described
        if laid.dtype is not None:
            return sys.modules["numpy"].ndarray(described.shape, laid.dtype, window, HEAD)
        flat = memoryview(window)[HEAD : HEAD + described.nbytes]
        if not described.code:
            raise ViewError(
                f"view({entry.name!r}) holds elements of dtype {described.dtype}, which only numpy can show: "
                "let the game name it, launch(…, packages=['numpy'])"
            )
        code: Any = described.code
        return flat.cast(code, described.shape) if described.nbytes else flat.cast(code)  # no shape with a zero in it


def _laid(window: Window, version: int, before: Laid | None) -> Laid:
    """Read the description in front of the data, unless it is the same as before."""
    packed = window.read(4, window.load32(0))
    if before is not None and before.packed == packed:
        return before._replace(version=version)
    try:
        described = unpack_description(packed)
        numpy = sys.modules.get("numpy")
        dtype = numpy.lib.format.descr_to_dtype(literal_eval(described.dtype)) if numpy is not None else None
    except (msgspec.MsgspecError, ValueError, SyntaxError, TypeError) as error:
        raise ViewError(f"what the game published cannot be read here: {error}") from None
    return Laid(version, packed, described, dtype)
