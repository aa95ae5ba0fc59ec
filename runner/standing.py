"""How one mod stands, as people and games are told it: its status, its receipts, its log. Decides nothing.

Beside the lane, which acts: what is counted and said here changes no role. Runs in the supervisor.
"""

import logging

from ..shared import messages
from ..shared.messages import Diagnostic
from ..shared.policy import Limits
from ..shared.states import Role, Verdict
from . import postmortem, receipts
from .checkpoints import Checkpoint
from .estates import Estates
from .journal import Journal
from .lifecycle import Lifecycle
from .modlog import ModLog
from .records import ModStatus
from .roles import Issue
from .seat import Seat
from .snapshot import Snapshot
from .text import escape

log = logging.getLogger("fumehood.mods")


class Standing:
    """What has been counted and said of one mod."""

    def __init__(self, name: str, limits: Limits) -> None:
        self.name = name
        self.log = ModLog(name, limits.log_lines, limits.log_bytes)
        self.diagnostic: Diagnostic | None = None
        """Why what is on disk is not live, if so."""
        self.reloads = self.rollbacks = self.handler_errors = 0
        self.state_error = ""
        """Why its state could not be taken when that was last tried."""

    def said(self, seat: Seat, line: messages.LogLine) -> None:
        """It logged or printed something."""
        self.log.hold_to(seat.limits)
        self.log.said(seat.version, line)

    def ended_aside(self, seat: Seat, role: Role, diagnostic: Diagnostic) -> None:
        """One died that nobody goes back from: the way back, or one that finished what it was sent."""
        log.warning("%s@%d ended (%s): %s", self.name, seat.version, role.value, diagnostic)

    def fault(self, seat: Seat, report: messages.Fault) -> tuple[Diagnostic, int]:
        """A handler raised: count it and log it. Returns what the worker said of it, clean."""
        count = min(max(report.count, 1), 1_000_000)
        diagnostic = postmortem.of_report(report.diagnostic, seat.snapshot)
        seat.last_words = diagnostic
        self.handler_errors += count
        self.log.hold_to(seat.limits)
        self.log.raised(seat.version, report.event, diagnostic, count)
        return diagnostic, count

    def state_taken(self) -> None:
        """Its state is here."""
        self.state_error = ""

    def state_missing(self, seat: Seat, why: str, older: Checkpoint | None, now: float) -> None:
        """Its state could not be taken. Said once, not once a second."""
        text = escape(why)
        if text == self.state_error:
            return
        self.state_error = text
        then = f"with its state of {now - older.at:.0f} s ago" if older else "without state"
        log.error("%s@%d: its state could not be taken, a new version would start %s: %s",
                  self.name, seat.version, then, text)  # fmt: skip

    def issue(
        self,
        issue: Issue,
        life: Lifecycle,
        seat: Seat | None,
        snapshot: Snapshot | None,
        journal: Journal,
        worst_frame_ms: float,
    ) -> None:
        """Count a verdict, write its receipt, say it in the log. `seat`, `snapshot`: of what it is about."""
        active = life.active
        if issue.verdict is Verdict.LIVE:
            self.reloads += 1
            if active is not None and issue.digest == life.target:
                self.diagnostic = None
        elif issue.verdict is Verdict.ROLLED_BACK:
            self.rollbacks += 1
        if issue.diagnostic is not None and issue.cause != "load":  # of a save, and not of what is on disk
            self.diagnostic = issue.diagnostic
        serving = active if active is not None and not active.failed else None
        receipt = receipts.make(journal.last + 1, self.name, issue, serving, seat, snapshot, worst_frame_ms)
        journal.append(receipt)
        receipts.say(receipt, [event for event, _ in seat.bound.events] if seat and seat.bound else ())

    def status(
        self, life: Lifecycle, seat: Seat | None, resident: int, newest: Checkpoint | None, estates: Estates
    ) -> ModStatus:
        """As the game is told. `seat`, `resident`: of the worker that serves, if one does."""
        active = life.active if life.active and not life.active.failed else None
        role = life.role()
        return ModStatus(
            name=self.name,
            version=active.version if active else 0,
            epoch=active.epoch if active else 0,
            digest=active.digest if active else "",
            role=role.value if role and role is not Role.RETIRED else "down",
            pid=seat.worker.pid if seat and seat.worker else 0,
            standby=life.standby.version if life.standby else 0,
            target=life.target or "",
            down=self._why_down(life) if active is None else "",
            diagnostic=self.diagnostic,
            reloads=self.reloads,
            rollbacks=self.rollbacks,
            handler_errors=self.handler_errors,
            lost_posts=estates.lost_posts,
            lost_effects=estates.lost_effects,
            state_bytes=len(newest.data) if newest else 0,
            resident=resident,
            state_error=self.state_error,
        )

    def _why_down(self, life: Lifecycle) -> str:
        """Why nobody serves, in a line."""
        if life.target is not None and self.diagnostic is not None:
            return self.diagnostic.headline
        return life.down or "it is being loaded"
