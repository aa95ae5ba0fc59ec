"""The two shared pages in which every mod has a line: the switchboard, and the game's own page.

::

    supervisor writes ─▶ switchboard: generation │ count │ order │ per mod: word, dead[4], nobody, rank, gone ─▶ game
    game       writes ─▶ game page:   session │ frames │ worst │ per mod: adopted, left, clock          ─▶ supervisor

A mod's *word* is ``epoch << 2 | slot``. ``dead[slot] == epoch`` says that the worker which that epoch put into that
slot is gone; ``nobody == epoch`` says that nobody serves, and that nobody is about to. (That word names slot 0. To call
slot 0 dead instead would hide the death of who sat there from a caller who waits for it.)

The generation is word 0: a frame in which nothing changed checks one u32 for all mods, and a caller who waits for a
mod to come back waits on it.

**The adoption race.** The supervisor may replace an offer while the game is taking it. Each side stores its own word,
does a sequentially consistent read-modify-write (`add32`), and only then loads the other's: at least one of them sees
the other's store. So either the supervisor learns that the old offer was adopted after all, or the game sees the newer
word before it has pushed anything to the old one.
"""

import contextlib
import os
from typing import Final

from ..shared import segment
from ..shared._ring import Segment

SLOTS: Final = 4
"""Channel slots per mod: active, standby, candidate, and one still being drained."""
MOST_MODS: Final = 4096
"""Lines on the board. More: 80 bytes of (sparse) shared memory each."""

GENERATION: Final = 0
COUNT: Final = 8
ORDER: Final = 16
"""Changes whenever a mod's rank does."""
_ENTRY: Final = 64
_WORD, _DEAD, _NOBODY, _RANK, _GONE = 0, 8, 40, 48, 56

SESSION: Final = 0
FRAMES: Final = 8
WORST_NS: Final = 16
FENCE: Final = 32
_LINE: Final = 24

BOARD_BYTES: Final = _ENTRY * (MOST_MODS + 1)
PAGE_BYTES: Final = 64 + _LINE * MOST_MODS


def word_of(epoch: int, slot: int) -> int:
    """Pack an epoch and a slot into a switchboard word."""
    return epoch << 2 | slot


def epoch_of(word: int) -> int:
    """The epoch in a word; 0: none yet."""
    return word >> 2


def slot_of(word: int) -> int:
    """The slot in a word."""
    return word & 3


def word_offset(index: int) -> int:
    """Where mod `index`'s word stands on the switchboard."""
    return _ENTRY * (index + 1) + _WORD


def dead_offset(index: int, slot: int) -> int:
    """Where the epoch of the worker that died last in mod `index`'s `slot` stands on the switchboard."""
    return _ENTRY * (index + 1) + _DEAD + 8 * slot


def nobody_offset(index: int) -> int:
    """Where the latest epoch in which nobody serves mod `index` stands on the switchboard."""
    return _ENTRY * (index + 1) + _NOBODY


def gone_offset(index: int) -> int:
    """Where the latest epoch in which nobody serves mod `index` because its files are gone stands."""
    return _ENTRY * (index + 1) + _GONE


def rank_offset(index: int) -> int:
    """Where mod `index`'s place in the load order stands on the switchboard."""
    return _ENTRY * (index + 1) + _RANK


def adopted_offset(index: int) -> int:
    """Where the word that the game adopted last for mod `index` stands on the game's page."""
    return 64 + _LINE * index


def left_offset(index: int) -> int:
    """Where the epoch stands, on the game's page, up to which the game has left every older slot of mod `index`."""
    return 64 + _LINE * index + 8


def clock_offset(index: int) -> int:
    """Where the game's own time stands, ns, when it adopted that word: stored before it."""
    return 64 + _LINE * index + 16


