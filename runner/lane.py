"""One mod in the supervisor: carries out what its lifecycle decides, and tells it what happened. One event loop.

What games and people are told of it stands in `standing`.

::

    source ──drafted/settled──▶ ┌───────────┐ ──Build──▶ nursery.take → Assign → Bound → Rehearse → Ready
    game ────adopted──────────▶ │ Lifecycle │ ──Offer──▶ switchboard
    workers ─ready/live/died──▶ │  (pure)   │ ──Begin──▶ Start: state + what predecessors never began
    clock ───tick─────────────▶ └───────────┘ ──Retire─▶ kill, reap, free the slot when the game has left it
"""

import asyncio
import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, Final, Protocol

import psutil

from ..shared import messages
from ..shared.errors import MachineError
from ..shared.messages import Diagnostic
from ..shared.policy import Confinement, Intensity, Limits, Probation
from ..shared.states import Role, Stage, Verdict
from . import monitor, postmortem, receipts
from .checkpoints import Checkpoint, Checkpoints
from .estates import Estates
from .journal import Journal
from .lifecycle import Lifecycle
from .nursery import Nursery
from .order import Needs
from .patrol import Duty, Patrol
from .records import ModStatus
from .roles import Action, Attempt, Begin, Build, Issue, Kill, Offer, Retire, Supersede, Withdraw
from .seat import Seat
from .shelf import Shelf
from .slots import Slots
from .snapshot import Snapshot
from .standing import Standing
from .switchboard import Switchboard
from .tenancy import Tenancy
from .terms import BY_CONTRACT, Terms
from .text import escape
from .turns import Turns
from .worker_process import UNKNOWN_STATUS, WorkerProcess

STACK_PATIENCE: Final = 0.2
"""Seconds a hung worker gets to write its stack. Longer: a hang lasts longer; shorter: a busy machine shows none."""
MOVE_PATIENCE: Final = 2.0
"""Seconds a renamed mod waits for the state of its old name; then it starts with the newest checkpoint of it."""
LATE_PATROL: Final = 4 * monitor.PERIOD
"""Seconds since the last patrol after which this process is taken to have been stopped. Shorter: a busy loop counts as
one; longer: a short pause of everything is held against whoever was loading."""
KILL_DELAY: Final = 0.05
"""Seconds that a standby nobody needs any more outlives the hand-over: the end of a process takes a core for 2 or 3 ms.
Shorter: the first call to the new version may wait for that; longer: a burst of saves holds more processes."""
MOST_FORSAKEN: Final = 4
"""Rolled-back epochs that the game is told of. Fewer: the intents of one that it slept through are taken after all."""
FRESH_PATIENCE: Final = 0.1
"""Seconds a rehearsal waits for a fresh copy of the state; then it takes the newest checkpoint."""

log = logging.getLogger("fumehood.mods")


class Provider(Protocol):
    """What a lane needs of `provisions`."""

    def equip(self, seat: Seat, worker: WorkerProcess) -> None:
        """Hand it the game's helpers, if there are any."""

    def equipped(self, seat: Seat, generation: int) -> None:
        """It says that it has them."""


class House(Protocol):
    """What a lane needs of the supervisor."""

    @property
    def provisions(self) -> Provider:
        """The game's helpers."""

    nursery: Nursery
    switchboard: Switchboard
    journal: Journal
    limits: Limits
    probation: Probation
    intensity: Intensity
    confinement: Confinement
    turns: Turns
    terms: Terms
    seed: str
    """What chance begins with in workers; empty: it is chance."""
    shelf: Shelf
    attached: bool
    looked_at: float
    """When the last patrol was: a long time ago, and this process did not run meanwhile. 0: none yet."""

    def settle_changed(self) -> None:
        """Some mod may have come to rest."""

    async def await_required(self, name: str, snapshot: Snapshot) -> str:
        """Wait until the mods that this one requires are as they will be: they go live before it.

        Returns the name of one that is in the snapshot as it was refused; "": there is none.
        """

    async def change(self, patience: float) -> None:
        """Wait until some mod may have come to rest, or to the next step of its way, at most `patience` seconds."""

    def rank(self) -> None:
        """What is live has changed, and the load order with it."""

    def worst_frame_ms(self) -> float:
        """The game's longest emit since this was asked last."""


