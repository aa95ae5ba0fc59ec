"""The breaker: Erlang/OTP's restart intensity, counted per digest of one mod. Pure: every call is told the time.

A version that keeps failing is not worth restarting for ever: more than `burst` failures within `period` seconds and
its digest is **out**. It stays out until the bytes change: a different digest starts with a clean sheet at once,
because whoever saved it wants to see it run. Going back to the very same bytes does not bring them back in: they are
the bytes that failed.

Why per digest and not per mod, as OTP counts per child: the fix for a crashing mod is a new version, which must not
wait for the old one's period to pass. Why not exponential back-off: a game would see a mod come and go all evening.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

from ..shared.policy import Intensity

MOST_DIGESTS: Final = 64
"""Digests remembered, least recently failed forgotten first. Fewer: alternating bad saves come back in; more: memory
for a mod that somebody edits all day (about 200 bytes each)."""


@dataclass(slots=True)
class _Sheet:
    failures: deque[float] = field(default_factory=deque)
    out: bool = False


class Breaker:
    """Which digests of one mod failed how often. Runs in the supervisor."""

    def __init__(self, intensity: Intensity | None = None) -> None:
        """`intensity`: more than `burst` failures within `period` seconds; default 3 in 30 s."""
        self._intensity = intensity or Intensity()
        self._sheets: OrderedDict[str, _Sheet] = OrderedDict()

    def failed(self, digest: str, now: float) -> bool:
        """Count one failure at `now` (monotonic seconds). True: that was one too many, the digest is out."""
        sheet = self._sheets.setdefault(digest, _Sheet())
        self._sheets.move_to_end(digest)
        if len(self._sheets) > MOST_DIGESTS:
            self._sheets.popitem(last=False)
        if sheet.out:
            return True
        failures = sheet.failures
        failures.append(now)
        while failures[0] <= now - self._intensity.period:
            failures.popleft()
        sheet.out = len(failures) > self._intensity.burst
        return sheet.out
