"""The game's side of a view: which buffer is filled next, when it moves, what is refused. The pins are made here."""

import array
import contextlib
import os

import pytest
from fumehood.runner.slots import Slots
from fumehood.runner.views import FIRST_BUFFERS, Views
from fumehood.shared.errors import MachineError, ViewError
from fumehood.shared.views import CURRENT, INDEX_MASK, MOST_BUFFERS, MOST_PINNED, PINS, honest, memory_bytes, stride


class House:
    """Views whose announcements are noted, and that look at the pins which the test sets."""

    def __init__(self):
        self.announced = []
        self.pins = []
        self.views = Views(1, lambda *what: self.announced.append(what), lambda offset: self.pins)

    def memory(self, name="v"):
        return self.views._views[name].memory

    def index(self):
        return self.memory().words.load64(CURRENT) & INDEX_MASK

    def pin(self, *masks):
        self.pins[:] = [self.memory().generation << 32 | mask for mask in masks]


@pytest.fixture
def house():
    it = House()
    yield it
    it.views.close()


def test_one_announcement_and_then_no_word(house):
    for number in range(100):
        assert house.views.publish("v", bytes([number])) == number + 1
    (told,) = house.announced
    assert told[:5] == ("v", 0, 1 << 16 | 1, FIRST_BUFFERS, stride(1))
    assert house.memory().fd == -1


def test_an_interrupted_announcement_leaves_nobody_behind(house):
    """The supervisor took the new memory, or did not: what is published next is announced again, under a number of its
    own, and not in memory that workers may have left."""
    house.views.publish("v", b"a")
    announce = house.views._announce

    def interrupted(*what):
        announce(*what)
        raise KeyboardInterrupt

    house.views._announce = interrupted
    with pytest.raises(KeyboardInterrupt):
        house.views.publish("v", bytes(10_000))
    house.views._announce = announce
    assert [house.views.publish("v", b"b") for _ in range(2)] == [3, 4]
    assert len({generation for _, _, generation, *_ in house.announced}) == len(house.announced) == 3
    assert house.memory().generation == house.announced[-1][2]


def test_a_pinned_buffer_is_not_filled_again(house):
    house.views.publish("v", b"a")
    kept = house.index()
    house.pin(1 << kept)
    seen = set()
    for number in range(20):
        house.views.publish("v", bytes([number]))
        seen.add(house.index())
    assert kept not in seen
    assert bytes(house.memory().data(kept, 1)) == b"a"
    house.pins.clear()
    for number in range(20):
        house.views.publish("v", bytes([number]))
        seen.add(house.index())
    assert kept in seen


def test_the_oldest_free_buffer_comes_first(house):
    for number in range(9):
        house.views.publish("v", bytes([number]))
    memory = house.memory()
    oldest = min(range(memory.buffers), key=memory.versions.__getitem__)
    house.views.publish("v", b"x")
    assert house.index() == oldest


def test_with_every_buffer_pinned_it_moves_to_more_and_the_old_ones_stand_still(house):
    contents = {}
    house.views.publish("v", b"\0")
    before = house.memory()
    for number in range(1, FIRST_BUFFERS + 1):
        contents[house.index()] = number - 1
        house.pin(*(1 << index for index in contents))
        house.views.publish("v", bytes([number]))
        if house.memory() is not before:
            break
    assert house.memory().buffers == 2 * FIRST_BUFFERS
    assert {index: before.data(index, 1)[0] for index in contents} == contents
    assert len(house.announced) == 2


def test_too_many_pins_end_in_an_overwritten_buffer_that_is_counted(house):
    for number in range(400):
        house.views.publish("v", bytes([number % 250]))
        everything = range(house.memory().buffers)
        house.pin(*(1 << index for index in everything))
    assert house.memory().buffers == MOST_BUFFERS
    assert house.views.overwritten > 0


def test_who_claims_more_than_an_honest_worker_has_is_not_believed():
    assert honest(7 << 32 | 0b10110, 7) == 0b10110
    assert honest(7 << 32 | (1 << MOST_PINNED + 1) - 1, 7) == 0
    assert honest(8 << 32 | 1, 7) == 0
    assert honest(2**64 - 1, 2**32 - 1) == 0


def test_room_grows_in_steps(house):
    for size in range(1, 200_000, 1000):
        house.views.publish("v", bytes(size))
    assert len(house.announced) < 16
    sizes = [told[4] for told in house.announced]
    assert sizes == sorted(sizes)


def test_more_than_there_is_room_for_is_refused_and_nothing_changes(house):
    house.views.publish("v", b"x")
    with pytest.raises((ViewError, MachineError)):
        house.views.publishing("v", ("B", 2**31)).__enter__()
    assert house.views.publish("v", b"y") == 2
    assert memory_bytes(house.memory().buffers, house.memory().each) == house.memory().size


def test_an_announcement_that_fails_publishes_nothing(house):
    def fails(*what):
        raise MachineError("gone")

    house.views.publish("v", b"x")
    before, house.views._announce = house.memory(), fails
    with pytest.raises(MachineError):
        house.views.publish("v", bytes(10_000))
    assert house.memory() is before
    assert house.views.publish("v", b"y") == 2


def test_a_block_that_raises_leaves_what_was_there(house):
    house.views.publish("v", b"x")
    with contextlib.suppress(KeyError), house.views.publishing("v", like=array.array("d", [0.0])) as out:
        out[0] = 5.0
        raise KeyError
    assert bytes(house.memory().data(house.index(), 1)) == b"x"
    with house.views.publishing("v", like=array.array("d", [0.0])) as out:
        out[0] = 5.0
    assert house.memory().data(house.index(), 8).cast("d")[0] == 5.0
    with pytest.raises(ValueError, match="released"):
        out[0] = 6.0


def allocated(fd):
    return os.fstat(fd).st_blocks * 512


def test_where_the_game_looks_for_pins_there_is_memory():
    """Also in slots that nobody has used yet, and in those whose memory was given back."""
    slots = Slots(4096)
    try:
        slot = slots.slots[0]
        assert allocated(slot.up_fd) == 0
        slots.hold_pins()
        assert [allocated(each.up_fd) for each in slots.slots] == [4096] * len(slots.slots)
        slot.prepare(1)
        slot.mapped()[1].store64(PINS, 5)
        slot.forget_pins()
        assert slot.mapped()[1].load64(PINS) == 0
        slot.give_back()
        assert (allocated(slot.down_fd), allocated(slot.up_fd)) == (0, 4096)
    finally:
        slots.close()
    slots = Slots(4096, watched=True)
    assert allocated(slots.slots[3].up_fd) == 4096
    slots.close()


def test_a_large_view_gets_as_many_buffers_as_there_is_room_for(house, monkeypatch):
    monkeypatch.setattr("fumehood.runner.views.MOST_BYTES", memory_bytes(6, stride(100_000)) + 4096)
    for number in range(20):
        house.views.publish("v", bytes([number]) * 100_000)
        house.pin(*(1 << index for index in range(house.memory().buffers)))
    assert house.memory().buffers == 6
    assert house.views.overwritten > 0
    with pytest.raises(ViewError, match="publish less"):
        house.views.publish("w", bytes(100_000))


def test_a_worker_that_is_reaped_after_its_slots_are_closed_leaves_nothing_to_do():
    slots = Slots(4096)
    slot = slots.slots[0]
    slot.prepare(1)
    slots.close()
    slot.forget_pins()
    assert slot.up is None
