"""The four slots of one mod: who sits in which, which one the game talks to, and when one is free again.

::

    offer(epoch, slot) ──▶ switchboard ──▶ the game adopts ──▶ moved() ──▶ the slot before: freed by that epoch
    take(holder) ◀── free: nobody holds it, and the game has left it: it was never there, or has read it to its end

With no game attached the supervisor adopts in its place, so that nothing waits for a game to come.
"""

import asyncio

from .slots import Slot, Slots
from .switchboard import Switchboard, epoch_of, slot_of, word_of


class Tenancy:
    """The supervisor's side of one mod's line on the switchboard. One event loop."""

    def __init__(self, index: int, slots: Slots, board: Switchboard) -> None:
        """`index`: of the line. Takes the slots over."""
        self.index = index
        self.slots = slots
        self._board = board
        self._adopted = 0
        self._room = asyncio.Event()

    # ── what the game did ─────────────────────────────────────────────────────────────────────────────────────────────

    def moved(self) -> int | None:
        """The epoch that the game has adopted since this was asked last; None: it has not moved."""
        before, word = self._adopted, self._board.adopted(self.index)
        if word == before:
            return None
        self._adopted = word
        if before and (slot_of(before) != slot_of(word) or self._board.is_dead(self.index, word)):
            # The game may read on there. A word that says "nobody" names slot 0, whoever sat in it.
            self._slot_at(before).freed_by = epoch_of(word)
        if not self._board.is_nobody(self.index, word):
            self._slot_at(word).epoch = epoch_of(word)
        return epoch_of(word)

    def has_adopted(self, epoch: int) -> bool:
        """Whether the game is there at this moment, whatever `moved` has told so far."""
        return epoch_of(self._board.adopted(self.index)) == epoch

    def adopt_for_absent_game(self, epoch: int, slot: Slot | None) -> None:
        """Do what a game would do with an offer. `slot` None: nobody serves."""
        old = self._slot_at(self._adopted) if self._adopted else None
        if old is not None and old is not slot and old.down is not None:
            old.end_for_absent_game()
        if slot is not None:  # also the one it is in: a game that died may have ended it on its way elsewhere
            slot.reopen_for_absent_game()
        self._board.adopt_for_absent_game(self.index, word_of(epoch, slot.index if slot else 0))

    def _slot_at(self, word: int) -> Slot:
        return self.slots.slots[slot_of(word)]

    # ── what the game is told ─────────────────────────────────────────────────────────────────────────────────────────

    def offer(self, epoch: int, slot: Slot) -> None:
        """Make the game find whoever sits there."""
        self._board.publish(self.index, epoch, slot.index)

    def withdraw(self, epoch: int, *, gone: bool) -> None:
        """Make the game find that nobody serves. `gone`: because the mod's files are."""
        self._board.publish_nobody(self.index, epoch, gone=gone)

    def tell_gone(self, gone: bool) -> None:
        """Files of a mod that is down went, or came back and may not load."""
        self._board.tell_gone(self.index, gone)

    def set_live(self, slot: Slot) -> None:
        """The worker in it reads its ring: tell whoever waits for that."""
        slot.set_live(True)
        self._board.announce()

    def mark_dead(self, slot: Slot) -> None:
        """The worker in it is gone: tell the game, and whoever waits in it, if it is the one it talks to."""
        if slot_of(self._adopted) == slot.index:
            self._board.mark_dead(self.index, slot.index, epoch_of(self._adopted))
            slot.wake_game()

    # ── who sits where ────────────────────────────────────────────────────────────────────────────────────────────────

    async def take(self, holder: int) -> Slot:
        """A slot that nobody uses. All four taken means that the game has yet to move: wait for it or for a reaping."""
        while (slot := self.slots.free(self._board.left(self.index))) is None:
            self._room.clear()
            await self._room.wait()
        slot.holder = holder
        return slot

    def leave(self, slot: Slot, holder: int) -> None:
        """Its holder is reaped; the game may still have to leave the slot (`freed_by`)."""
        if slot.holder == holder:
            slot.holder = 0
            slot.forget_pins()
            if slot.epoch:  # the game need not wait for a successor to be live before it leaves
                self._board.mark_dead(self.index, slot.index, slot.epoch)
            self._room.set()

    def look_for_room(self) -> None:
        """The game may have left a slot that somebody waits for."""
        self._room.set()

    def give_back(self) -> None:
        """Nobody of this mod is left: its memory goes too, as far as the game has left it."""
        self.slots.give_back(self._board.left(self.index))
