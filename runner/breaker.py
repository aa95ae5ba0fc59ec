"""The breaker: Erlang/OTP's restart intensity, counted per (mod, digest). Pure: every call is told the time.

A version that keeps failing is not worth restarting for ever: more than `burst` failures within `period` seconds and
its digest is **out**. It stays out until the bytes change: a different digest starts with a clean sheet at once,
because whoever saved it wants to see it run. Going back to the very same bytes does not bring them back in: they are
the bytes that failed. `pardon` (an operator's retry) does.

A candidate that was refused is out by the same word, `condemn`, without counting.

Why per digest and not per mod, as OTP counts per child: the fix for a crashing mod is a new version, which must not
wait for the old one's period to pass. Why not exponential back-off: a game would see a mod come and go all evening.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

from ..shared.policy import Intensity

MOST_DIGESTS: Final = 64
"""Digests remembered per mod, least recently named forgotten first. Fewer: alternating bad saves come back in; more:
memory for a mod that somebody edits all day (about 200 bytes each)."""


@dataclass(slots=True)
class _Sheet:
    failures: deque[float] = field(default_factory=deque)
    reason: str = ""


class Breaker:
    """What failed how often. One for all mods; runs in the supervisor."""

    def __init__(self, intensity: Intensity | None = None) -> None:
        """`intensity`: more than `burst` failures within `period` seconds; default 3 in 30 s."""
        self._intensity = intensity or Intensity()
        self._sheets: dict[str, OrderedDict[str, _Sheet]] = {}

    def failed(self, mod: str, digest: str, now: float) -> bool:
        """Count one failure at `now` (monotonic seconds). True: that was one too many, the digest is out."""
        sheet = self._sheet(mod, digest)
        if sheet.reason:
            return True
        failures = sheet.failures
        failures.append(now)
        while failures[0] <= now - self._intensity.period:
            failures.popleft()
        if len(failures) > self._intensity.burst:
            sheet.reason = f"failed {len(failures)} times within {self._intensity.period:g} s"
            failures.clear()
        return bool(sheet.reason)

    def condemn(self, mod: str, digest: str, reason: str) -> None:
        """Put a digest out at once: a candidate of these bytes was refused. The first reason stays."""
        sheet = self._sheet(mod, digest)
        sheet.reason = sheet.reason or reason or "refused"

    def out(self, mod: str, digest: str) -> str:
        """Why these bytes may not run, or "" when they may."""
        sheets = self._sheets.get(mod)
        sheet = sheets.get(digest) if sheets else None
        return sheet.reason if sheet else ""

    def pardon(self, mod: str, digest: str) -> None:
        """Let one digest try again with a clean sheet."""
        sheets = self._sheets.get(mod)
        if sheets and sheets.pop(digest, None) and not sheets:
            del self._sheets[mod]

    def forget(self, mod: str) -> None:
        """Drop everything about a mod that was unloaded."""
        self._sheets.pop(mod, None)

    def _sheet(self, mod: str, digest: str) -> _Sheet:
        sheets = self._sheets.setdefault(mod, OrderedDict())
        sheet = sheets.get(digest)
        if sheet is None:
            sheet = sheets[digest] = _Sheet()
            if len(sheets) > MOST_DIGESTS:
                sheets.popitem(last=False)
        else:
            sheets.move_to_end(digest)
        return sheet
