"""Errors of handlers on their way to the supervisor: each is counted, the first of a kind is described at once.

A handler that fails 60 times a second would bury the supervisor in equal tracebacks. The first failures go out alone,
so that probation sees them at once; then those of one event are merged into one report with a count, ten a second.
"""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from ..shared.messages import Diagnostic, Fault, pack
from .link import Link

BURST: Final = 8
"""Reports that go out unmerged: more than the errors that end a probation, so that merging never delays one."""
PERIOD: Final = 0.1
"""Seconds from one report to the next after the burst. Shorter: more packets to read; longer: counts arrive later."""


class Pending(NamedTuple):
    """Failures of one event that the supervisor has not heard of."""

    times: int
    diagnostic: Diagnostic
    """Of the first of them."""


class Faults:
    """Merges and sends. Never blocks; what cannot be sent now stays pending, one entry an event."""

    def __init__(self, link: Link, now: Callable[[], float] = time.monotonic) -> None:
        self._link = link
        self._now = now
        self._credit = float(BURST)
        self._counted = now()
        self.pending: dict[str, Pending] = {}
        """The same object for the whole life: the loop looks at it after each message."""

    def note(self, event: str, describe: Callable[[], Diagnostic]) -> None:
        """Count a failure; `describe` is called only for the first of those that will be one report."""
        known = self.pending.get(event)
        self.pending[event] = Pending(1, describe()) if known is None else known._replace(times=known.times + 1)
        self.flush()

    def flush(self, *, all_at_once: bool = False) -> None:
        """Send what the rate allows, or everything before the worker parks or ends."""
        if not self.pending:
            return
        now = self._now()
        self._credit = min(BURST, self._credit + (now - self._counted) / PERIOD)
        self._counted = now
        while self.pending and (self._credit >= 1 or all_at_once):
            event, (times, diagnostic) = next(iter(self.pending.items()))
            if not self._link.offer(pack(Fault(event, times, diagnostic))):
                return
            del self.pending[event]
            self._credit -= 1
