"""The states of one mod that can still be resumed from: opaque bytes, newest first. Never opened on this side."""

from dataclasses import dataclass, field
from typing import Final

KEPT: Final = 4
"""How many are kept. Fewer: a rollback may find only states written by the very version that failed; more: memory."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One state. `data` empty: the mod had none."""

    data: bytes
    state_version: int
    digest: str
    at: float
    """When it was written (seconds, monotonic)."""


@dataclass(slots=True)
class Checkpoints:
    """A short history: the newest one of each digest, and the newest handed over. Pure."""

    newest_first: list[Checkpoint] = field(default_factory=list)

    def add(self, checkpoint: Checkpoint) -> None:
        """Put the newest one first; an older one of the same digest gives way, others stay as further ways back."""
        others = [c for c in self.newest_first if c.digest != checkpoint.digest]
        self.newest_first = [checkpoint, *others][:KEPT]

    def replace(self, checkpoint: Checkpoint | None) -> None:
        """A save was loaded: what was kept before is of another game, and no way back leads there."""
        self.newest_first = [checkpoint] if checkpoint is not None else []

    def newest(self) -> Checkpoint | None:
        """The newest; None: the mod never had a state."""
        return self.newest_first[0] if self.newest_first else None

    def after(self, checkpoint: Checkpoint | None) -> Checkpoint | None:
        """The next older one to try when `checkpoint` would not load; None: nothing left to try."""
        if checkpoint is None or checkpoint not in self.newest_first:
            return None
        rest = self.newest_first[self.newest_first.index(checkpoint) + 1 :]
        return rest[0] if rest else None
