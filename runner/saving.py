"""In the supervisor: the state of every mod at one point between frames, for `Mods.save`.

The game waits meanwhile and sends nothing, so that point is the end of every ring as it stands: whoever has handled all
of that is asked for its state. Not before, since a command overtakes what still lies in the ring. What a worker hands
over because it is replaced meanwhile is of that point too. Whoever cannot be asked, does not answer in time or has a
state that cannot be taken is saved as it was kept last, and the save says so.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Final

from .checkpoints import Checkpoint
from .lane import Lane
from .savefile import SavedMod
from .seat import Seat
from .text import escape

FIRST_PAUSE: Final = 0.0005
LONGEST_PAUSE: Final = 0.01
"""Seconds between two looks at how far a worker is; twice as long each time. Shorter: more of a core for a mod that has
much to do; longer: the game waits longer for one that is through."""
LOOK: Final = 0.05
"""Seconds after which a mod that is between two workers is looked at again, if nobody says that it changed."""


async def save(lanes: Iterable[Lane], until: float) -> list[SavedMod]:
    """Return the states of all mods that are live or ought to be, by name; by `until` (monotonic seconds)."""
    wanted = [lane for lane in lanes if lane.life.active is not None or lane.life.target is not None]
    mods = await asyncio.gather(*(_save_one(lane, until) for lane in wanted))
    return sorted(mods, key=lambda each: each.name)


async def _save_one(lane: Lane, until: float) -> SavedMod:
    taken = await _take(lane, until)
    note = taken if isinstance(taken, str) else ""
    state = taken if isinstance(taken, Checkpoint) else lane.states.newest()
    if state is None:
        return SavedMod(lane.name, 0, "", 0, 0.0, escape(note), None)
    version = lane.life.versions.number(state.digest) if state.digest in lane.life.versions else 0
    age = max(0.0, time.monotonic() - state.at) if note else 0.0
    return SavedMod(lane.name, version, state.digest, state.state_version, age, escape(note), state.data)


async def _take(lane: Lane, until: float) -> Checkpoint | str:
    """The state as of now, or why there is none to be had."""
    why, pause = "it was not live in time", FIRST_PAUSE
    while (left := until - time.monotonic()) > 0:
        seat = lane.active_seat()
        if seat is None:
            if lane.life.active is None and lane.at_rest():
                return "no version of it is live"
            await lane.house.change(min(left, LOOK))
        elif not seat.through():
            why = "it did not get through what it was sent in time"
            await asyncio.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE)
        else:
            why = "it did not hand its state over in time"
            state = await _ask(lane, seat, until)
            if state is not None:
                return state
    return why


async def _ask(lane: Lane, seat: Seat, until: float) -> Checkpoint | str | None:
    """What it answers; None: it does not in time, or no longer serves."""
    answer = seat.ask_state()
    while not answer.done() and lane.active_seat() is seat and (left := until - time.monotonic()) > 0:
        await asyncio.wait([answer], timeout=min(left, LOOK))
    return answer.result() if answer.done() else None
