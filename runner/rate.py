"""A token bucket: so many at once, so many a second, no clock of its own.

Against floods of log lines and of packets. Pure: every call is told the time.
"""

import math
from dataclasses import dataclass, field


@dataclass(slots=True)
class TokenBucket:
    """Holds up to `burst` tokens and gains `rate` of them a second. Starts full."""

    rate: float
    """Tokens a second, at least 0."""
    burst: float
    """Most tokens it holds, at least 0 (then nothing passes): what may be spent at once after a calm."""
    _tokens: float = field(init=False)
    _at: float | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if not (self.rate >= 0 and self.burst >= 0):
            raise ValueError(f"a bucket has no rate or burst below 0: {self.rate}, {self.burst}")
        self._tokens = self.burst

    def take(self, now: float, count: float = 1.0) -> bool:
        """Spend `count` tokens at `now` (monotonic seconds). False: there are too few, and none is spent."""
        self._fill(now)
        if self._tokens < count:
            return False
        self._tokens -= count
        return True

    def spend(self, now: float, count: float = 1.0) -> float:
        """Spend `count` tokens for what is done already, on credit if there are too few.

        Returns the seconds from `now` until the debt is paid; 0.0: there is none. `inf`: it never will be.
        """
        self._fill(now)
        self._tokens -= count
        if self._tokens >= 0:
            return 0.0
        return -self._tokens / self.rate if self.rate else math.inf

    def wait(self, now: float, count: float = 1.0) -> float:
        """Seconds from `now` until `count` tokens are there; 0.0: they are. `inf`: they never will be."""
        self._fill(now)
        missing = count - self._tokens
        if missing <= 0:
            return 0.0
        return missing / self.rate if self.rate and count <= self.burst else math.inf

    def _fill(self, now: float) -> None:
        if self._at is None or now <= self._at:  # time given out of order gains nothing, and costs nothing
            self._at = now if self._at is None else self._at
            return
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