class Switchboard:
    """The supervisor's hand on both pages. Raises OSError when memory cannot be had."""

    def __init__(self) -> None:
        self.board_fd = segment.create("switchboard", BOARD_BYTES)
        segment.allocate(self.board_fd, BOARD_BYTES)
        self.board_read_only = segment.read_only(self.board_fd)
        self.page_fd = segment.create("game-page", PAGE_BYTES)
        segment.allocate(self.page_fd, PAGE_BYTES)
        self.board = Segment(self.board_fd, BOARD_BYTES, writable=True)
        self.page = Segment(self.page_fd, PAGE_BYTES, writable=True)
        self.news = -1
        """Eventfd of a game that waits in an event loop: it cannot wait on GENERATION. -1: none does."""
        self._epoch = 0
        self._count = 0

    def next_epoch(self) -> int:
        """A new epoch: larger than any before, over all mods."""
        self._epoch += 1
        return self._epoch

    def add_mod(self) -> int:
        """Index of one more mod. Raises ValueError when the board is full."""
        if self._count == MOST_MODS:
            raise ValueError(
                f"more than {MOST_MODS} mods were seen by one supervisor: restart it to forget deleted ones"
            )
        self._count += 1
        self.board.store64(COUNT, self._count)
        return self._count - 1

    @property
    def count(self) -> int:
        """How many mods have a line."""
        return self._count

    def publish(self, index: int, epoch: int, slot: int) -> None:
        """Make the game find a new epoch. Everything it will read in that slot was stored before."""
        self.board.store64(word_offset(index), word_of(epoch, slot))
        self.announce()

    def publish_nobody(self, index: int, epoch: int, *, gone: bool = False) -> None:
        """A new epoch that says that nobody serves. `gone`: because the mod's files are."""
        if gone:
            self.board.store64(gone_offset(index), epoch)
        self.board.store64(nobody_offset(index), epoch)
        self.publish(index, epoch, 0)

    def tell_gone(self, index: int, gone: bool) -> None:
        """Whether the files of a mod that nobody serves are gone, by now."""
        epoch = epoch_of(self.board.load64(word_offset(index)))
        if self.board.load64(nobody_offset(index)) == epoch:
            self.board.store64(gone_offset(index), epoch if gone else 0)

    def rank(self, indices: list[int]) -> None:
        """Give mods their places in the load order: the first gets 0. The game sorts anew if any changed."""
        changed = False
        for place, index in enumerate(indices):
            if self.board.load32(rank_offset(index)) != place:
                self.board.store32(rank_offset(index), place)
                changed = True
        if changed:
            self.board.add32(ORDER)
            self.announce()

    def mark_dead(self, index: int, slot: int, epoch: int) -> None:
        """The worker that `epoch` put into `slot` is gone. The caller wakes whoever waits on its channel."""
        self.board.store64(dead_offset(index, slot), epoch)
        self.announce()

    def is_dead(self, index: int, word: int) -> bool:
        """Whether the worker that a word names is gone, or there never was one: the game talks to nobody there."""
        return self.is_nobody(index, word) or self.board.load64(dead_offset(index, slot_of(word))) == epoch_of(word)

    def is_nobody(self, index: int, word: int) -> bool:
        """Whether a word says that nobody serves."""
        return self.board.load64(nobody_offset(index)) == epoch_of(word)

    def adopted(self, index: int) -> int:
        """The word the game adopted last."""
        return self.page.load64(adopted_offset(index))

    def left(self, index: int) -> int:
        """The epoch up to which the game has read every older slot to its end."""
        return self.page.load64(left_offset(index))

    def clock(self, index: int) -> int:
        """The game's own time when it adopted that word, ns; 0 in a game that keeps none."""
        return self.page.load64(clock_offset(index))

    def adopt_for_absent_game(self, index: int, word: int) -> None:
        """With no game attached the supervisor adopts in its place, so that a later game finds everything in order."""
        self.page.store64(adopted_offset(index), word)
        self.page.store64(left_offset(index), epoch_of(word))

    def announce(self) -> None:
        """Make the game look at every mod again."""
        self.board.add32(GENERATION)
        self.board.wake(GENERATION)
        if self.news >= 0:
            with contextlib.suppress(BlockingIOError):  # full: it is readable then
                os.eventfd_write(self.news, 1)

    def open_news(self) -> int:
        """Make the eventfd of a game that attaches; it stays the switchboard's. Raises OSError."""
        self.close_news()
        self.news = os.eventfd(1, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        return self.news

    def close_news(self) -> None:
        """That game is gone, if there was one."""
        if self.news >= 0:
            os.close(self.news)
            self.news = -1

    def close(self) -> None:
        """Unmap and close both."""
        self.close_news()
        for mapped in (self.board, self.page):
            mapped.close()
        for fd in (self.board_fd, self.board_read_only, self.page_fd):
            os.close(fd)
