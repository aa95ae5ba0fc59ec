"""The views in a worker: mapped when read, pinned while held, private once kept."""

import gc
import os
import sys
import weakref
from pathlib import Path

import numpy
import pytest
from fumehood.runner.views import Views
from fumehood.shared import segment
from fumehood.shared._ring import Segment, format_segment
from fumehood.shared.errors import NotLive, ViewError
from fumehood.shared.messages import View
from fumehood.shared.views import MOST_PINNED, MOVED, PINS, PINS_BYTES, honest, memory_bytes
from fumehood.worker._window import Window
from fumehood.worker.views import view
from fumehood.worker.windows import Windows


class Pair:
    """A game and a worker in one process: real memory, real pins, no supervisor between them."""

    def __init__(self):
        size = segment.ring_segment_size(4096)
        fd = segment.create("up", size)
        segment.allocate(fd, size)
        self.up = Segment(fd, size, writable=True)
        os.close(fd)
        format_segment(self.up)
        self.waiting = []
        self.kept = {}
        """The memory of each view, as a supervisor keeps it."""
        self.views = Views(1, self.announce, lambda offset: [self.up.load64(offset)])
        self.windows = Windows(self.pull)
        self.windows.bind(self.up)

    def announce(self, name, place, generation, buffers, each, fd):
        self.waiting.append((View(name, place, generation, buffers, each), segment.read_only(fd)))
        before = self.kept.pop(name, None)
        self.kept[name] = Segment(fd, memory_bytes(buffers, each), writable=True)
        if before is not None:
            before.store32(MOVED, 1)
            before.close()

    def pull(self):
        while self.waiting:
            self.windows.take(*self.waiting.pop(0))

    def pinned(self):
        return [word & 0xFFFFFFFF for word in memoryview(self.up.read(PINS, PINS_BYTES)).cast("Q")]

    def close(self):
        self.pull()
        for entry in self.windows._entries.values():
            os.close(entry.fd)
        self.views.close()


@pytest.fixture
def pair():
    it = Pair()
    yield it
    it.close()


def test_a_pin_lasts_until_the_handler_is_through(pair):
    pair.views.publish("v", numpy.arange(4))
    assert pair.pinned()[0] == 0
    seen = pair.windows.read("v")
    assert pair.pinned()[0].bit_count() == 1
    assert len(pair.windows.held) == 1
    del seen
    pair.windows.settle()
    assert (pair.pinned()[0], len(pair.windows.held)) == (0, 0)


def test_an_array_never_changes_whatever_is_published(pair):
    held = []
    for number in range(200):
        pair.views.publish("v", numpy.full(1000, number))
        array = pair.windows.read("v")
        if number % 3 == 0:
            held.append((number, array, array[10:20]))
        if number % 10 == 0:
            pair.windows.settle()
        word = pair.up.load64(PINS)
        assert honest(word, word >> 32) == pair.pinned()[0]  # so many that an honest worker is believed
        assert pair.pinned()[0].bit_count() <= MOST_PINNED
    for number, whole, part in held:
        assert whole.min() == whole.max() == number
        assert part.min() == part.max() == number
    assert pair.views.overwritten == 0


def test_a_slice_alone_holds_its_buffer(pair):
    pair.views.publish("v", numpy.arange(100))
    part = pair.windows.read("v")[3:7].reshape(2, 2).T
    for number in range(10):
        pair.views.publish("v", numpy.full(100, number))
    pair.windows.settle()
    for number in range(10):
        pair.views.publish("v", numpy.full(100, number))
    assert part.tolist() == [[3, 5], [4, 6]]


def test_a_memoryview_of_it_holds_its_buffer_too(pair, monkeypatch):
    monkeypatch.delitem(sys.modules, "numpy")
    pair.views.publish("v", bytes(range(50)))
    part = pair.windows.read("v")[5:9]
    assert part.readonly
    pair.windows.settle()
    for number in range(10):
        pair.views.publish("v", bytes([number] * 50))
        pair.windows.read("v")
        pair.windows.settle()
    assert part.tolist() == [5, 6, 7, 8]


