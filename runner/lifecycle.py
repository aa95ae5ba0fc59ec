"""Which worker is what to its mod: a pure state machine, one per mod. Times and events in, actions out.

The problem: candidates, crashes, saves, adoptions and drains of one mod arrive in any order; at every moment it must
be clear who serves, who is the way back, and who must go. The rules:

- **Roles follow adoption.** An offer is only an offer until the game stores its epoch. One superseded before that is
  retired without having run, and nothing else changes.
- **A failed candidate touches nobody.** Its digest is quarantined until the bytes change.
- **The last good worker is the way back.** It becomes the standby when it has drained, and only then is the older
  standby retired; so two bad saves in a row can never roll back past the last good version.
- **Latest wins.** Each build is an `attempt`; what comes from an attempt that is no longer wanted is ignored.
- **One start at a time.** The new worker starts when the old one has drained, died or run out of time: never both.

Rejected: comparing version numbers to decide who is newer (a rollback to a lower number was never adopted in the
system we learned from): epochs only ever grow, and a rollback takes a new one. Also rejected: two states "good" and
"proven" of a standby; probation only shortens the way to a rollback, it does not change who the way back is.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ..shared.messages import Diagnostic
from ..shared.policy import Intensity, Limits, Probation
from ..shared.states import Role, Stage, Verdict
from .roles import TRANSITIONS, Action, Attempt, Begin, Build, Issue, Kill, Offer, Retire, Supersede, Withdraw
from .versions import Versions

OVERDUE: Final = 0.5
"""Seconds a deadline may be noticed late before that is the supervisor's own fault. Shorter: a busy machine gives hung
workers more time; longer: a short pause of everything is held against them."""
MOST_PARDONS: Final = 3
"""How often one worker gets its time once more; a machine that is late for ever must not keep a hung one."""
RETRY_FIRST: Final = 0.5
RETRY_LONGEST: Final = 30.0
"""Seconds until a version is tried again that got no worker, at first and at the longest."""

LOADING: Final = (Stage.SNAPSHOT, Stage.COMPILE, Stage.IMPORT, Stage.BIND, Stage.SELFTEST, Stage.REHEARSE)
STARTING: Final = (Stage.RESTORE, Stage.ON_LOAD)
"""Stages that a worker may say it failed at: as a candidate, and once it was sent Start. What becomes of it while it is
confined is not its to say, and one that is live says what failed as a Fault."""

_NO_WORKER: Final = Diagnostic(Stage.CONFINE, "MachineError", "no worker could be had")
_DRAINED_TWICE: Final = Diagnostic(Stage.RUN, "ProtocolError", "it said twice that it drained, and nobody had asked")


@dataclass(slots=True)
class Lifecycle:
    """The roles of one mod's workers. Methods take the time (seconds, monotonic) and return what to do, in order."""

    next_epoch: Callable[[], int]
    limits_of: Callable[[str], Limits] = lambda _: Limits()
    """What a version, by its digest, may use."""
    probation: Probation = field(default_factory=Probation)
    intensity: Intensity = field(default_factory=Intensity)

    target: str | None = None
    """Digest of what is settled on disk: what ought to be live. None: no files; empty: unreadable ones."""
    attempts: dict[int, Attempt] = field(default_factory=dict)
    candidate: Attempt | None = None
    recovery: Attempt | None = None
    """The last good snapshot, loaded anew because nobody is left to roll back to."""
    understudy: Attempt | None = None
    """A new standby being built after a rollback."""
    renewal: Attempt | None = None
    """A fresh worker of the version that serves, for one that has used up most of its CPU time, or for a save that is
    loaded (cause "load")."""
    offers: dict[int, Attempt | None] = field(default_factory=dict)
    """Epochs on offer, oldest first. None: the epoch says that nobody serves."""
    active: Attempt | None = None
    draining: Attempt | None = None
    standby: Attempt | None = None
    retry_at: float | None = None
    """When to try again what failed because no worker could be had."""
    _retry_delay: float = RETRY_FIRST
    _bereft: str = ""
    """Digest of what serves without a standby, because no worker could be had for one."""
    down: str = ""
    """Why nobody serves; empty while somebody does or is about to."""
    versions: Versions = field(init=False)
    _numbers: int = 0
    _blame: tuple[Attempt, Diagnostic] | None = None
    """Who failed, until the one who takes over is live and the receipt can be written."""

    def __post_init__(self) -> None:
        self.versions = Versions(self.intensity)

    # ── what the source says ──────────────────────────────────────────────────────────────────────────────────────────

    def drafted(self, digest: str, cause: str) -> list[Action]:
        """New bytes, perhaps not the last: build on speculation, activate nothing."""
        if self.candidate and self.candidate.digest == digest:
            return []
        actions = self._drop_candidate()
        if digest not in self.versions.quarantine and digest != self._current():
            actions += self._build_candidate(digest, cause)
        return actions

    def settled(self, digest: str | None, cause: str) -> list[Action]:
        """These bytes are what is on disk now (None: the files are gone)."""
        self.target = digest
        if digest is None:
            return self._unload()
        actions: list[Action] = []
        if self.candidate and self.candidate.digest != digest:
            actions += self._drop_candidate()
        if digest in self.versions.quarantine:
            why = self.versions.quarantine[digest]
            actions.append(Issue(0, digest, self.versions.number(digest), cause, Verdict.REFUSED, why))
            return actions + self._recover_if_down(why)
        if digest == self._current():
            return actions + self._drop_candidate()
        if self.candidate is None:
            return actions + self._build_candidate(digest, cause)
        return actions + (self._offer(self.candidate) if self.candidate.ready else [])

    def unreadable(self, diagnostic: Diagnostic, cause: str) -> list[Action]:
        """The bytes on disk could not be taken: what serves goes on serving."""
        self.target = ""
        refused = Issue(0, "", 0, cause, Verdict.REFUSED, diagnostic)
        return [*self._drop_candidate(), refused, *self._recover_if_down(diagnostic)]

    def reconsider(self, kinds: tuple[str, ...]) -> list[Action]:
        """What was refused as one of `kinds` may be tried again: the reason was not in its bytes alone."""
        for digest in [digest for digest, why in self.versions.quarantine.items() if why.kind in kinds]:
            del self.versions.quarantine[digest]
        if not self.target or self.target in self.versions.quarantine or self.target == self._current():
            return []
        return [] if self.candidate else self._build_candidate(self.target, "retry")

    # ── what a worker says ────────────────────────────────────────────────────────────────────────────────────────────

    def assigned(self, number: int, now: float) -> None:
        """An attempt got its worker: the clock of its first stage runs."""
        if attempt := self.attempts.get(number):
            attempt.by, attempt.limit = now + attempt.limits.load_timeout, "load_timeout"

    def entered(self, number: int, stage: str, now: float) -> None:
        """An attempt began a stage: its deadline starts anew. Stages only go forward: none can last for ever."""
        order = list(Stage)
        attempt = self.attempts.get(number)
        if attempt and attempt.by is not None and order.index(Stage(stage)) > order.index(Stage(attempt.stage)):
            attempt.stage, attempt.by, attempt.limit = stage, now + attempt.limits.load_timeout, "load_timeout"

    def passed(self, number: int) -> None:
        """An attempt passed every stage before activation: no clock runs while it waits for what it requires."""
        if (attempt := self.attempts.get(number)) and attempt.role is Role.CANDIDATE:
            attempt.by = None

    def ready(self, number: int) -> list[Action]:
        """An attempt passed every stage before activation, and what it requires is there."""
        attempt = self.attempts.get(number)
        if attempt is None or attempt.role is not Role.CANDIDATE or attempt.sentenced:
            return []
        attempt.ready, attempt.by = True, None
        if attempt is self.recovery:
            self.recovery = None
            return self._offer(attempt)
        if attempt is self.understudy:
            self.understudy = None
            if self.standby is None and self.active and self.active.digest == attempt.digest:
                self._turn(attempt, "kept as standby")
                self.standby = attempt
                return []
            return self._retire(attempt, "superseded")
        if attempt is self.renewal:
            self.renewal = None
            active = self.active
            due = active and (active.worn or attempt.cause == "load")
            if active and due and active.digest == attempt.digest and not active.failed and not self.offers:
                return self._offer(attempt)
            return self._retire(attempt, "superseded")
        return self._offer(attempt) if attempt.digest == self.target else []

    def live(self, number: int) -> list[Action]:
        """The active worker took its state in and reads its ring: the swap is complete."""
        attempt = self.attempts.get(number)
        if attempt is None or attempt is not self.active or not attempt.started or attempt.live or attempt.sentenced:
            return []
        fresh = not attempt.was_live and attempt.cause not in ("recovery", "standby")
        attempt.live, attempt.was_live, attempt.by, attempt.stage = True, True, None, Stage.RUN
        if attempt.digest == self.target:
            self.retry_at, self._retry_delay = None, RETRY_FIRST
        self.versions.went_live(attempt.digest)
        actions: list[Action] = []
        blame, self._blame = self._blame, None
        if blame:
            blamed, why = blame
            issue = Issue(attempt.number, blamed.digest, blamed.version, blamed.cause, Verdict.ROLLED_BACK, why)
            actions += [issue, *self._build_understudy(attempt)]
        if fresh or not blame:
            actions.append(self._issue(attempt, Verdict.LIVE, None))
        return actions

    def drained(self, number: int, now: float) -> list[Action]:
        """The old worker reached the end of its ring and handed its state over."""
        attempt = self.attempts.get(number)
        if attempt is None or not self.awaits_drain(number):
            return []
        if attempt is not self.draining:
            if any(offer is not attempt for offer in self.offers.values()):
                attempt.ended = True  # the game is on its way there: its adoption is what will be seen next
                return []
            return self._restart(attempt, now)
        self.draining, attempt.by = None, None
        self._turn(attempt, "drained")
        actions = self._keep(attempt)
        if self.active is None:
            return actions + self._finish_unload()
        if self.active.failed:
            return actions + self._go_back()
        return self._begin() + actions  # first: a process that dies takes a core for milliseconds

    def awaits_drain(self, number: int) -> bool:
        """Whether a worker that says it drained is heard, and its state taken: once, for that costs time."""
        attempt = self.attempts.get(number)
        if attempt is None or attempt.ended:
            return False
        return attempt is self.draining or (attempt is self.active and attempt.live)

    def has_ended(self, number: int) -> bool:
        """Whether it drained while an offer waits for the game. An honest worker is parked then, until it is started
        again or the game has gone on: it does not say so twice."""
        attempt = self.attempts.get(number)
        return attempt is not None and attempt.ended

    def faulted(self, number: int, count: int, diagnostic: Diagnostic, now: float) -> list[Action]:
        """Handlers raised `count` times. An error burst within probation rolls back, if there is anything older."""
        attempt = self.attempts.get(number)
        if attempt is None or attempt is not self.active:
            return []
        if now - attempt.faults_since > self.probation.seconds:
            attempt.faults, attempt.faults_since = 0, now
        attempt.faults += count
        on_probation = now - attempt.adopted_at < self.probation.seconds
        way_back = self.standby or self.draining
        if not on_probation or attempt.faults < self.probation.errors or attempt.failed:
            return []
        if way_back is None or way_back.digest == attempt.digest or way_back.faults >= attempt.faults:
            return []
        return self._fail_active(attempt, diagnostic, now)

    def worn(self, number: int, diagnostic: Diagnostic, now: float) -> list[Action]:
        """The active worker has used most of the CPU time of its whole life: a fresh one of the same version is to take
        over before the kernel ends it. Nobody is to blame for that, and it is tried once a worker.

        Unless it served for less than the breaker's period: a version that uses up a worker by being loaded would be
        renewed for ever. Each such worker counts as a failure, and `diagnostic` says of the last one what it crossed.
        """
        attempt = self.attempts.get(number)
        if attempt is None or attempt is not self.active or not attempt.live or attempt.failed or attempt.worn:
            return []
        if (
            self.candidate or self.offers or self.draining or self.understudy or self.renewal
        ):  # what is under way may settle it
            return []
        attempt.worn = True
        if now - attempt.serves_since < self.intensity.period and not attempt.worn_early:
            attempt.worn_early = True
            if self.versions.failed(attempt.digest, diagnostic, now):
                return self._fail_active(attempt, diagnostic, now)
        self.renewal, actions = self._new_attempt(attempt.digest, "renewal")
        return actions

    def load(self) -> tuple[int, list[Action]]:
        """A save is loaded: a fresh worker of the version that serves is to take over, with the save's state. Only at
        rest. Returns the attempt's number too."""
        assert self.active is not None, "somebody serves"
        assert self.renewal is None, "nothing is under way"
        self.renewal, actions = self._new_attempt(self.active.digest, "load")
        return self.renewal.number, actions

    def drop_load(self, number: int) -> list[Action]:
        """It takes too long, or nobody waits for it any more: what serves goes on. Too late once it was offered."""
        attempt = self.renewal
        if attempt is None or attempt.number != number:
            return []
        self.renewal = None
        return self._retire(attempt, "superseded")

    def unfit(self, number: int, diagnostic: Diagnostic, now: float) -> list[Action]:
        """A stage failed, before or after activation; the process may live on and is killed."""
        return self.died(number, diagnostic, now)

    def may_be_unfit(self, number: int, stage: str) -> bool:
        """Whether an honest worker can say now that it failed at `stage`: one that loads, or that was started and is
        not live. Not that stage alone which it said it entered: that word is not heard from one that is sentenced."""
        attempt = self.attempts.get(number)
        if attempt is None:
            return False
        if attempt.started:
            return not attempt.live and stage in STARTING
        return attempt.role is Role.CANDIDATE and stage in LOADING

    def died(self, number: int, diagnostic: Diagnostic, now: float, *, unmanned: bool = False) -> list[Action]:
        """The worker is gone or good for nothing, whatever it was; `diagnostic` says why, to people.

        `unmanned`: no worker could be had or started, which is the machine's trouble and passes. Never from what a
        worker says: one that could say so would be started again for ever.
        """
        attempt = self.attempts.get(number)
        if attempt is None or attempt.failed:
            return []
        attempt.unmanned = unmanned
        if attempt is self.active:
            return self._fail_active(attempt, diagnostic, now)
        attempt.failed = True
        if attempt is self.draining:
            self.draining = None
            actions = self._retire(attempt, "failed")
            if self.active is None:
                return actions + self._finish_unload()
            return actions + (self._go_back() if self.active.failed else self._begin())
        if attempt.epoch in self.offers:
            return self._fail_offer(attempt, diagnostic, now)
        actions = self._retire(attempt, "failed")
        if attempt is self.candidate:
            self.candidate = None
            if not unmanned:  # else the machine's fault, not these bytes'
                self.versions.out(attempt.digest, diagnostic)
            if attempt.digest == self.target:  # else it is a draft still, and `settled` says so if it comes to that
                actions.append(self._issue(attempt, Verdict.REFUSED, diagnostic))
            if unmanned and attempt.digest == self.target:
                self._retry_later(now)
            elif self.active is None and not self.offers and self.recovery is None:
                actions += self._recover(diagnostic)
        elif attempt is self.recovery:
            self.recovery = None
            if unmanned:
                self._retry_later(now)
            else:
                self.versions.failed(attempt.digest, diagnostic, now)
                actions += self._recover(diagnostic)
        elif attempt is self.understudy:
            self.understudy = None
            if unmanned:
                self._bereft = attempt.digest
                self._retry_later(now)
        elif attempt is self.renewal:
            self.renewal = None
            if attempt.cause == "load":
                actions.append(self._issue(attempt, Verdict.REFUSED, diagnostic))
            if self.active and unmanned:  # the machine's trouble: asked for again
                self.active.worn = False
        elif attempt is self.standby:
            self.standby = None
        return actions

    # ── what the game says ────────────────────────────────────────────────────────────────────────────────────────────

    def adopted(self, epoch: int, now: float) -> list[Action]:
        """The game stored this epoch and ended the ring it used before."""
        if epoch not in self.offers:
            return []
        actions: list[Action] = []
        for older in [e for e in self.offers if e < epoch]:
            actions += self.superseded(older)
        attempt = self.offers.pop(epoch)
        before = self.active
        if attempt is before and attempt is not None:
            attempt.epoch = epoch
            return actions + self._restart(attempt, now) if attempt.ended else actions
        self.active = attempt
        if attempt:
            attempt.adopted_at, attempt.live, attempt.started, attempt.restarted = now, False, False, False
            attempt.faults, attempt.faults_since, attempt.serves_since = 0, now, now
            if attempt.cause == "renewal" and before and before.digest == attempt.digest:  # the same version goes on
                attempt.adopted_at, attempt.faults, attempt.faults_since = (
                    before.adopted_at,
                    before.faults,
                    before.faults_since,
                )
            self._turn(attempt, "adopted")
        kept: list[Action] = []
        if before and before.ended and not before.failed:
            kept = self._left(before)
        elif before and not before.failed:
            actions += self._leave(before, now)
        if attempt and attempt.failed:
            return actions + kept + self._fail_active(attempt, self._died_on_offer(attempt), now, again=True)
        if attempt is None and self.draining is None:
            return actions + kept + self._finish_unload()
        return actions + self._begin() + kept

    def superseded(self, epoch: int) -> list[Action]:
        """The game never took this offer and never will."""
        attempt = self.offers.pop(epoch, None)
        if attempt is None or attempt is self.active or attempt in self.offers.values() or attempt is self.draining:
            return []
        if attempt.was_live and not attempt.failed:
            self._turn(attempt, "kept as standby")
            return self._keep(attempt)
        if attempt.cause == "renewal" and self.active:
            self.active.worn = False  # what took its place may fail yet
        return self._retire(attempt, "superseded")

    def tick(self, now: float) -> list[Action]:
        """Whoever ran past a deadline is to be killed; what failed for the machine's sake is tried again.

        A call that comes much too late says that this process did not run either: machines are suspended, containers
        paused. That is no evidence against a worker, and it gets its time once more.
        """
        actions: list[Action] = []
        for attempt in self.attempts.values():
            if attempt.by is None or now < attempt.by or attempt.failed:
                continue
            if now - attempt.by > OVERDUE and attempt.pardons < MOST_PARDONS:
                attempt.pardons += 1
                attempt.by = now + float(getattr(attempt.limits, attempt.limit))
                continue
            attempt.by, attempt.sentenced = None, True
            actions.append(Kill(attempt.number, attempt.limit, attempt.stage))
        if self.retry_at is not None and now >= self.retry_at:
            self.retry_at = None
            actions += self._retry()
        return actions

    def postpone(self, pause: float) -> None:
        """This process did not run for `pause` seconds, so nobody may have: no deadline counts them."""
        for attempt in self.attempts.values():
            if attempt.by is not None and attempt.pardons < MOST_PARDONS:
                attempt.pardons += 1
                attempt.by += pause

    def deadline(self) -> float | None:
        """When `tick` has something to do next."""
        waits = [a.by for a in self.attempts.values() if a.by is not None]
        return min(waits + ([] if self.retry_at is None else [self.retry_at]), default=None)

    def role(self) -> Role | None:
        """The role of the attempt that serves or is about to; None when nobody does."""
        offered = next((a for a in reversed(self.offers.values()) if a), None)
        serving = self.active if self.active and not self.active.failed else None
        attempt = serving or offered or self.candidate or self.recovery or self.draining
        return attempt.role if attempt else None

    # ── the parts ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _turn(self, attempt: Attempt, event: str) -> None:
        attempt.role = TRANSITIONS[attempt.role, event]

    def _current(self) -> str | None:
        """Digest of what serves or is on its way to serve."""
        if self.offers:
            attempt = next(reversed(self.offers.values()))
            return attempt.digest if attempt else None
        if self.active and not self.active.failed:
            return self.active.digest
        return self.recovery.digest if self.recovery else None

    def _new_attempt(self, digest: str, cause: str) -> tuple[Attempt, list[Action]]:
        self._numbers += 1
        attempt = Attempt(self._numbers, digest, self.versions.number(digest), cause, self.limits_of(digest))
        self.attempts[attempt.number] = attempt
        return attempt, [Build(attempt.number, digest, attempt.version)]

    def _build_candidate(self, digest: str, cause: str) -> list[Action]:
        actions: list[Action] = []
        if self.renewal:  # what is being built is as fresh
            actions, self.renewal = self._retire(self.renewal, "superseded"), None
            if self.active:
                self.active.worn = False
        self.candidate, build = self._new_attempt(digest, cause)
        return actions + build

    def _build_understudy(self, active: Attempt) -> list[Action]:
        if self.standby or self.understudy:
            return []
        self.understudy, actions = self._new_attempt(active.digest, "standby")
        return actions

    def _drop_candidate(self) -> list[Action]:
        candidate, self.candidate = self.candidate, None
        if candidate is None or candidate.role is not Role.CANDIDATE:
            return []
        return self._retire(candidate, "superseded")

    def _keep(self, attempt: Attempt) -> list[Action]:
        """Make it the standby; the older one goes. One that is worn goes itself: it would not serve for long."""
        if attempt.worn:
            older, self.standby = self.standby, attempt
            gone = self._retire(attempt, "superseded")
            self.standby = older
            return gone
        actions = self._retire(self.standby, "superseded") if self.standby else []
        self.standby = attempt
        return actions

    def _finish_unload(self) -> list[Action]:
        """Nobody serves any more and the game knows. If that is because the files are gone, so does the standby."""
        if self.target is not None or self.candidate or self.offers:
            return []
        actions: list[Action] = []
        last = self.standby
        if last:
            actions = self._retire(last, "superseded")
        number, digest, version = (last.number, last.digest, last.version) if last else (0, "", 0)
        return [*actions, Issue(number, digest, version, "deleted", Verdict.UNLOADED, None)]

    def _retire(self, attempt: Attempt, event: str) -> list[Action]:
        """Out for good. Whatever was posted into its ring goes on to the next one if it was the game's; a standby has
        read its ring to the end, and nobody has to wait until it is reaped."""
        bequeath = attempt.adopted_at > 0 and attempt is not self.standby
        self._turn(attempt, event)
        self.attempts.pop(attempt.number, None)
        in_time = attempt is self.standby and not attempt.failed
        if attempt is self.standby:
            self.standby = None
        return [Retire(attempt.number, bequeath=bequeath, in_time=in_time)]

    def _offer(self, attempt: Attempt) -> list[Action]:
        """Put it on the switchboard; an older offer not taken yet is asked about, then retired."""
        obsolete: list[Action] = []
        if attempt is self.candidate:
            self.candidate = None
            if self.recovery:  # the game goes on with what is newer: the last good one must not come after it
                obsolete, self.recovery = self._retire(self.recovery, "superseded"), None
        epoch = self.next_epoch()
        before = list(self.offers.items())
        attempt.epoch = epoch
        if attempt.role in (Role.CANDIDATE, Role.STANDBY):
            self._turn(attempt, "offered")
        self.offers[epoch] = attempt
        self.down = ""
        actions: list[Action] = [Offer(attempt.number, epoch)]
        actions += [Supersede(old.number if old else 0, old_epoch) for old_epoch, old in before]
        return actions + obsolete

    def _begin(self) -> list[Action]:
        """Start the active worker once nobody is left to wait for."""
        active = self.active
        if active is None or active.started or active.failed or self.draining:
            return []
        active.started = True
        active.stage, active.by = Stage.RESTORE, None
        return [Begin(active.number)]

    def begun(self, number: int, now: float) -> None:
        """Start was sent: from now on it is the worker that takes its time, and not those it was waiting for."""
        attempt = self.attempts.get(number)
        if attempt and attempt.started and not attempt.live and not attempt.failed:
            attempt.by, attempt.limit = now + attempt.limits.load_timeout, "load_timeout"

    def _restart(self, attempt: Attempt, now: float) -> list[Action]:
        """The game ended its ring on the way to an offer that was withdrawn, and came back: start it again, once."""
        if attempt.restarted:
            return self.died(attempt.number, _DRAINED_TWICE, now)
        attempt.restarted = True
        attempt.live = attempt.started = attempt.ended = False
        return self._begin()

    def _left(self, before: Attempt) -> list[Action]:
        """The game went on from `before`, which had drained already."""
        before.ended = False
        self._turn(before, "replaced")
        self._turn(before, "drained")
        if before in self.offers.values():
            self._turn(before, "offered")
            return []
        return self._keep(before)

    def _leave(self, before: Attempt, now: float) -> list[Action]:
        """The game went on from `before`: it drains, or, never started, it goes and its ring is bequeathed."""
        if not before.started:
            return self._retire(before, "superseded")
        self._turn(before, "replaced")
        before.stage, before.by, before.limit = Stage.DRAIN, now + before.limits.drain_timeout, "drain_timeout"
        self.draining = before
        return []

    def _fail_offer(self, attempt: Attempt, diagnostic: Diagnostic, now: float) -> list[Action]:
        """Died while on offer. The one before is offered again, since the game may already be moving."""
        actions: list[Action] = []
        if attempt.was_live or attempt.digest in self.versions.history:  # one that served is not bad because one died
            self.versions.failed(attempt.digest, diagnostic, now)
        else:
            self.versions.out(attempt.digest, diagnostic)
            actions.append(self._issue(attempt, Verdict.REFUSED, diagnostic))
        if self.active and not self.active.failed:
            return actions + self._offer(self.active)
        if self.active:
            return actions + self._go_back()
        return actions + self._recover(diagnostic)

    def _died_on_offer(self, attempt: Attempt) -> Diagnostic:
        fallback = Diagnostic(Stage.RUN, "Crashed", "the worker died while it was on offer")
        return self.versions.quarantine.get(attempt.digest, fallback)

    def _fail_active(
        self, attempt: Attempt, diagnostic: Diagnostic, now: float, *, again: bool = False
    ) -> list[Action]:
        """The one who serves failed: over to the one that drains, the standby, or the last good snapshot."""
        if attempt.failed and not again:
            return []
        attempt.failed = True
        attempt.by = None
        way_back = self.draining or self.standby
        actions = self._retire(attempt, "failed")
        if attempt.unmanned:
            self._retry_later(now)
        elif way_back is not None and way_back.digest != attempt.digest:
            self.versions.out(attempt.digest, diagnostic)
        elif not again and (attempt.was_live or attempt.cause != "load"):  # else the save's fault, not these bytes'
            self.versions.failed(attempt.digest, diagnostic, now)
        unloading = self.target is None and bool(self.offers)
        if unloading or self._newer_offer():  # the game goes on there; no way back is needed
            return actions if again else [*actions, self._issue(attempt, Verdict.SUPERSEDED, diagnostic)]
        if self._blame is None:
            self._blame = (attempt, diagnostic)
        return actions + self._go_back()

    def _go_back(self) -> list[Action]:
        """The one that served failed: over to the last good version.

        It stands by; or it still finishes what it was sent, and is offered when it is through, since its own messages
        come before those that were meant for its successor; or it has to be loaded anew. Never past it: an older one
        that stands by waits.
        """
        if self.draining or self.recovery or self.target is None or self._newer_offer():
            return []
        blamed, why = self._blame or (None, _NO_WORKER)
        unmanned = blamed is None or blamed.unmanned
        actions: list[Action] = []
        standby = self.standby
        if standby is not None and standby.digest in self.versions.quarantine:
            actions, standby = self._retire(standby, "superseded"), None
        good = self.versions.good()
        if standby is not None and (good in (None, standby.digest) or unmanned):
            self.standby = None
            return actions + self._offer(standby)
        return actions + self._recover(why)

    def _newer_offer(self) -> bool:
        return any(a is not None and not a.failed and a is not self.active for a in self.offers.values())

    def _recover_if_down(self, why: Diagnostic) -> list[Action]:
        """What is on disk cannot serve: if nobody else does, the last good version does."""
        serves = self.active is not None and not self.active.failed
        if serves or self.draining or self.recovery or any(self.offers.values()):
            return []
        return self._recover(why)

    def _retry_later(self, now: float) -> None:
        """No worker could be had: the machine's trouble, which passes. Twice as long each time."""
        self.retry_at = now + self._retry_delay
        self._retry_delay = min(2 * self._retry_delay, RETRY_LONGEST)

    def _retry(self) -> list[Action]:
        target = self.target
        if target and target not in self.versions.quarantine and target != self._current():
            return [] if self.candidate else self._build_candidate(target, "retry")
        bereft, self._bereft = self._bereft, ""
        if self.active and self.active.live and self.active.digest == bereft and not self.offers:
            return self._build_understudy(self.active)
        return self._recover_if_down(_NO_WORKER)

    def _recover(self, diagnostic: Diagnostic) -> list[Action]:
        """Load the latest digest that was live and is not quarantined; none left: the mod is down."""
        if self.recovery:  # under way already: its predecessor died on offer, and was adopted dead after that
            return []
        if (good := self.versions.good()) is not None:
            self.recovery, actions = self._new_attempt(good, "recovery")
            return actions
        self.down = diagnostic.headline
        if self._blame:
            self.versions.out(self._blame[0].digest, self._blame[1])
        actions = self._withdraw() if self.active or self.offers else []
        if self._blame:
            blamed, why = self._blame
            self._blame = None
            actions.append(self._issue(blamed, Verdict.DOWN, why))
        return actions

    def _withdraw(self) -> list[Action]:
        """Put an epoch on the switchboard that says that nobody serves, and why."""
        before = list(self.offers.items())
        epoch = self.next_epoch()
        self.offers[epoch] = None
        return [
            Withdraw(epoch, self.down),
            *(Supersede(old.number if old else 0, old_epoch) for old_epoch, old in before),
        ]

    def _unload(self) -> list[Action]:
        """The files are gone: nobody serves from the next epoch on; the active one drains and runs on_unload."""
        self._blame = self.retry_at = None
        actions = self._drop_candidate()
        for attempt in (self.recovery, self.understudy, self.renewal):
            if attempt:
                actions += self._retire(attempt, "superseded")
        self.recovery = self.understudy = self.renewal = None
        if self._current() is None and self.active is None and not self.offers:
            return actions + (self._finish_unload() if self.draining is None else [])
        self.down = "its files are gone"
        return actions + self._withdraw()

    def _issue(self, attempt: Attempt, verdict: Verdict, diagnostic: Diagnostic | None) -> Issue:
        return Issue(attempt.number, attempt.digest, attempt.version, attempt.cause, verdict, diagnostic)
