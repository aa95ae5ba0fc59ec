"""The game's side of its views: `mods.publish(name, array)`, and `mods.publishing(…)` to fill one in place.

::

    publish ──▶ a buffer that is neither current nor pinned ──▶ copy ──▶ CURRENT    no message, no system call
                      │ none, or too small
                      ▼
                new memory ──▶ supervisor ──▶ every worker, and each that comes     one request, answered

Creating a view, and moving it to larger memory, waits for the supervisor's word that every worker has been told: what
is published before an emit is there for its handlers. See `shared.views` for the words and the pins.
"""

import contextlib
import mmap
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from ..shared import segment
from ..shared._ring import Segment
from ..shared.errors import MachineError, UsageError, ViewError
from ..shared.views import (
    CURRENT,
    FENCE,
    HEAD,
    HEADER,
    INDEX_BITS,
    INDEX_MASK,
    MAGIC,
    MOST_BUFFERS,
    MOST_VIEWS,
    PINS,
    honest,
    memory_bytes,
    stride,
)
from . import shapes
from .shapes import Shape

FIRST_BUFFERS: Final = 4
"""Buffers of a new view: the current one, one that a slow handler still reads, two to fill before the pins have to be
looked at again (12 µs with a hundred mods). Fewer: it moves sooner; more: memory that is hardly ever used."""
MOST_BYTES: Final = 1 << 30
"""Memory of all views of a game. More: a mistake, or mods that pin whatever they can, fill the machine's memory."""
GROWTH: Final = 1.5
"""So much more room than before a view that grows makes, so that one that grows a little each frame seldom moves."""
LONGEST_NAME: Final = 200


class Announce(Protocol):
    """Tells the supervisor of new memory, and returns when every worker has been told."""

    def __call__(self, name: str, place: int, generation: int, buffers: int, each: int, fd: int) -> None: ...


