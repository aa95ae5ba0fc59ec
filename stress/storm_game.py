"""The game in the storm: 60 frames a second that post, emit and call, and keep count of every post."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from fumehood.runner import ModFailure, Mods
from fumehood.runner.demo_frames import PERIOD, Frames

POSTS: Final = 24
CALLS: Final = 6
"""Of each frame, to mods drawn at random."""
BUDGET: Final = 0.004
PATIENCE: Final = 0.004
"""Seconds for the emit of a frame, and for each call."""


@dataclass
class Posted:
    """What the game sent to one mod."""

    count: int = 0
    sum: int = 0


@dataclass
class Game:
    """One game and its books."""

    mods: Mods
    names: list[str]
    rng: random.Random
    swallow_at: int = 0
    """Frame in which one post is counted and not sent: a planted fault. 0: none."""
    posted: dict[str, Posted] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    """How calls ended: "value", or the error's name."""
    unsent: Counter[str] = field(default_factory=Counter)
    """Posts that were refused to the game's face, by the error's name: not sent, so not owed."""
    number: int = 0
    frame: int = 0
    late: int = 0
    """Mods late in an emit."""

    def play(self, frames: Frames, until: Callable[[], bool], each: Callable[[], None] = lambda: None) -> None:
        """Play frames until `until()`, asked after each one; `each()` runs between frames."""
        while True:
            frames.wait()
            self.one_frame()
            frames.done()
            each()
            if until():
                return

    def one_frame(self) -> None:
        """Everything a frame does."""
        self.frame += 1
        report = self.mods.emit("tick", PERIOD, budget=BUDGET)
        self.late += len(report.late)
        for name in self.rng.choices(self.names, k=POSTS):
            self.post(name)
        for name in self.rng.choices(self.names, k=CALLS):
            try:
                self.mods[name].call("audit", timeout=PATIENCE)
                self.calls["value"] += 1
            except ModFailure as failure:
                self.calls[type(failure).__name__] += 1
        self.mods.intents()

    def post(self, name: str) -> None:
        """One post, into the books if it was sent."""
        self.number += 1
        if self.frame == self.swallow_at:
            self.swallow_at = 0
        else:
            try:
                if not self.mods[name].post("post", self.number):
                    self.unsent["no handler"] += 1
                    return
            except ModFailure as failure:
                self.unsent[type(failure).__name__] += 1
                return
        account = self.posted.setdefault(name, Posted())
        account.count += 1
        account.sum += self.number

    def audit(self, name: str) -> tuple[int, int, int, int]:
        """What the mod says: its save, how many posts it handled, their sum, how many came out of order."""
        save, count, total, disorder = self.mods[name].call("audit", timeout=5.0)
        return int(save), int(count), int(total), int(disorder)
