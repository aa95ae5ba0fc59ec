"""How often a mod may wake the game's event loop. Pure: every call is told the time.

A mod's workers hold an eventfd that wakes the loop, and may write to it for ever, or fill their ring with what nobody
asked for. So what is listened to has a price: a wake that brings an answer is free, since each was asked for; one that
brings none is paid out of a credit, and when that is spent the mod is not listened to for a while. Deadlines do not
depend on it: at a deadline the ring is looked at whatever its mod has done.
"""

from typing import Final

from .rate import TokenBucket

VAIN_WAKES: Final = 100.0
"""Wakes without an answer that are free after a calm, and as many more a second. An honest worker causes some: one that
announces what the loop has read a moment before. Fewer: answers of busy honest mods come later; more: a hostile one
takes more of the loop before it is noticed."""
SHARE: Final = 0.05
"""Of the loop's time, what such a mod may take for good."""
LEAST_PAUSE: Final = 0.002
"""Seconds; setting a timer and listening anew costs some 10 µs of the loop's. Longer: what it answers while it is not
listened to waits for as long."""
LONGEST_PAUSE: Final = 0.1


class Pace:
    """Of one mod."""

    def __init__(self) -> None:
        self._credit = TokenBucket(VAIN_WAKES, VAIN_WAKES)

    def pause(self, now: float, took: float, answers: int) -> float:
        """Seconds for which the mod is not to be listened to; 0.0: none. `took`: seconds that the wake cost."""
        if answers > 0 or self._credit.take(now):
            return 0.0
        return min(LONGEST_PAUSE, max(LEAST_PAUSE, took / SHARE))