def test_nothing_is_copied_that_nobody_keeps(pair):
    for number in range(30):
        pair.views.publish("v", numpy.full(10_000, number))
        assert pair.windows.read("v")[0] == number
        pair.windows.settle()
    entry = pair.windows._entries["v"]
    assert entry.held() == []


def test_a_moved_view_is_found_and_the_old_memory_let_go(pair):
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    pair.views.publish("v", numpy.arange(10))
    old = pair.windows.read("v")
    pair.views.publish("v", numpy.arange(100_000))
    assert len(pair.windows.read("v")) == 100_000
    assert old.tolist() == list(range(10))
    pair.windows.settle()
    assert old.tolist() == list(range(10))
    del old
    gc.collect()
    # The game's mapping holds one, and the worker's view another.
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors + 2


def test_the_version_tells_whether_anything_changed(pair):
    assert pair.windows.names() == []
    pair.views.publish("b", b"1")
    pair.views.publish("a", b"1")
    assert pair.windows.names() == ["a", "b"]
    assert pair.windows.version("a") == 1
    pair.views.publish("a", b"1")
    assert (pair.windows.version("a"), pair.windows.version("b")) == (2, 1)


def test_a_name_that_is_none_is_said(pair):
    pair.views.publish("npcs", b"1")
    with pytest.raises(ViewError, match="no view 'npc'; did you mean 'npcs'"):
        pair.windows.read("npc")
    with pytest.raises(ViewError, match="got a list"):
        pair.windows.read([])


def test_outside_a_worker_there_is_nothing_to_read():
    with pytest.raises(NotLive, match="outside it"):
        view("npcs")


# ── the window itself ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def memory():
    fd = segment.create("view", 3 * 4096)
    segment.allocate(fd, 3 * 4096)
    yield fd
    os.close(fd)


def test_a_window_reads_its_part(memory):
    os.pwrite(memory, (77).to_bytes(8, sys.byteorder) + b"abc", 4096)
    window = Window(memory, 4096, 8192)
    assert (window.load64(0), window.load32(0), window.read(8, 3)) == (77, 77, b"abc")
    with memoryview(window) as seen:
        assert (seen.readonly, len(seen)) == (True, 8192)
    for wrong in (8192, 8185, -1, 2**70):
        with pytest.raises((ValueError, OverflowError)):
            window.load64(wrong)
    for wrong in ((8190, 3), (-1, 2), (0, -1)):
        with pytest.raises(ValueError, match="smaller"):
            window.read(*wrong)
    with pytest.raises(ValueError, match="more is used"):
        window.keep(8193)


@pytest.mark.parametrize(("offset", "size"), [(0, 0), (-4096, 10), (0, -1)])
def test_a_window_is_within_the_file(memory, offset, size):
    with pytest.raises(ValueError, match="a window has"):
        Window(memory, offset, size)


def test_a_window_has_no_room_said_as_an_oserror(memory):
    with pytest.raises(OSError, match="allocate"):
        Window(memory, 0, 2**62)
    with pytest.raises(OSError, match="descriptor"):
        Window(-1, 0, 4096)


def test_what_is_kept_stays_where_it_was_and_no_longer_follows(memory):
    os.pwrite(memory, b"first", 0)
    window = Window(memory, 0, 8192)
    array = numpy.ndarray((5,), "S1", window)
    assert not array.flags.writeable
    address = array.__array_interface__["data"][0]
    window.keep(5)
    window.keep(5)
    os.pwrite(memory, b"later", 0)
    assert array.tobytes() == b"first"
    assert array.__array_interface__["data"][0] == address
    with pytest.raises(ValueError, match="WRITEABLE"):
        array.flags.writeable = True


def test_a_window_goes_with_the_last_array_on_it(memory):
    inode = os.fstat(memory).st_ino

    def mapped():
        return sum(f" {inode} " in line for line in Path("/proc/self/maps").read_text().splitlines())

    array = numpy.ndarray((5,), "u1", Window(memory, 0, 4096))
    gone = weakref.ref(array)
    assert mapped() == 1
    del array
    gc.collect()
    assert gone() is None
    assert mapped() == 0
