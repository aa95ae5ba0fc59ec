"""The versions of one mod: what each is called, which were live, and which are not to be loaded again. Pure.

A version is a digest with a number. The number is given when the digest is first met, and stays: bytes that come back
are the version they were. A quarantined digest is out until the bytes change; a digest that was live and is not out is
what a mod can go back to when no worker of it is left.
"""

from typing import Final

from ..shared.messages import Diagnostic
from ..shared.policy import Intensity
from .breaker import Breaker

MOST_QUARANTINED: Final = 64
"""Digests remembered as bad per mod. Fewer: alternating bad saves are tried again; more: memory."""
MOST_HISTORY: Final = 4
"""Digests that were live and may be loaded anew. Fewer: a mod is down sooner; more: as many snapshots are kept."""


class Versions:
    """What is known of one mod's digests. Runs in the supervisor; every call is told the time."""

    def __init__(self, intensity: Intensity | None = None) -> None:
        """`intensity`: how many failures within how long put a digest out; default 3 in 30 s."""
        self.quarantine: dict[str, Diagnostic] = {}
        """Digests that are out, and why; the latest last, at most MOST_QUARANTINED."""
        self.history: list[str] = []
        """Digests that were live, the latest last; at most MOST_HISTORY."""
        self._numbers: dict[str, int] = {}
        self._breaker = Breaker(intensity)

    def __contains__(self, digest: str) -> bool:
        """Whether it is a version of this mod, of whatever merit."""
        return digest in self._numbers

    def number(self, digest: str) -> int:
        """What it is called, from 1; a digest met for the first time gets the next one."""
        return self._numbers.setdefault(digest, len(self._numbers) + 1)

    def went_live(self, digest: str) -> None:
        """It is what a mod goes back to before all others, unless it is put out."""
        if digest in self.history:
            self.history.remove(digest)
        self.history.append(digest)
        del self.history[:-MOST_HISTORY]

    def good(self) -> str | None:
        """The latest that was live and is not out; None: there is none left."""
        return next((digest for digest in reversed(self.history) if digest not in self.quarantine), None)

    def out(self, digest: str, why: Diagnostic) -> None:
        """Quarantine it; the one put out longest ago is forgotten when there are too many."""
        self.quarantine[digest] = why
        while len(self.quarantine) > MOST_QUARANTINED:
            del self.quarantine[next(iter(self.quarantine))]

    def failed(self, digest: str, why: Diagnostic, now: float) -> bool:
        """One more failure of one that may be good, at `now` (monotonic seconds): put out when they are too many.

        True: it is out.
        """
        out = self._breaker.failed(digest, now)
        if out:
            self.out(digest, why)
        return out
