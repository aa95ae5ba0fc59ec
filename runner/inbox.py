"""What one mod has said to the game: answers to requests that wait, and intents until they are taken.

Everything here is a mod's own words, read at a bounded price. Any look at a mod's ring may find any of its answers, so
what is awaited is written down here and not where it is waited for. Runs in the game.
"""

import logging
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from ..shared._ring import Port
from ..shared.messages import Intent as IntentMessage
from .rate import TokenBucket
from .records import Intent
from .replies import read
from .text import versioned

WAIT_NS: Final = 500_000
"""Time spent on answers before a caller who waits looks at the clock again. Less: more looks; more: a worker that
floods its ring delays a deadline by as much."""
LAST_NS: Final = 20_000
LAST_BYTES: Final = 512
"""What is still taken once the deadline has passed, so that a mod which answered in time, and shortly, is not late
because of those asked before it. Longer answers are thrown away unread. More: a frame may last longer by as much for
each mod."""
LOOK_NS: Final = 4_000_000
"""Time spent on what one mod says unasked, before the game goes on and leaves the rest for its next look."""
MOST_INTENT_BYTES: Final = 1024 * 1024
"""Bytes of one mod's intents, as packed, kept between two looks of the game; past it they are dropped and counted, as
past `intents_per_frame`. A byte may be an empty list, which takes 64 here."""
_TOO_LONG: Final = f"together longer than {MOST_INTENT_BYTES} bytes"

log = logging.getLogger("fumehood.game")


class Inbox:
    """One mod's answers and intents. One thread."""

    def __init__(self, mod: str) -> None:
        self._mod = mod
        self.wanted: dict[int, Any] = {}
        """Requests that are waited for, with their answers: None, not there yet."""
        self.most_intents = 0
        """As the last card says. What an unloaded mod said last still counts: a card of nobody is not asked."""
        self.dropped_intents = 0
        self.forsaken_intents = 0
        self.stray_replies = 0
        self._unsaid: dict[str, int] = {}
        """Intents dropped since the log said so, by the reason."""
        self._complaints = TokenBucket(1.0, 1.0)
        self._forsaken: Sequence[int] = ()
        self._intents: deque[Intent] = deque()
        self._intent_bytes = 0
        self._taken_bytes = 0

    def take(self, port: Port, epoch: int, most: int = LOOK_NS, longest: int = 2**32) -> int:
        """Take what is there, for about `most` ns, and none of more than `longest` bytes.

        Returns what is left of `most`; 0 or less: there may be more. Raises CorruptRing, ProtocolError.
        """
        while most > 0 and (length := port.peek()) is not None and length <= longest:
            raw = port.pop()
            if raw is not None:
                most -= self.take_one(raw, epoch)
        return most

    def take_one(self, raw: bytes, epoch: int) -> int:
        """Take one message that was said under `epoch`. Returns what it cost in ns. Raises ProtocolError."""
        reply, cost = read(raw)
        if reply is None:
            self._drop("too dear to read")
        elif type(reply) is IntentMessage:
            self._keep(Intent(self._mod, reply.name, reply.fields, epoch), len(raw))
        elif reply.id in self.wanted:
            self.wanted[reply.id] = reply
        else:
            self.stray_replies += 1
        return cost

    def intents(self) -> list[Intent]:
        """Hand out what was kept."""
        taken = list(self._intents)
        self._intents.clear()
        self._taken_bytes, self._intent_bytes = self._intent_bytes, 0
        return taken

    def give_back(self, intents: Sequence[Intent]) -> None:
        """Keep again, before what came since, what was handed out last and is not done. Counts as all of that did."""
        self._intents.extendleft(reversed(intents))
        self._intent_bytes += self._taken_bytes
        self.forsake(self._forsaken)

    def forsake(self, epochs: Sequence[int]) -> None:
        """Drop what was asked for under epochs that were rolled back, now and when more of it turns up."""
        self._forsaken = epochs
        if epochs and self._intents:
            kept = [intent for intent in self._intents if intent.epoch not in epochs]
            self.forsaken_intents += len(self._intents) - len(kept)
            self._intents = deque(kept)

    def _keep(self, intent: Intent, size: int) -> None:
        if intent.epoch in self._forsaken:
            self.forsaken_intents += 1
        elif len(self._intents) < self.most_intents and self._intent_bytes + size <= MOST_INTENT_BYTES:
            self._intent_bytes += size
            self._intents.append(intent)
        else:
            full = len(self._intents) >= self.most_intents
            self._drop(f"limit: intents_per_frame = {self.most_intents}" if full else _TOO_LONG)

    def _drop(self, reason: str) -> None:
        self.dropped_intents += 1
        self._unsaid[reason] = self._unsaid.get(reason, 0) + 1

    def tell_dropped(self, version: int) -> None:
        """Say in the game's log what was dropped since that was said last: at most a line a second."""
        if self._unsaid and self._complaints.take(time.monotonic()):
            told = ", ".join(f"{count} ({reason})" for reason, count in self._unsaid.items())
            self._unsaid.clear()
            log.warning("%s: intents dropped: %s", versioned(self._mod, version), told)
