"""When a frame is due, and how long frames took: absolute deadlines, so that no late frame hides behind the next one.

A frame's time is counted from the moment it was *due* to the moment all its work was done, drawing included. So a
wake-up that comes late counts too, which a stopwatch round the work alone would not show.
"""

import math
import time
from typing import Final

RATE: Final = 60
PERIOD: Final = 1.0 / RATE

BARS: Final = "▁▂▃▄▅▆▇█"


def quantile(values: list[float], share: float) -> float:
    """Return the nearest-rank quantile of `values` (0 when there are none). `share` from 0 to 1."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Frames:
    """The beat of the game, and its record."""

    def __init__(self) -> None:
        self._due = time.monotonic()
        self.times: list[float] = []
        """Seconds of each frame."""
        self.late = 0
        """Frames done after the next one was due."""
        self.skipped = 0
        """Frames that never began because those before them took so long."""

    def wait(self) -> None:
        """Sleep until the next frame is due; at once if it already is."""
        pause = self._due - time.monotonic()
        if pause > 0:
            time.sleep(pause)

    def done(self) -> None:
        """The frame's work is done: record it, and set when the next one is due."""
        took = time.monotonic() - self._due
        self.times.append(took)
        behind = int(took / PERIOD)
        if behind:
            self.late += 1
            self.skipped += behind - 1
        self._due += PERIOD * max(1, behind)

    def summary(self) -> dict[str, float]:
        """Milliseconds p50, p99 and max, and the counts."""
        return {
            "count": len(self.times),
            "p50_ms": round(quantile(self.times, 0.5) * 1e3, 2),
            "p99_ms": round(quantile(self.times, 0.99) * 1e3, 2),
            "max_ms": round(max(self.times, default=0.0) * 1e3, 2),
            "late": self.late,
            "skipped": self.skipped,
            "period_ms": round(PERIOD * 1e3, 2),
        }

    def bars(self, width: int) -> list[tuple[str, bool]]:
        """Return the last `width` frames as (bar, was it late); a full bar is the whole period."""
        return [
            (BARS[min(len(BARS) - 1, int(took / PERIOD * len(BARS)))], took > PERIOD) for took in self.times[-width:]
        ]
