"""The storm's books against what is: the disk, what is live, every post, and what the processes hold."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import storm_plan as plan
import storm_resources as resources
from fumehood.runner import ModFailure, Mods, ModStatus
from storm_game import Game
from storm_plan import GOOD, Model

Difference = tuple[str, str, str]
"""What, what was expected, what was found."""


@dataclass
class Checker:
    """What the writers said, to be held against everything else."""

    root: Path
    mods: list[str]
    model: Model
    went_live: dict[str, str] = field(default_factory=dict)
    """By mod, the digest that the journal says went live last."""

    def read_journal(self, mods: Mods) -> None:
        """Learn what went live last."""
        for receipt in mods.receipts():
            if receipt.live_digest:
                self.went_live[receipt.mod] = receipt.live_digest

    def disk(self, mod: str) -> str:
        """The digest of what is on the disk now."""
        if not plan.is_folder(mod):
            return plan.digest({f"{mod}.py": (self.root / f"{mod}.py").read_bytes()})
        return plan.digest({path.name: path.read_bytes() for path in (self.root / mod).glob("[!.]*.py")})

    def live(self, mods: Mods) -> Iterator[Difference]:
        """The disk against the writers, what is live against the disk, and what answers against both."""
        statuses = {status.name: status for status in mods.status()}
        for mod in self.mods:
            last, disk = self.model.on_disk(mod), self.disk(mod)
            should = plan.digest_of(mod, last.save, last.kind)
            if disk != should:
                yield f"{mod}: disk", f"save {last.save} ({last.kind}) {should[:12]}", disk[:12]
            may = {plan.digest_of(mod, save, GOOD): save for save in self.model.may_be_live(mod)}
            live = statuses[mod].digest if mod in statuses else ""
            journal = self.went_live.get(mod, "")
            if last.kind == GOOD and live != disk:
                yield f"{mod}: live digest against the disk", disk[:12], live[:12] or "nothing"
            elif live not in may:
                named = ", ".join(f"save {save} {digest[:12]}" for digest, save in may.items())
                yield f"{mod}: live digest, disk is broken", named, live[:12] or "nothing"
            elif live != journal:
                yield f"{mod}: live digest against the journal", journal[:12], live[:12]
            try:
                save = int(mods[mod].call("audit", timeout=5.0)[0])
            except ModFailure as failure:
                yield f"{mod}: answers", "yes", str(failure)[:60]
            else:
                if save not in may.values():
                    yield f"{mod}: the save that answers", " or ".join(map(str, may.values())), str(save)


@dataclass
class Account:
    """What became of all posts."""

    posted: int = 0
    handled: int = 0
    lost: int = 0
    differences: list[Difference] = field(default_factory=list)


def posts(game: Game) -> Account:
    """Every post exactly once: handled by its mod or, if a worker died with it, counted as lost."""
    lost = {status.name: status.lost_posts for status in game.mods.status()}
    made = Account(sum(account.count for account in game.posted.values()), 0, sum(lost.values()))
    for mod, account in game.posted.items():
        try:
            _, count, total, disorder = game.audit(mod)
        except ModFailure as failure:
            made.differences.append((f"{mod}: audit", f"{account.count} posts", str(failure)[:60]))
            continue
        made.handled += count
        if count + lost[mod] != account.count or (not lost[mod] and total != account.sum):
            text = f"{count} handled, {lost[mod]} lost, sum {total}"
            made.differences.append((f"{mod}: posts", f"{account.count}, sum {account.sum}", text))
        if disorder:
            made.differences.append((f"{mod}: posts out of order", "0", str(disorder)))
    return made


@dataclass(frozen=True)
class Held:
    """What game and supervisor hold, and for how many workers."""

    game: resources.Holdings
    supervisor: resources.Holdings
    workers: int
    """Workers that have a mod."""

    @classmethod
    def now(cls, mods: Mods, supervisor: int) -> "Held":
        """Look. `supervisor`: its pid."""
        return cls(resources.of(os.getpid()), resources.of(supervisor), _workers(mods.status()))

    def differences(self, after: "Held", mods: int) -> Iterator[Difference]:
        """What is not as it was, but for what more or fewer workers explain."""
        more = after.workers - self.workers
        game = after.game
        below = resources.Holdings(game.descriptors, game.mappings, game.memory, game.descendants - more)
        yield from resources.differences("game", self.game, below)
        yield from resources.differences(
            "supervisor", self.supervisor, after.supervisor, workers=more, ring_mappings=8 * mods
        )


def _workers(statuses: list[ModStatus]) -> int:
    return sum((status.version > 0) + (status.standby > 0) for status in statuses)
