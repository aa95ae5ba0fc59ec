"""The table of roles, the record of one attempt, and the actions that the lifecycle asks for: data, no behaviour."""

from dataclasses import dataclass, field
from typing import Final

from ..shared.messages import Diagnostic
from ..shared.policy import Limits
from ..shared.states import Role, Stage, Verdict

TRANSITIONS: Final[dict[tuple[Role, str], Role]] = {
    (Role.SPARE, "assigned"): Role.CANDIDATE,
    (Role.CANDIDATE, "offered"): Role.OFFERED,
    (Role.CANDIDATE, "kept as standby"): Role.STANDBY,
    (Role.CANDIDATE, "failed"): Role.RETIRED,
    (Role.CANDIDATE, "superseded"): Role.RETIRED,
    (Role.OFFERED, "adopted"): Role.ACTIVE,
    (Role.OFFERED, "superseded"): Role.RETIRED,
    (Role.OFFERED, "failed"): Role.RETIRED,
    (Role.ACTIVE, "replaced"): Role.DRAINING,
    (Role.ACTIVE, "failed"): Role.RETIRED,
    (Role.ACTIVE, "superseded"): Role.RETIRED,
    (Role.DRAINING, "drained"): Role.STANDBY,
    (Role.DRAINING, "failed"): Role.RETIRED,
    (Role.OFFERED, "kept as standby"): Role.STANDBY,
    (Role.STANDBY, "offered"): Role.OFFERED,
    (Role.STANDBY, "superseded"): Role.RETIRED,
    (Role.STANDBY, "failed"): Role.RETIRED,
}
"""Every change of role there is. Anything else is a fault of ours and raises; RETIRED has no way out."""


@dataclass(slots=True)
class Attempt:
    """One worker's life as a pure record: a build that was begun, and what became of it."""

    number: int
    digest: str
    version: int
    cause: str
    limits: Limits = field(default_factory=Limits)
    """The game's, lowered by what this version says of itself."""
    role: Role = Role.CANDIDATE
    ready: bool = False
    epoch: int = 0
    started: bool = False
    """Start was sent: it takes state in and reads its ring."""
    restarted: bool = False
    """It drained although it was to go on, and was started again under the same epoch."""
    ended: bool = False
    """It drained before the game's step to the offer was seen: the ring is ended first, the epoch stored after."""
    live: bool = False
    was_live: bool = False
    failed: bool = False
    worn: bool = False
    """Near the end of the CPU time it may use: a fresh worker of the same version was asked for."""
    worn_early: bool = False
    """It was so soon after it was adopted, and the breaker has counted that."""
    serves_since: float = 0.0
    """When the game adopted this very worker; `adopted_at` is when it adopted its version."""
    adopted_at: float = 0.0
    faults: int = 0
    """Handler errors since `faults_since`; counted anew after every probation period."""
    faults_since: float = 0.0
    by: float | None = None
    """Deadline of the stage it is in."""
    sentenced: bool = False
    """That passed, and it is asked where it stands before it is killed: what it reaches meanwhile comes too late."""
    unmanned: bool = False
    """It failed because no worker could be had or started: the machine's trouble, by our own account alone."""
    pardons: int = 0
    """How often that passed while the supervisor itself did not run."""
    limit: str = ""
    """Name of the limit behind `by`."""
    stage: str = Stage.CONFINE


@dataclass(frozen=True, slots=True)
class Build:
    """Take a worker and load `digest` in it, up to Ready."""

    attempt: int
    digest: str
    version: int


@dataclass(frozen=True, slots=True)
class Offer:
    """Put the attempt's epoch and slot on the switchboard."""

    attempt: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Supersede:
    """An older offer: if the game took it after all, say `adopted` first, else `superseded`."""

    attempt: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Put an epoch on the switchboard that says: nobody serves. `reason` is for people."""

    epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class Begin:
    """Send Start: the state, and what is left over from those before."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Kill:
    """It ran past a limit: ask it for its stack, kill it, then say `died`."""

    attempt: int
    limit: str
    stage: str


@dataclass(frozen=True, slots=True)
class Retire:
    """Kill and reap. What its ring still holds goes to the next one if `bequeath`. `in_time`: nobody waits for its end,
    and a dying process takes a core for milliseconds: not in the middle of a hand-over."""

    attempt: int
    bequeath: bool
    in_time: bool = False


@dataclass(frozen=True, slots=True)
class Issue:
    """Write a receipt."""

    attempt: int
    digest: str
    version: int
    cause: str
    verdict: Verdict
    diagnostic: Diagnostic | None


Action = Build | Offer | Supersede | Withdraw | Begin | Kill | Retire | Issue