class Memory:
    """One memory of a view, as the game has it. Nobody else writes to it."""

    def __init__(self, name: str, generation: int, buffers: int, capacity: int) -> None:
        """Raises MachineError: there is no memory, or no descriptor."""
        self.generation = generation
        self.buffers = buffers
        self.each = stride(capacity)
        self.capacity = self.each - HEAD
        self.size = memory_bytes(buffers, self.each)
        self.announced = False
        self.versions = [0] * buffers
        """What was published in each buffer last."""
        self.free = list(range(buffers))
        """Buffers known to be neither current nor pinned."""
        self.fd = -1
        try:
            self.fd = segment.create(f"view-{name[:40]}", self.size)
            segment.allocate(self.fd, self.size)
            self.words = Segment(self.fd, self.size, writable=True)
            populate = mmap.MAP_SHARED | mmap.MAP_POPULATE  # no page is touched for the first time in a frame
            self._map = mmap.mmap(self.fd, self.size, flags=populate, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        except OSError as error:
            self.close()
            text = f"view {name!r}: there is no memory for {buffers} buffers of {capacity} bytes: {error.strerror}"
            raise MachineError(text) from None
        self.words.store64(0, MAGIC)
        # Never closed by hand: an array lies on it as long as somebody has one, and it is unmapped after the last.
        self._bytes = memoryview(self._map)

    def data(self, index: int, nbytes: int) -> memoryview:
        """The bytes of a buffer."""
        start = HEADER + index * self.each + HEAD
        return self._bytes[start : start + nbytes]

    def describe(self, index: int, packed: bytes) -> None:
        """Say what is, or is about to be, in a buffer that is not current."""
        self.words.write(HEADER + index * self.each, len(packed).to_bytes(4, sys.byteorder) + packed)

    @property
    def current(self) -> int:
        """The buffer that readers find. As they see it: whatever a signal interrupted, it is not filled."""
        return self.words.load64(CURRENT) & INDEX_MASK

    def flip(self, index: int, version: int) -> None:
        """Make a filled buffer the current one. Release: who sees it sees all that is in it."""
        self.versions[index] = version
        self.words.store64(CURRENT, version << INDEX_BITS | index)

    def close(self) -> None:
        """Let go of the descriptor; the mapping goes with the last array on it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Published:
    """One view."""

    def __init__(self, name: str, place: int) -> None:
        self.name = name
        self.place = place
        self.memory: Memory | None = None
        self.version = 0
        self.filling = False


class Views:
    """All views of one game."""

    def __init__(self, session: int, announce: Announce, pins: Callable[[int], list[int]]) -> None:
        """`pins`: the words that stand at an offset of every worker's `up` segment."""
        self._session = session & 0xFFFF
        self._announce = announce
        self._pins = pins
        self._views: dict[str, Published] = {}
        self._memories = 0
        self.overwritten = 0
        """How often a buffer had to be filled that somebody still had pinned."""

    def publish(self, name: str, array: Any) -> int:
        """See game.Mods."""
        shape, source = shapes.of(array, f"publish({name!r}): the array")
        view = self._view(name)
        memory, index = self._buffer(view, shape)
        try:
            view.filling = True
            if shape.dtype is not None:
                _array(memory, index, shape)[...] = source
            else:
                memory.data(index, shape.nbytes)[:] = source
            return self._commit(view, memory, index)
        finally:
            self._filled(view, memory)

    @contextlib.contextmanager
    def publishing(self, name: str, like: Any) -> Iterator[Any]:
        """See game.Mods."""
        shape = shapes.like(like, f"publishing({name!r}): like")
        view = self._view(name)
        memory, index = self._buffer(view, shape)
        try:
            view.filling = True
            out = _array(memory, index, shape)
            yield out
            if shape.dtype is not None:
                out.flags.writeable = False  # a late write would show in what mods read
            else:
                with contextlib.suppress(BufferError):  # something lies on it
                    out.release()
            self._commit(view, memory, index)
        finally:
            self._filled(view, memory)

    def close(self) -> None:
        """Let go of everything; what workers have mapped stays as it is."""
        for view in self._views.values():
            if view.memory is not None:
                view.memory.close()
        self._views.clear()

    def _view(self, name: str) -> Published:
        view = self._views.get(name) if type(name) is str else None
        if view is None:
            if type(name) is not str or not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
                text = f"a view's name is text of 1 to {LONGEST_NAME} printable characters, not {name!r:.80}"
                raise UsageError(text)
            if len(self._views) >= MOST_VIEWS:
                raise ViewError(f"view {name!r} is one too many: {MOST_VIEWS} can be published; put some into one")
            view = self._views[name] = Published(name, len(self._views))
        if view.filling:
            raise UsageError(f"view {name!r} is being filled: leave its publishing() block first")
        return view

    def _buffer(self, view: Published, shape: Shape) -> tuple[Memory, int]:
        """A buffer to fill, described already; in new memory where there is none."""
        memory = view.memory
        if memory is None or shape.nbytes > memory.capacity:
            memory = self._new_memory(view, shape.nbytes)
        elif not memory.free and not self._find_free(view, memory):
            memory = self._more_buffers(view, memory)
        index = memory.free[-1]
        memory.describe(index, shape.packed)
        return memory, index

    def _commit(self, view: Published, memory: Memory, index: int) -> int:
        memory.free.remove(index)
        view.version += 1  # first: no number is given twice, whatever a signal interrupts
        memory.flip(index, view.version)
        if not memory.announced:
            # If this is left by a signal, workers may read here or in the memory before: the next goes to a third.
            before, view.memory = view.memory, None
            try:
                self._announce(view.name, view.place, memory.generation, memory.buffers, memory.each, memory.fd)
            except MachineError:  # refused: nobody was told
                view.memory, view.version = before, view.version - 1
                raise
            memory.announced = True
            view.memory = memory
        return view.version

    def _filled(self, view: Published, memory: Memory) -> None:
        """The end of filling one, published or not."""
        view.filling = False
        memory.close()  # which is what it was announced with; unannounced it is given up

    def _find_free(self, view: Published, memory: Memory) -> bool:
        """Look which buffers nobody has pinned; they stay so until they are current again. False: there is none."""
        memory.words.add32(FENCE)  # pairs with the worker's PIN_FENCE: see shared.views
        busy = 1 << memory.current
        for word in self._pins(PINS + 8 * view.place):
            if word:
                busy |= honest(word, memory.generation)
        # The one that was published longest ago comes last, and is taken first.
        free = [index for index in range(memory.buffers) if not busy >> index & 1]
        memory.free = sorted(free, key=memory.versions.__getitem__, reverse=True)
        return bool(free)

    def _more_buffers(self, view: Published, memory: Memory) -> Memory:
        """Every buffer is pinned: go on in memory with more. Where there may be no more, the oldest is filled again."""
        buffers = min(2 * memory.buffers, MOST_BUFFERS, (self._room(view) - HEADER) // memory.each)
        if buffers > memory.buffers:
            return self._make(view, buffers, memory.capacity)
        self.overwritten += 1
        others = [index for index in range(memory.buffers) if index != memory.current]
        memory.free = [min(others, key=memory.versions.__getitem__)]
        return memory

    def _new_memory(self, view: Published, nbytes: int) -> Memory:
        """The first of a view, or a larger one."""
        before = view.memory
        buffers = before.buffers if before is not None else FIRST_BUFFERS
        room = self._room(view)
        roomy = max(nbytes, int(before.capacity * GROWTH)) if before is not None else nbytes
        if memory_bytes(buffers, stride(roomy)) > room:
            roomy, buffers = nbytes, FIRST_BUFFERS
        if memory_bytes(buffers, stride(roomy)) > room:
            raise ViewError(
                f"view {view.name!r} needs {memory_bytes(buffers, stride(roomy))} bytes for {buffers} buffers, and of "
                f"{MOST_BYTES} for all views {max(0, room)} are left: publish less"
            )
        return self._make(view, buffers, roomy)

    def _room(self, view: Published) -> int:
        others = (each.memory for each in self._views.values() if each is not view)
        return MOST_BYTES - sum(memory.size for memory in others if memory is not None)

    def _make(self, view: Published, buffers: int, capacity: int) -> Memory:
        self._memories += 1
        return Memory(view.name, self._session << 16 | self._memories & 0xFFFF, buffers, capacity)


def _array(memory: Memory, index: int, shape: Shape) -> Any:
    """A writable array, or without numpy a memoryview, on a buffer."""
    data = memory.data(index, shape.nbytes)
    if shape.dtype is not None:
        numpy = sys.modules["numpy"]
        if not shape.nbytes:  # frombuffer() takes no buffer without bytes
            return numpy.empty(shape.shape, shape.dtype)
        return numpy.frombuffer(data, shape.dtype).reshape(shape.shape)
    code: Any = shape.code
    return data.cast(code, shape.shape) if shape.nbytes else data.cast(code)