class Lane:
    """The serial lane of one mod."""

    def __init__(self, name: str, index: int, slots: Slots, house: House) -> None:
        """Takes the slots over."""
        self.name = name
        self.index = index
        self.house = house
        self.tenancy = Tenancy(index, slots, house.switchboard)
        self.life = Lifecycle(house.switchboard.next_epoch, self._limits, house.probation, house.intensity)
        self.seats: dict[int, Seat] = {}
        self._patrols: dict[int, Patrol] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self.states = Checkpoints()
        self._standing = Standing(name, house.limits)
        self._estates = Estates(self._vacate, house.limits.ring_bytes)
        self._queue: deque[Action] = deque()
        self._forsaken: deque[int] = deque(maxlen=MOST_FORSAKEN)
        """The latest epochs that were rolled back."""
        self._running = False
        self._closed = False
        self._lives = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._excused = 0.0
        """When the patrol before the last pause was that deadlines were put off for."""
        self.moved_from: Lane | None = None
        """The lane of the name this mod had until it was renamed just now."""
        self.unloaded = asyncio.Event()

    # ── the source ────────────────────────────────────────────────────────────────────────────────────────────────────

    def drafted(self, snapshot: Snapshot, cause: str) -> None:
        """New bytes: start on them."""
        self.snapshots.pop(snapshot.digest, None)  # so that the newest is the last
        self.snapshots[snapshot.digest] = snapshot
        self._do(self.life.drafted(snapshot.digest, cause))
        self._forget_old_snapshots()  # here too: of one that the next save replaces comes no receipt

    def settled(self, digest: str | None, cause: str) -> None:
        """Nothing more is coming: these bytes may go live."""
        self.unloaded.clear()
        self.tenancy.tell_gone(digest is None)
        self._do(self.life.settled(digest, cause))

    def unreadable(self, diagnostic: Diagnostic, cause: str) -> None:
        """What is on disk could not be taken."""
        self.tenancy.tell_gone(False)
        self._do(self.life.unreadable(diagnostic, cause))

    # ── the game ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def look(self) -> bool:
        """Read what the game adopted and left. Cheap when nothing changed. True: it went on from a worker, which is
        about to hand over."""
        epoch = self.tenancy.moved()
        if epoch is not None:
            self._adopted(epoch)
        self.tenancy.look_for_room()
        if not self.life.attempts:
            self._give_back()
        return epoch is not None and self.life.draining is not None

    def listen(self) -> None:
        """A call may wait for the hand-over: hear of it without going to sleep first."""
        draining = self.life.draining
        if draining is not None and draining.number in self.seats and not self._closed:
            self.seats[draining.number].listen()

    def _give_back(self) -> None:
        if not self._estates:
            self.tenancy.give_back()

    def _adopted(self, epoch: int) -> None:
        self._heed_unsaid()
        self._do(self.life.adopted(epoch, time.monotonic()))
        active = self.life.active
        if active is None and self.life.draining is None:
            self._estates.drop()
        elif active is not None and active.failed and (estate := self._estates.of(active.number)) is not None:
            assert estate.slot is not None, "only a worker with a slot leaves an estate"
            self.tenancy.mark_dead(estate.slot)

    def accused(self, epoch: int, reason: str) -> None:
        """The game says that the worker of that epoch sent what no honest worker sends."""
        self.look()  # it may have adopted it just before
        self._heed_unsaid()
        active = self.life.active
        if active is not None and active.epoch == epoch and active.number in self.seats:
            self._condemn(self.seats[active.number], postmortem.of_misbehaviour(escape(reason), Stage.RUN))

    def adopt_for_absent_game(self) -> None:
        """With no game attached nobody stores epochs: do in its place what it would do."""
        if self.house.attached or not self.life.offers:
            return
        epoch, attempt = next(reversed(self.life.offers.items()))
        seat = self.seats.get(attempt.number) if attempt else None
        self.tenancy.adopt_for_absent_game(epoch, seat.slot if seat else None)
        self.look()

    def agree(self) -> None:
        """The game declares something else than the one before it: tell the workers; those it is not for have to go."""
        for seat in list(self.seats.values()):
            misfit = self.house.terms.judge(seat.snapshot.manifest.game_api)
            if misfit is not None:
                self._condemn(seat, misfit)
            else:
                seat.agree(self.house.terms.packed)
        self._do(self.life.reconsider(BY_CONTRACT))

    # ── the lifecycle's actions ───────────────────────────────────────────────────────────────────────────────────────

    def _do(self, actions: list[Action]) -> None:
        """Carry actions out in order; those that they cause come after them."""
        if self._closed:
            return
        self._queue.extend(actions)
        if self._running:
            return
        self._running = True
        try:
            while self._queue:
                self._perform(self._queue.popleft())
        finally:
            self._running = False
        self._arm()
        self.adopt_for_absent_game()
        self.house.settle_changed()

    def _perform(self, action: Action) -> None:
        match action:
            case Build():
                seat = Seat(action.attempt, self.snapshots[action.digest], action.version, self._limits(action.digest))
                self.seats[action.attempt] = seat
                self._patrols[action.attempt] = Patrol()
                seat.mark("begun", time.monotonic_ns())
                seat.build = self._spawn(self._build(seat))
            case Offer():
                self._offer(self.seats[action.attempt], action.epoch)
            case Supersede():
                taken = self.tenancy.has_adopted(action.epoch)
                self.look() if taken else self._do(self.life.superseded(action.epoch))
            case Withdraw():
                self.tenancy.withdraw(action.epoch, gone=self.life.target is None)
                self.house.journal.nudge()
            case Begin():
                self._begin(self.seats[action.attempt])
            case Kill():
                self._spawn(self._kill_slow(action))
            case Retire():
                del self._patrols[action.attempt]
                self._retire(self.seats.pop(action.attempt), action.bequeath, action.in_time)
            case Issue():
                self._issue(action)

    async def _build(self, seat: Seat) -> None:
        """A worker, a slot, the bytes, every stage up to Ready. Whatever fails is said to the lifecycle."""
        try:
            slot = await self.tenancy.take(seat.attempt)
            seat.slot = slot
            if (misfit := self.house.terms.judge(seat.snapshot.manifest.game_api)) is not None:
                self._condemn(seat, misfit)
                return
            async with self.house.turns.turn():
                worker = await self.house.nursery.take(seat.limits)
                with contextlib.suppress(psutil.Error, ValueError):  # it died already: its exit is on the way
                    seat.process = psutil.Process(worker.pid)
                    _, seat.memory_base = monitor.sample(seat.process)
                worker.on_report = lambda report: self._report(seat, report)
                worker.on_exit = lambda status: self._exited(seat, status)
                worker.on_dead = lambda: self._died(seat)
                self.house.shelf.introduce(worker)
                self.house.provisions.equip(seat, worker)  # before it imports anything
                seat.assign(worker, slot, self.name, self.house.terms.packed, self.house.seed)
                seat.mark("assigned", time.monotonic_ns())
                self.life.assigned(seat.attempt, time.monotonic())
                self._arm()
                seat.bound = bound = await seat.expect(messages.Bound)
                seat.tell_game(list(self._forsaken))
                await self._refresh_state()
                seat.rehearse(seat.given or self.states.newest())
                ready: messages.Ready = await seat.expect(messages.Ready)
                seat.stages |= receipts.checked(bound.stages) | receipts.checked({"rehearse": ready.rehearse_us})
                seat.mark("ready", time.monotonic_ns())
            self.life.passed(seat.attempt)
            if (candidate := self.life.candidate) is not None and candidate.number == seat.attempt:
                # Not a way back: it carries its libraries, and nobody serves until it is there.
                self._heed(seat, await self.house.await_required(self.name, seat.snapshot))
        except (OSError, MachineError) as error:
            why = Diagnostic(Stage.CONFINE, type(error).__name__, f"no worker could be had: {error}")
            self._condemn(seat, why, unmanned=True)
        except (TypeError, ValueError) as error:
            self._condemn(seat, Diagnostic(Stage.BIND, type(error).__name__, str(error)))
        else:
            self._do(self.life.ready(seat.attempt))

    def _heed(self, seat: Seat, refused: str) -> None:
        """A version that brings the refused code of a library along is refused with it."""
        if refused:
            text = f"it requires {refused!r}, which was refused as it is on disk: that code would go live here"
            self._condemn(seat, Diagnostic(Stage.BIND, "BrokenRequirement", text))

    async def _refresh_state(self) -> None:
        """Ask the active worker for its state, if it did anything since it was asked last."""
        self._heed_unsaid()
        active = self.life.active
        seat = self.seats.get(active.number) if active and active.live and not active.failed else None
        if seat is not None and seat.ask_checkpoint():
            await seat.answers(messages.Checkpointed, FRESH_PATIENCE)

    def _offer(self, seat: Seat, epoch: int) -> None:
        assert seat.slot is not None, "only a worker with a slot is offered"
        if self.life.attempts[seat.attempt] is not self.life.active:  # a way back has to be started anew
            seat.slot.set_live(False)
            seat.hasten()  # now: when the game has adopted it, calls wait
        active = self.life.active
        if active is not None and active.failed and active.epoch not in self._forsaken:
            self._forsaken.append(active.epoch)
        seat.tell_game(list(self._forsaken))
        seat.mark("offered", time.monotonic_ns())
        self.tenancy.offer(epoch, seat.slot)
        self.house.journal.nudge()

    def _begin(self, seat: Seat) -> None:
        """Everyone before it is drained or dead: start it, at once if nothing has to be gathered first."""
        seat.mark("drained", time.monotonic_ns())
        seat.state_note, seat.lost_effects = "", None
        if self._estates or self.moved_from is not None:
            self._spawn(self._begin_as_heir(seat))
        else:
            self._start(seat, self.states.newest(), [])

    async def _begin_as_heir(self, seat: Seat) -> None:
        """Gather what those before it never began, and start it."""
        await self._estates.reaped()
        if self.moved_from is not None:
            await self._move_in(self.moved_from)
        if seat.retired:
            return
        inheritance, seat.lost_effects, dropped = self._estates.share_out()
        if dropped:
            log.warning("%s@%d: the %d oldest messages that nobody began were dropped: a ring holds no more",
                        self.name, seat.version, dropped)  # fmt: skip
        self._start(seat, self.states.newest(), inheritance)

    async def _move_in(self, old: "Lane") -> None:
        """A renamed mod takes its state along, once the one of the old name has handed it over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MOVE_PATIENCE):
                await old.unloaded.wait()
        self.moved_from = None
        state, mine = old.states.newest(), self.states.newest()
        if state is not None and (mine is None or mine.at < state.at):
            self.states.add(state)

    def _start(self, seat: Seat, state: Checkpoint | None, inheritance: list[bytes]) -> None:
        attempt = self.life.attempts.get(seat.attempt)
        if attempt is None:
            return
        if seat.given is not None:  # what was sent before is not for the game that is loaded
            state, inheritance = seat.given, self._estates.lose(inheritance)
        elif self._standing.state_error and not seat.state_note:
            seat.state_note = f"the state before it could not be taken: {self._standing.state_error}"
        try:
            self._lives += 1
            clock = self.house.switchboard.clock(self.index)
            seat.start(attempt.epoch, state, inheritance, time.monotonic(), self._lives, clock)
            if attempt.restarted and seat.slot is not None:  # it says that it drained; one that lies reads its ring on
                seat.slot.announce_command()
            self.life.begun(seat.attempt, time.monotonic())
            self._arm()
        except OSError as error:
            why = Diagnostic(Stage.CONFINE, type(error).__name__, f"it could not be started: {error}")
            self._condemn(seat, why, unmanned=True)

    def _vacate(self, seat: Seat) -> None:
        """Its slot is free once it is reaped; the game may still have to leave it (`freed_by`)."""
        slot, worker = seat.slot, seat.worker
        if slot is None:
            return

        def free(_: object = None) -> None:
            self.tenancy.leave(slot, seat.attempt)
            if not self.life.attempts and not self._closed:
                self._give_back()

        if worker is None or worker.exited.done():
            free()
        else:
            worker.exited.add_done_callback(free)

    def _retire(self, seat: Seat, bequeath: bool, in_time: bool) -> None:
        seat.retired = True
        if seat.build is not None and seat.build is not asyncio.current_task():
            seat.build.cancel()
        if seat.worker is not None:
            if in_time:
                asyncio.get_running_loop().call_later(KILL_DELAY, seat.worker.kill)
            else:
                seat.worker.kill()
        seat.close()
        if bequeath and seat.slot is not None:
            self.tenancy.mark_dead(seat.slot)
            self._estates.add(seat)
        else:
            self._vacate(seat)

    async def _kill_slow(self, kill: Kill) -> None:
        seat = self.seats.get(kill.attempt)
        if seat is None:
            return
        seconds = getattr(seat.limits, kill.limit)
        what = f"{kill.stage} took longer than {seconds:g} s"
        if kill.stage == Stage.DRAIN and await seat.stop(STACK_PATIENCE):
            log.warning("%s@%d: %s %s: its successor goes on with what it left unread",
                        self.name, seat.version, what, seat.limits.cite(kill.limit))  # fmt: skip
            if not seat.retired:
                self._condemn(seat, postmortem.of_limit(kill.limit, kill.stage, seconds, what, "", seat.snapshot))
            return
        await self.execute(seat, kill.limit, kill.stage, what)

    async def execute(self, seat: Seat, limit: str, stage: str, what: str) -> None:
        """A limit was crossed: ask the worker where it is, kill it, and say why."""
        dump = await seat.worker.stack(STACK_PATIENCE) if seat.worker is not None else ""
        if not seat.retired:
            value, dump = getattr(seat.limits, limit), escape(dump, lines=True)
            why = postmortem.of_limit(limit, stage, value, what, dump, seat.snapshot)
            self._condemn(seat, why, unmanned=stage == Stage.CONFINE)

    def _condemn(self, seat: Seat, diagnostic: Diagnostic, *, unmanned: bool = False) -> None:
        """It is good for nothing, and this is why. `unmanned`: as for Lifecycle.died."""
        diagnostic = postmortem.with_source(diagnostic, seat.snapshot)
        seat.failure = diagnostic
        attempt = self.life.attempts.get(seat.attempt)
        if attempt is not None and attempt.role in (Role.DRAINING, Role.STANDBY):  # no verdict: no receipt says it
            self._standing.ended_aside(seat, attempt.role, diagnostic)
        self._do(self.life.died(seat.attempt, diagnostic, time.monotonic(), unmanned=unmanned))

    # ── the workers ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _report(self, seat: Seat, report: messages.Report) -> None:
        """One message from a worker: hostile input, already known to be well-formed."""
        now = time.monotonic()
        if seat.retired or self._closed:
            return
        match report:
            case messages.Entered():
                attempt = self.life.attempts.get(seat.attempt)
                if attempt is not None and attempt.by is not None and report.stage in tuple(Stage):
                    self.life.entered(seat.attempt, report.stage, now)
                    self._arm()
            case messages.Bound() | messages.Ready():
                seat.answer(report)
            case messages.Unfit() if not self.life.may_be_unfit(seat.attempt, report.diagnostic.stage):
                assert seat.worker is not None, "it spoke"
                seat.worker.condemn(f"it says that it failed at {report.diagnostic.stage:.40}, where it cannot be now")
            case messages.Unfit():
                self._unfit(seat, postmortem.of_report(report.diagnostic, seat.snapshot), now)
            case messages.Live():
                took = receipts.checked({"restore": report.restore_us, "on_load": report.on_load_us})
                self._live(seat, report.at, took)
            case messages.Drained() if seat.stopping:
                if not seat.handed_over:
                    seat.handed_over = True
                    self._take_state(seat, report, now)
                seat.answer(report)
            case messages.Drained() if self.life.has_ended(seat.attempt):
                assert seat.worker is not None, "it spoke"
                seat.worker.condemn("it says again that it drained, before anybody has started it again")
            case messages.Drained():
                if self.life.awaits_drain(seat.attempt):
                    self._take_state(seat, report, now)
                    if seat.slot is not None:
                        seat.slot.set_live(False)
                    self._do(self.life.drained(seat.attempt, now))
            case messages.Checkpointed() if seat.asked and report.serial == seat.serial:
                seat.asked = False
                if self.life.attempts.get(seat.attempt) in (self.life.active, self.life.draining):
                    self._take_state(seat, report, now)  # a standby's is older than what came after it
                seat.answer(report)
            case messages.Equipped():
                self.house.provisions.equipped(seat, report.generation)
            case messages.LogLine():
                self._standing.said(seat, report)
            case messages.Fault():
                self._fault(seat, report, now)
            case _:
                pass  # out of turn: an honest worker never sends it, a dishonest one gains nothing

    def _unfit(self, seat: Seat, diagnostic: Diagnostic, now: float) -> None:
        """A stage failed. A rollback whose state will not load tries older ones before it gives up."""
        attempt = self.life.attempts.get(seat.attempt)
        if attempt and attempt.started and not attempt.live and diagnostic.stage == Stage.RESTORE:
            way_back = attempt.was_live or attempt.cause in ("recovery", "standby")
            moved = seat.resumed_from is not None and seat.resumed_from.digest not in self.life.versions
            if (way_back or moved) and seat.resumed_from is not None and seat.resumed_from.data:
                older = self.states.after(seat.resumed_from)
                seat.state_note = f"a state did not load ({diagnostic.message}): it started " + (
                    "from an older one" if older else "without one"
                )
                log.warning("%s@%d: %s", self.name, seat.version, seat.state_note)
                self._start(seat, older, seat.inherited)
                return
        if attempt is None or attempt.failed:
            return
        diagnostic = postmortem.with_source(diagnostic, seat.snapshot)
        seat.failure = diagnostic
        self._do(self.life.unfit(seat.attempt, diagnostic, now))

    def _live(self, seat: Seat, at: int, stages: dict[str, float]) -> None:
        """`at`: when it was, monotonic ns, by its own account or by ours."""
        active = self.life.active
        if active is None or active.number != seat.attempt or not active.started or active.live or seat.slot is None:
            return
        if active.sentenced:
            return
        now = time.monotonic_ns()
        seat.mark("live", min(max(at, seat.times.get("drained", now)), now))
        seat.stages |= stages
        seat.schedule(os.SCHED_BATCH)
        if seat.given is not None:
            self.states.replace(seat.given)
            seat.given = None
        self.tenancy.set_live(seat.slot)
        self._do(self.life.live(seat.attempt))

    def _heed_unsaid(self) -> None:
        """A worker answers the call that waits for it before it says that it is live. That call may be its last, and
        last: so this is asked before anything that depends on whether the active worker is live."""
        active = self.life.active
        seat = self.seats.get(active.number) if active is not None and active.started and not active.live else None
        if seat is not None and seat.serves():
            self._live(seat, time.monotonic_ns(), {})

    def _take_state(self, seat: Seat, report: messages.Drained | messages.Checkpointed, now: float) -> None:
        state = seat.take_state(report, now)
        seat.took(state)
        if isinstance(state, Checkpoint):
            self.states.add(state)
            self._standing.state_taken()
        else:
            self._standing.state_missing(seat, state, self.states.newest(), now)

    def _fault(self, seat: Seat, report: messages.Fault, now: float) -> None:
        diagnostic, count = self._standing.fault(seat, report)
        if diagnostic.kind not in ("QueueFull", "QueryTimeout"):  # the game's pace, not the mod's fault
            self._do(self.life.faulted(seat.attempt, count, diagnostic, now))

    def _died(self, seat: Seat) -> None:
        """Dead, how is not known yet: whoever waits for it in the game need not wait for that."""
        active = self.life.active
        if not seat.retired and not self._closed and active is not None and active.number == seat.attempt:
            assert seat.slot is not None, "the active worker has a slot"
            self.tenancy.mark_dead(seat.slot)

    def _exited(self, seat: Seat, status: int) -> None:
        """A worker ended. What it was to the mod decides what follows; a retired one has no say left."""
        worker = seat.worker
        if seat.retired or worker is None or self._closed:
            return
        self._heed_unsaid()
        attempt = self.life.attempts.get(seat.attempt)
        stage = attempt.stage if attempt else Stage.RUN
        unmanned = stage == Stage.CONFINE  # by our record, which only goes forward: no mod code has run
        dump = escape(worker.stderr, lines=True)
        if worker.crossed:
            value, what = getattr(seat.limits, worker.crossed), worker.misbehaved
            why = postmortem.of_limit(worker.crossed, stage, value, what, dump, seat.snapshot)
            self._condemn(seat, why, unmanned=unmanned)
        elif worker.misbehaved:
            self._condemn(seat, postmortem.of_misbehaviour(escape(worker.misbehaved), stage), unmanned=unmanned)
        else:
            known = None if status == UNKNOWN_STATUS else status
            cpu = max(worker.cpu, self._patrols[seat.attempt].cpu)
            taken, words = seat.snapshot, seat.last_words
            why = postmortem.of_exit(known, dump, stage, seat.limits, taken, words, cpu)
            self._condemn(seat, why, unmanned=unmanned)

    # ── time, receipts, the end ───────────────────────────────────────────────────────────────────────────────────────

    def _arm(self) -> None:
        """One timer for the lifecycle's next deadline."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.life.deadline()
        if deadline is not None:
            loop = asyncio.get_running_loop()
            delay = max(0.0, deadline - time.monotonic())
            self._timer = loop.call_later(delay, self._tick)

    def _tick(self) -> None:
        """A deadline may have come. While this process did not run, a worker need not have run either."""
        now, looked_at = time.monotonic(), self.house.looked_at
        if looked_at not in (0.0, self._excused) and now - looked_at > LATE_PATROL:
            self._excused = looked_at
            self.life.postpone(now - looked_at)
        self._heed_unsaid()
        self._do(self.life.tick(now))

    def _limits(self, digest: str) -> Limits:
        return self.snapshots[digest].manifest.within(self.house.limits)

    def _issue(self, issue: Issue) -> None:
        if issue.verdict is Verdict.UNLOADED:
            self._estates.drop()
            self.unloaded.set()
        seat, snapshot = self.seats.get(issue.attempt), self.snapshots.get(issue.digest)
        if issue.diagnostic is not None and snapshot is not None:
            # A worker that has no descriptor left cannot read its own files to quote them.
            issue = replace(issue, diagnostic=postmortem.with_source(issue.diagnostic, snapshot))
        self._standing.issue(issue, self.life, seat, snapshot, self.house.journal, self.house.worst_frame_ms())
        self._forget_old_snapshots()
        self.house.rank()

    def load(self, state: Checkpoint) -> int:
        """Start the version that serves anew, from a save's state. Only at rest. Returns the attempt's number."""
        number, actions = self.life.load()
        self._do(actions)
        self.seats[number].given = state  # before its build has run: that is a task
        return number

    def drop_load(self, number: int) -> None:
        """Nobody waits for it any more. Nothing, once it was offered."""
        self._do(self.life.drop_load(number))

    def place(self) -> Needs | None:
        """Its place in the load order: what the version says that serves, or else the one on disk. None: neither."""
        active = self.life.active
        digest = active.digest if active is not None and not active.failed else self.life.target
        snapshot = self.snapshots.get(digest or "")
        return Needs(snapshot.manifest.order, snapshot.manifest.requires) if snapshot is not None else None

    def _forget_old_snapshots(self) -> None:
        """Keep what may still be loaded: what is live, standing by, on disk, being built, or next in the history."""
        life = self.life
        kept = {each.digest for each in life.attempts.values()} | set(life.versions.history) | {life.target or ""}
        for digest in [d for d in self.snapshots if d not in kept][:-1]:  # the last may be a draft that is to settle
            if len(self.snapshots) > 8:
                del self.snapshots[digest]

    def at_rest(self) -> bool:
        """Nothing is under way: every step that could be taken was taken."""
        life = self.life
        if life.candidate or life.recovery or life.renewal or life.offers or life.draining:
            return False
        return life.active is None or life.active.live

    def status(self) -> ModStatus:
        """As the game is told."""
        active = self.life.active
        seat = self.seats.get(active.number) if active and not active.failed else None
        resident = self._patrols[seat.attempt].resident if seat else 0
        return self._standing.status(self.life, seat, resident, self.states.newest(), self._estates)

    def active_seat(self) -> Seat | None:
        """The seat of the worker that serves."""
        active = self.life.active
        return self.seats.get(active.number) if active is not None and active.live and not active.failed else None

    def patrol(self, now: float) -> None:
        """Four times a second: does any of its workers hang, is one too large, does one burn what is not its own?"""
        self._heed_unsaid()
        for seat in list(self.seats.values()):
            attempt = self.life.attempts.get(seat.attempt)
            if attempt is None or attempt.failed:
                continue
            if attempt.started and not attempt.live and not attempt.sentenced and seat.works_off():
                self.life.begun(seat.attempt, now)  # each message that was left to it has its time
            patrol = self._patrols[seat.attempt]
            breach = patrol.look(seat, self._duty(attempt), attempt.stage, now, self.house.shelf.lent)
            if breach is not None:
                self._spawn(self.execute(seat, *breach))  # not awaited: others' hangs do not wait for its stack
            elif patrol.worn(seat.limits.cpu_total):
                what = f"it used {patrol.cpu:.1f} s of CPU soon after it went live, and so did those before it"
                value = seat.limits.cpu_total
                why = postmortem.of_limit("cpu_total", Stage.RUN, value, what, "", seat.snapshot)
                self._do(self.life.worn(seat.attempt, why, now))

    def _duty(self, attempt: Attempt) -> Duty:
        if attempt is self.life.draining:
            return Duty.DRAINING
        if attempt is self.life.active and attempt.live:
            return Duty.SERVING
        parked = attempt.role is Role.STANDBY or (attempt.ready and not attempt.started)
        return Duty.PARKED if parked else Duty.LOADING

    def checkpoint(self) -> None:
        """Once a second: ask for the state if anything happened."""
        active = self.life.active
        seat = self.active_seat()
        if seat is None and active is not None and active.started and not active.failed:
            seat = self.seats.get(active.number)  # it works off what was left to it
            seat = seat if seat is not None and seat.inherited_seen else None
        if seat is not None:
            seat.ask_checkpoint()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._reaped)
        return task

    def _reaped(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("%s: a fault of ours, please report it", self.name, exc_info=error)

    async def close(self) -> None:
        """End everything. The nursery kills the workers; here go the tasks, timers and memory."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for seat in self.seats.values():
            seat.close()
        self._estates.forget()
        self.tenancy.slots.close()
