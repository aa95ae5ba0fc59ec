"""The lifecycle as a model: any order of saves, verdicts, adoptions, drains, crashes and time keeps its promises."""

from __future__ import annotations

import itertools

import pytest
from fumehood.runner.lifecycle import MOST_PARDONS, Lifecycle
from fumehood.runner.roles import (
    TRANSITIONS,
    Action,
    Begin,
    Build,
    Issue,
    Kill,
    Offer,
    Retire,
    Supersede,
    Withdraw,
)
from fumehood.runner.versions import MOST_QUARANTINED
from fumehood.shared.messages import Diagnostic
from fumehood.shared.policy import Limits
from fumehood.shared.states import Role, Stage, Verdict
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

DIGESTS = ("aa", "bb", "cc", "dd")
WHY = Diagnostic(Stage.RUN, "Crashed", "it crashed")
WORN = Diagnostic(Stage.RUN, "LimitExceeded", "it used 0.8 s of CPU (limit: cpu_total = 1)")
NOBODY = Diagnostic(Stage.CONFINE, "MachineError", "no confined worker")
"""What we say when there is none; and what a worker may say that wants to be taken for one that never was."""


class World:
    """What a lane, a game and workers do with the actions, as plain sets: the fake at the lifecycle's pure boundary."""

    def __init__(self) -> None:
        self.now = 1.0
        counter = itertools.count(1)
        self.life = Lifecycle(lambda: next(counter))
        self.building: set[int] = set()
        self.parked: set[int] = set()
        """Ready, waiting."""
        self.running: set[int] = set()
        """Begun, and neither drained nor dead: these read a ring."""
        self.live: set[int] = set()
        self.retired: set[int] = set()
        self.ended: set[int] = set()
        """Workers whose ring the game has ended."""
        self.word: int = 0
        self.slot_of: dict[int, int | None] = {}
        self.adopted: int = 0
        self.issued: list[Issue] = []
        self.offered: list[int] = []
        self.unsettled: str | None = None

    def do(self, actions: list[Action]) -> None:
        queue = list(actions)
        while queue:
            action = queue.pop(0)
            match action:
                case Build():
                    self.building.add(action.attempt)
                    self.life.assigned(action.attempt, self.now)
                case Offer():
                    assert action.attempt not in self.retired
                    self.offered.append(action.epoch)
                    self.word, self.slot_of[action.epoch] = action.epoch, action.attempt
                case Withdraw():
                    self.offered.append(action.epoch)
                    self.word, self.slot_of[action.epoch] = action.epoch, None
                case Supersede():
                    if self.adopted == action.epoch:
                        queue += self.life.adopted(action.epoch, self.now)
                    else:
                        queue += self.life.superseded(action.epoch)
                case Begin():
                    assert action.attempt not in self.retired
                    assert not self.running - {action.attempt}, "two workers would read at once"
                    self.running.add(action.attempt)
                    self.parked.discard(action.attempt)
                case Retire():
                    assert action.attempt not in self.retired, "retired twice"
                    self.retired.add(action.attempt)
                    for roles in (self.building, self.parked, self.running, self.live):
                        roles.discard(action.attempt)
                case Kill():
                    queue += self.life.died(action.attempt, WHY, self.now)
                case Issue():
                    self.issued.append(action)

    def game_looks(self) -> None:
        """The game adopts what stands on the switchboard, ending the ring it leaves."""
        if self.adopted == self.word:
            return
        before, after = self.slot_of.get(self.adopted), self.slot_of[self.word]
        if before is not None and before != after:
            self.ended.add(before)
        if after is not None:
            self.ended.discard(after)
        self.adopted = self.word
        self.do(self.life.adopted(self.word, self.now))

    def drain(self, attempt: int) -> None:
        self.running.discard(attempt)
        self.live.discard(attempt)
        self.parked.add(attempt)
        self.do(self.life.drained(attempt, self.now))

    def quiesce(self) -> None:
        """Everybody behaves from now on: every build succeeds, the game looks, the old drain."""
        for _ in range(200):
            before = (set(self.building), set(self.running), set(self.live), self.adopted, self.word)
            for attempt in sorted(self.building):
                self.building.discard(attempt)
                self.parked.add(attempt)
                self.do(self.life.ready(attempt))
            self.game_looks()
            for attempt in sorted(self.running & self.ended):
                self.drain(attempt)
            for attempt in sorted(self.running - self.live - self.ended):
                self.live.add(attempt)
                self.do(self.life.live(attempt))
            if before == (self.building, self.running, self.live, self.adopted, self.word):
                return
        pytest.fail("it does not come to rest")


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @initialize(digest=st.sampled_from(DIGESTS))
    def first(self, digest: str) -> None:
        self.world.do(self.world.life.settled(digest, "startup"))

    @rule(digest=st.sampled_from(DIGESTS))
    def draft(self, digest: str) -> None:
        self.world.unsettled = digest  # a source never leaves a draft without a settled for the same mod
        self.world.do(self.world.life.drafted(digest, "save"))

    @rule(digest=st.sampled_from(DIGESTS))
    def settle(self, digest: str) -> None:
        self.world.unsettled = None
        self.world.do(self.world.life.settled(digest, "save"))

    @rule()
    def delete(self) -> None:
        self.world.unsettled = None
        self.world.do(self.world.life.settled(None, "deleted"))

    @rule()
    def unreadable(self) -> None:
        self.world.unsettled = None
        active = self.world.life.active
        self.world.do(self.world.life.unreadable(WHY, "save"))
        assert self.world.life.active is active

    @precondition(lambda self: self.world.building)
    @rule(data=st.data())
    def becomes_ready(self, data: st.DataObject) -> None:
        attempt = data.draw(st.sampled_from(sorted(self.world.building)))
        self.world.building.discard(attempt)
        self.world.parked.add(attempt)
        self.world.do(self.world.life.ready(attempt))

    @precondition(lambda self: self.world.building)
    @rule(data=st.data(), why=st.sampled_from((WHY, NOBODY)))
    def candidate_fails(self, data: st.DataObject, why: Diagnostic) -> None:
        world = self.world
        attempt = data.draw(st.sampled_from(sorted(world.building)))
        active, serving = world.life.active, set(world.live)
        digest, judged = world.life.attempts[attempt].digest, world.life.attempts[attempt] is world.life.candidate
        world.do(world.life.unfit(attempt, why, world.now))
        assert world.life.active is active, "a failed candidate touches nobody"
        assert world.live == serving
        assert digest in world.life.versions.quarantine or not judged, "whatever stage is named: these bytes are out"

    @rule()
    def look(self) -> None:
        self.world.game_looks()

    @precondition(lambda self: self.world.running - self.world.live)
    @rule(data=st.data())
    def goes_live(self, data: st.DataObject) -> None:
        attempt = data.draw(st.sampled_from(sorted(self.world.running - self.world.live)))
        self.world.live.add(attempt)
        self.world.do(self.world.life.live(attempt))

    @precondition(lambda self: self.world.running & self.world.ended)
    @rule(data=st.data())
    def drains(self, data: st.DataObject) -> None:
        self.world.drain(data.draw(st.sampled_from(sorted(self.world.running & self.world.ended))))

    @precondition(lambda self: self.world.live - self.world.ended)
    @rule(data=st.data())
    def drains_unasked(self, data: st.DataObject) -> None:
        """The adoption race, or a worker that lies."""
        self.world.drain(data.draw(st.sampled_from(sorted(self.world.live - self.world.ended))))

    @rule(data=st.data(), why=st.sampled_from((WHY, NOBODY)))
    def dies(self, data: st.DataObject, why: Diagnostic) -> None:
        world = self.world
        alive = sorted(world.building | world.parked | world.running)
        due = world.life.retry_at
        if alive:
            world.do(world.life.died(data.draw(st.sampled_from(alive)), why, world.now))
        assert world.life.retry_at == due, "the machine is not blamed for what a worker says"

    @rule(count=st.integers(1, 6), data=st.data())
    def faults(self, count: int, data: st.DataObject) -> None:
        world = self.world
        if world.live:
            attempt = data.draw(st.sampled_from(sorted(world.live)))
            world.do(world.life.faulted(attempt, count, WHY, world.now))

    @rule()
    def wears_out(self) -> None:
        world = self.world
        if world.live:
            active = world.life.active
            before = active is not None and active.worn
            world.do(world.life.worn(max(world.live), WORN, world.now))
            if active is not None and active.failed:
                assert not before, "a worker is counted once"
                assert active.digest in world.life.versions.quarantine, "it wore out too often"
                return
            assert world.life.active is active, "it serves until the fresh one is adopted"

    @rule()
    def a_save_is_loaded(self) -> None:
        life = self.world.life
        if life.candidate or life.recovery or life.renewal or life.offers or life.draining:
            return
        if life.active is not None and life.active.live and not life.active.failed:
            active = life.active
            _, actions = life.load()
            self.world.do(actions)
            assert life.active is active, "it serves until the fresh one is adopted"

    @rule()
    def a_load_is_given_up(self) -> None:
        life = self.world.life
        active = life.active
        self.world.do(life.drop_load(life.renewal.number if life.renewal else 0))
        assert life.active is active

    @rule(seconds=st.sampled_from((0.01, 0.5, 2.0, 40.0)))
    def time_passes(self, seconds: float) -> None:
        self.world.now += seconds
        self.world.do(self.world.life.tick(self.world.now))

    @invariant()
    def epochs_grow(self) -> None:
        assert self.world.offered == sorted(set(self.world.offered))

    @invariant()
    def nobody_leaks(self) -> None:
        world = self.world
        known = world.building | world.parked | world.running
        assert known == set(world.life.attempts), "every worker has a record, and every record a worker"

    @invariant()
    def slots_suffice(self) -> None:
        assert len(self.world.parked | self.world.running) <= 4

    @invariant()
    def roles_agree(self) -> None:
        life = self.world.life
        for attempt in life.attempts.values():
            assert attempt.role is not Role.RETIRED
        if life.standby:
            assert life.standby.role is Role.STANDBY
            assert life.standby.number in self.world.parked

    def teardown(self) -> None:
        world = self.world
        if world.unsettled:
            world.do(world.life.settled(world.unsettled, "save"))
        world.quiesce()
        life = world.life
        if life.target is None:
            assert life.active is None
            assert not life.attempts
        elif life.target == "":
            assert life.active is None or life.active.number in world.live
        elif life.target not in life.versions.quarantine:
            assert life.active is not None
            assert life.active.digest == life.target
            assert life.active.number in world.live
        elif life.active is not None:
            assert life.active.digest not in life.versions.quarantine
            assert life.active.number in world.live
        else:
            assert life.down


TestLifecycle = Machine.TestCase
TestLifecycle.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)


def serve(world: World, digest: str) -> int:
    world.do(world.life.settled(digest, "save"))
    world.quiesce()
    assert world.life.active is not None
    assert world.life.active.digest == digest
    return world.life.active.number


def replace(world: World, digest: str) -> int:
    """Save, load and adopt another version; the one before it is draining."""
    world.do(world.life.settled(digest, "save"))
    number = max(world.building)
    world.building.discard(number)
    world.parked.add(number)
    world.do(world.life.ready(number))
    world.game_looks()
    return number


def test_two_failed_candidates_do_not_roll_back_past_the_last_good_one() -> None:
    world = World()
    for digest in ("aa", "bb"):
        serve(world, digest)
    third = serve(world, "cc")
    for bad in ("dd", "ee"):
        world.do(world.life.settled(bad, "save"))
        world.do(world.life.unfit(max(world.building), WHY, world.now))
    assert world.life.active is not None
    assert world.life.active.number == third
    assert [issue.verdict for issue in world.issued[-2:]] == [Verdict.REFUSED, Verdict.REFUSED]
    serve(world, "ff")


def test_a_crash_hands_over_to_the_standby_without_a_build() -> None:
    world = World()
    first = serve(world, "aa")
    second = serve(world, "bb")
    world.do(world.life.died(second, WHY, world.now))
    assert not world.building
    world.game_looks()
    assert world.running == {first}
    world.quiesce()
    assert world.issued[-1].verdict is Verdict.ROLLED_BACK
    assert world.issued[-1].version == 2
    assert world.life.standby is not None, "a new standby is built from the same snapshot"
    assert world.life.standby.digest == "aa"


@pytest.mark.parametrize("drained", [True, False])
def test_a_way_back_that_dies_on_offer_is_loaded_anew(drained: bool) -> None:
    world = World()
    first = serve(world, "aa")
    second = replace(world, "bb")
    if drained:
        world.quiesce()
    world.do(world.life.died(second, WHY, world.now))
    world.do(world.life.died(first, WHY, world.now))
    world.game_looks()
    assert len(world.building) == 1
    world.quiesce()
    assert world.life.active is not None
    assert world.life.active.digest == "aa"
    assert len(world.life.attempts) <= 2, "the one that serves, and its standby"


def test_the_breaker_ends_a_crash_loop_and_other_bytes_go_live_at_once() -> None:
    world = World()
    serve(world, "aa")
    for _ in range(20):
        if world.life.active is None or world.life.active.failed:
            break
        world.do(world.life.died(world.life.active.number, WHY, world.now))
        world.quiesce()
    assert world.life.active is None
    assert "aa" in world.life.versions.quarantine
    assert world.issued[-1].verdict is Verdict.DOWN
    serve(world, "bb")


def test_no_stage_that_a_worker_names_takes_it_past_the_breaker() -> None:
    """Its own words said "confine": it was taken for the machine's trouble and started again for ever."""
    world = World()
    serve(world, "aa")
    for _ in range(20):
        if world.life.active is None or world.life.active.failed:
            break
        world.do(world.life.unfit(world.life.active.number, NOBODY, world.now))
        world.quiesce()
        world.now += 0.1
    assert world.life.active is None
    assert world.life.retry_at is None
    assert "aa" in world.life.versions.quarantine


def test_which_stages_a_worker_can_say_it_failed_at() -> None:
    world = World()
    life = world.life

    def sayable(number: int) -> set[str]:
        return {stage for stage in (*Stage, "", "no such stage") if life.may_be_unfit(number, stage)}

    loading = {"snapshot", "compile", "import", "bind", "selftest", "rehearse"}
    world.do(life.settled("aa", "save"))
    (first,) = world.building
    assert sayable(first) == loading
    world.building.discard(first)
    world.parked.add(first)
    world.do(life.ready(first))
    assert sayable(first) == set(), "on offer it does nothing"
    world.game_looks()
    assert sayable(first) == {"restore", "on_load"}
    world.quiesce()
    assert sayable(first) == set()
    second = replace(world, "bb")
    assert sayable(first) == set(), "it drains"
    assert sayable(second) == set(), "it waits for that"
    world.drain(first)
    assert sayable(second) == {"restore", "on_load"}
    third = replace(world, "cc")
    assert sayable(second) == {"restore", "on_load"}, "the game went on before it was live"
    assert sayable(third) == set()
    assert sayable(99) == set()


def test_an_error_burst_on_probation_rolls_back_but_only_then() -> None:
    world = World()
    serve(world, "aa")
    second = serve(world, "bb")
    world.now += 60
    world.do(world.life.faulted(second, 100, WHY, world.now))
    assert world.life.active is not None
    assert world.life.active.number == second, "past probation it is the mod's business"
    third = serve(world, "cc")
    world.do(world.life.faulted(third, world.life.probation.errors, WHY, world.now))
    assert world.life.active.number == third, "the version before raised more"
    fourth = serve(world, "dd")
    world.do(world.life.faulted(fourth, world.life.probation.errors, WHY, world.now))
    assert world.life.active.number == fourth, "the version before raised as much"
    world.do(world.life.faulted(fourth, 1, WHY, world.now))
    world.quiesce()
    assert world.life.active.digest == "cc"


def test_a_slow_old_build_never_replaces_a_newer_one() -> None:
    world = World()
    serve(world, "aa")
    world.do(world.life.settled("bb", "save"))
    (slow,) = world.building
    world.do(world.life.settled("cc", "save"))
    assert slow in world.retired
    assert world.life.ready(slow) == []
    world.quiesce()
    assert world.life.active is not None
    assert world.life.active.digest == "cc"


def test_the_quarantine_is_bounded() -> None:
    world = World()
    serve(world, "aa")
    for number in range(MOST_QUARANTINED + 10):
        world.do(world.life.settled(f"bad{number}", "save"))
        world.do(world.life.unfit(max(world.building), WHY, world.now))
    assert len(world.life.versions.quarantine) == MOST_QUARANTINED


def test_a_worn_worker_gives_way_to_a_fresh_one_and_the_way_back_stays() -> None:
    world = World()
    first = serve(world, "aa")
    second = serve(world, "bb")
    adopted_at = world.life.attempts[second].adopted_at
    world.now += 7000
    world.do(world.life.worn(second, WORN, world.now))
    world.do(world.life.worn(second, WORN, world.now))
    assert len(world.building) == 1, "asked for once"
    world.quiesce()
    active = world.life.active
    assert active is not None
    assert (active.digest, active.cause, active.adopted_at) == ("bb", "renewal", adopted_at)
    assert active.number not in (first, second)
    assert second in world.retired
    assert world.life.standby is not None
    assert world.life.standby.number == first
    assert not world.life.versions.quarantine
    assert [(issue.verdict, issue.cause) for issue in world.issued[2:]] == [(Verdict.LIVE, "renewal")]


def test_a_fresh_worker_that_fails_to_load_leaves_the_worn_one_serving() -> None:
    world = World()
    number = serve(world, "aa")
    world.do(world.life.worn(number, WORN, world.now))
    (fresh,) = world.building
    world.do(world.life.unfit(fresh, WHY, world.now))
    assert world.life.active is not None
    assert world.life.active.number == number
    assert not world.life.versions.quarantine
    world.do(world.life.worn(number, WORN, world.now))
    assert not world.building, "not tried again for ever"


def test_a_save_goes_before_a_renewal() -> None:
    world = World()
    number = serve(world, "aa")
    world.do(world.life.worn(number, WORN, world.now))
    (fresh,) = world.building
    world.do(world.life.drafted("bb", "save"))
    assert fresh in world.retired
    world.do(world.life.unfit(max(world.building), WHY, world.now))
    world.do(world.life.settled("bb", "save"))
    world.do(world.life.worn(number, WORN, world.now))
    assert world.building, "the save was bad, and the worker is still worn"


def test_a_deleted_mod_whose_worker_dies_while_it_drains_is_unloaded_all_the_same() -> None:
    world = World()
    serve(world, "aa")
    second = serve(world, "bb")
    world.do(world.life.settled(None, "deleted"))
    world.game_looks()
    world.do(world.life.died(second, WHY, world.now))
    assert not world.life.attempts
    assert world.issued[-1].verdict is Verdict.UNLOADED


def test_a_way_back_that_still_drains_is_offered_when_it_is_through() -> None:
    world = World()
    serve(world, "aa")
    second = serve(world, "bb")
    third = replace(world, "cc")
    world.do(world.life.died(third, WHY, world.now))
    assert world.word == world.adopted, "nothing is offered while it drains"
    world.drain(second)
    world.quiesce()
    assert world.life.active is not None
    assert world.life.active.number == second
    assert set(world.life.versions.quarantine) == {"cc"}
    assert [(i.verdict, i.version) for i in world.issued][-1] == (Verdict.ROLLED_BACK, 3)


def test_a_way_back_that_cannot_finish_is_loaded_anew_and_nobody_goes_past_it() -> None:
    """An older one stands by; the last good version is the one that drained for too long."""
    world = World()
    first = serve(world, "aa")
    second = serve(world, "bb")
    third = replace(world, "cc")
    world.do(world.life.died(third, WHY, world.now))
    world.do(world.life.died(second, WHY, world.now))
    assert first in world.parked
    world.quiesce()
    assert world.life.active is not None
    assert world.life.active.digest == "bb"
    assert set(world.life.versions.quarantine) == {"cc"}


def test_a_sentenced_candidate_never_goes_live() -> None:
    """It is asked for its stack before it is killed: a good moment to be ready after all."""
    world = World()
    serve(world, "aa")
    world.do(world.life.settled("bb", "save"))
    number = max(world.building)
    world.now = world.life.deadline() or 0.0
    killed = world.life.tick(world.now)
    assert [action.attempt for action in killed if isinstance(action, Kill)] == [number]
    assert world.life.ready(number) == []
    world.do(killed)
    assert world.issued[-1].verdict is Verdict.REFUSED


def test_no_deadline_counts_a_pause_of_this_process() -> None:
    world = World()
    world.do(world.life.settled("aa", "startup"))
    due = world.life.deadline() or 0.0
    world.life.postpone(7.0)
    assert world.life.deadline() == due + 7.0
    for _ in range(10):
        world.life.postpone(7.0)
    assert world.life.deadline() == due + MOST_PARDONS * 7.0, "not for ever"


def test_what_waits_for_a_worker_is_not_forgotten_when_another_version_goes_live() -> None:
    world = World()
    serve(world, "aa")
    second = serve(world, "bb")
    world.do(world.life.settled("cc", "save"))
    world.do(world.life.died(max(world.building), NOBODY, world.now, unmanned=True))
    world.building.clear()
    world.do(world.life.died(second, WHY, world.now))
    world.quiesce()
    assert world.life.active is not None
    assert world.life.active.digest == "aa"
    world.now += 60
    world.do(world.life.tick(world.now))
    world.quiesce()
    assert world.life.active.digest == "cc"


def test_the_machines_trouble_at_the_start_is_not_held_against_a_version() -> None:
    world = World()
    first = serve(world, "aa")
    second = replace(world, "bb")
    world.drain(first)
    world.do(world.life.died(second, NOBODY, world.now, unmanned=True))
    world.quiesce()
    assert not world.life.versions.quarantine
    world.now += 60
    world.do(world.life.tick(world.now))
    world.quiesce()
    assert world.life.active is not None
    assert world.life.active.digest == "bb"


def test_a_deleted_mod_that_dies_before_the_game_has_seen_it_go_stays_deleted() -> None:
    world = World()
    number = serve(world, "aa")
    world.do(world.life.settled(None, "deleted"))
    world.do(world.life.died(number, WHY, world.now))
    assert not world.building, "nobody wants it back"
    world.quiesce()
    assert not world.life.attempts
    assert world.issued[-1].verdict is Verdict.UNLOADED


def test_a_mod_that_is_down_is_unloaded_too() -> None:
    world = World()
    world.do(world.life.settled("aa", "save"))
    world.do(world.life.unfit(max(world.building), WHY, world.now))
    world.game_looks()
    world.do(world.life.settled(None, "deleted"))
    assert world.issued[-1].verdict is Verdict.UNLOADED


@pytest.mark.parametrize("broken", ["refused", "unreadable"])
def test_what_comes_back_broken_leaves_the_last_good_version_serving(broken: str) -> None:
    world = World()
    serve(world, "aa")
    for _ in range(2):
        world.do(world.life.settled(None, "deleted"))
        world.quiesce()
        assert world.life.active is None
        if broken == "unreadable":
            world.do(world.life.unreadable(WHY, "save"))
        else:
            world.do(world.life.settled("bb", "save"))
            for attempt in sorted(world.building):
                if world.life.attempts[attempt].digest == "bb":
                    world.do(world.life.unfit(attempt, WHY, world.now))
        world.quiesce()
        assert world.life.active is not None
        assert world.life.active.digest == "aa"


def test_a_crash_before_a_deletion_is_not_blamed_on_what_comes_after() -> None:
    world = World()
    first = serve(world, "aa")
    world.do(world.life.died(first, WHY, world.now))
    world.do(world.life.settled(None, "deleted"))
    world.quiesce()
    serve(world, "bb")
    assert world.issued[-1].verdict is Verdict.LIVE
    assert not [issue for issue in world.issued if issue.verdict is Verdict.ROLLED_BACK]


def test_no_worker_is_the_machines_fault_and_tried_again_ever_more_rarely() -> None:
    world = World()
    serve(world, "aa")
    world.do(world.life.settled("bb", "save"))
    waits = []
    for _ in range(8):
        world.do(world.life.died(max(world.building), NOBODY, world.now, unmanned=True))
        world.building.clear()
        due = world.life.deadline()
        assert due is not None
        waits.append(due - world.now)
        world.now = due
        world.do(world.life.tick(world.now))
        assert len(world.building) == 1
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert not world.life.versions.quarantine
    world.quiesce()
    assert world.life.active is not None
    assert world.life.active.digest == "bb"
    assert world.life.deadline() is None


def test_a_recovery_without_a_worker_is_tried_again_and_costs_no_strike() -> None:
    world = World()
    number = serve(world, "aa")
    world.do(world.life.died(number, WHY, world.now))
    for _ in range(10):
        world.do(world.life.died(max(world.building), NOBODY, world.now, unmanned=True))
        world.building.clear()
        world.now = world.life.deadline() or 0.0
        world.do(world.life.tick(world.now))
    world.quiesce()
    assert world.life.active is not None
    assert world.life.active.digest == "aa"


def test_a_deadline_noticed_much_too_late_is_given_once_more() -> None:
    """The machine was suspended: neither the worker nor this process ran."""
    world = World()
    world.do(world.life.settled("aa", "startup"))
    (number,) = world.building
    limit = Limits().load_timeout
    for _ in range(MOST_PARDONS):
        world.now = (world.life.deadline() or 0.0) + 100.0
        world.do(world.life.tick(world.now))
        assert world.life.deadline() == world.now + limit
    world.now = (world.life.deadline() or 0.0) + 100.0
    world.do(world.life.tick(world.now))
    assert number in world.retired, "not for ever"


def test_each_version_has_its_own_limits() -> None:
    counter = itertools.count(1)
    life = Lifecycle(
        lambda: next(counter), {"aa": Limits(load_timeout=1.0), "bb": Limits(load_timeout=9.0)}.__getitem__
    )
    for digest, limit in (("aa", 1.0), ("bb", 9.0)):
        life.settled(digest, "save")
        life.assigned(max(life.attempts), 100.0)
        assert life.deadline() == 100.0 + limit


def test_the_table_of_roles_has_no_way_out_of_retired() -> None:
    assert not [key for key in TRANSITIONS if key[0] is Role.RETIRED]
    reachable = {Role.SPARE} | set(TRANSITIONS.values())
    assert reachable == set(Role)


def test_stages_only_go_forward_and_each_has_its_deadline() -> None:
    world = World()
    world.do(world.life.settled("aa", "startup"))
    (number,) = world.building
    limit = Limits().load_timeout
    world.life.entered(number, Stage.IMPORT, 10.0)
    assert world.life.deadline() == 10.0 + limit
    world.life.entered(number, Stage.COMPILE, 12.0)
    assert world.life.deadline() == 10.0 + limit, "a worker that goes back gains no time"
    world.do(world.life.tick(10.0 + limit))
    assert number in world.retired
    assert world.issued[-1].verdict is Verdict.REFUSED


def test_a_worker_that_drains_unasked_is_started_again_once() -> None:
    world = World()
    number = serve(world, "aa")
    world.drain(number)
    assert number in world.running
    world.quiesce()
    assert number in world.live
    world.drain(number)
    assert number in world.retired


def test_a_worker_that_drains_before_the_games_step_is_seen_is_not_started_again() -> None:
    """The game ends the old ring first and stores the epoch after: on a loaded machine the worker is quicker."""
    world = World()
    first = serve(world, "aa")
    world.do(world.life.settled("bb", "save"))
    world.do(world.life.ready(second := max(world.building)))
    world.drain(first)
    assert not world.running
    world.game_looks()
    assert world.running == {second}
    world.quiesce()
    assert world.life.standby is not None
    assert world.life.standby.number == first
    assert [issue.verdict for issue in world.issued] == [Verdict.LIVE, Verdict.LIVE]


def test_the_last_good_one_loaded_anew_never_comes_after_a_newer_save() -> None:
    """The only version died, its snapshot is being loaded again, and meanwhile a new save is ready."""
    world = World()
    first = serve(world, "aa")
    world.do(world.life.settled("bb", "save"))
    newer = max(world.building)
    world.do(world.life.died(first, WHY, world.now))
    anew = max(world.building)
    assert anew not in (first, newer)
    world.building.discard(newer)
    world.do(world.life.ready(newer))
    assert anew in world.retired
    world.quiesce()
    assert world.life.active is not None
    assert world.life.active.number == newer


def test_one_bad_save_is_refused_once_whether_it_fails_before_or_after_it_settles() -> None:
    world = World()
    serve(world, "aa")
    world.do(world.life.drafted("bb", "save"))
    world.do(world.life.unfit(max(world.building), WHY, world.now))
    assert world.issued[-1].verdict is Verdict.LIVE, "a draft that failed may never have been meant"
    world.do(world.life.settled("bb", "save"))
    world.do(world.life.drafted("cc", "save"))
    world.do(world.life.settled("cc", "save"))
    world.do(world.life.unfit(max(world.building), WHY, world.now))
    refused = [issue.digest for issue in world.issued if issue.verdict is Verdict.REFUSED]
    assert refused == ["bb", "cc"]


def test_a_recovery_without_a_worker_is_tried_again_although_what_is_on_disk_is_bad() -> None:
    world = World()
    number = serve(world, "aa")
    world.do(world.life.settled("bb", "save"))
    world.do(world.life.unfit(max(world.building), WHY, world.now))
    world.building.clear()
    world.do(world.life.died(number, WHY, world.now))  # aa crashes: loaded anew
    world.do(world.life.died(max(world.building), NOBODY, world.now, unmanned=True))  # and there is no worker for it
    world.building.clear()
    due = world.life.deadline()
    assert due is not None
    world.now = due
    world.do(world.life.tick(world.now))
    world.quiesce()
    assert world.life.active is not None
    assert not world.life.active.failed
    assert world.life.active.digest == "aa"


def renew(world: World) -> bool:
    """The active worker is worn. Whether a fresh one of the same version took over."""
    before = world.life.active
    assert before is not None
    world.do(world.life.worn(before.number, WORN, world.now))
    world.quiesce()
    after = world.life.active
    return after is not None and after is not before and after.digest == before.digest


def test_a_version_that_uses_its_workers_up_by_being_loaded_is_out() -> None:
    """One second of CPU a worker, and `on_load` takes most of it: it was renewed every second, for ever."""
    world = World()
    serve(world, "aa")
    serve(world, "bb")
    for _ in range(world.life.intensity.burst):
        world.now += 1
        assert renew(world)
    world.now += 1
    assert not renew(world)
    assert world.life.active is not None
    assert world.life.active.digest == "aa"
    last = world.issued[-1]
    assert (last.verdict, last.version, last.diagnostic) == (Verdict.ROLLED_BACK, 2, WORN)
    for _ in range(world.life.intensity.burst):
        world.now += 1
        assert renew(world)
    renew(world)
    assert world.life.active is None
    assert (world.issued[-1].verdict, world.issued[-1].diagnostic) == (Verdict.DOWN, WORN)


def test_workers_that_served_for_long_are_renewed_for_ever() -> None:
    world = World()
    serve(world, "aa")
    for _ in range(50):
        world.now += world.life.intensity.period
        assert renew(world)
    assert not world.life.versions.quarantine


def test_a_worker_that_wore_out_early_is_counted_once() -> None:
    """Each save puts its renewal off, and each is refused."""
    world = World()
    number = serve(world, "aa")
    for count in range(20):
        world.do(world.life.worn(number, WORN, world.now))
        world.do(world.life.settled(f"bad {count}", "save"))
        world.do(world.life.unfit(max(world.building), WHY, world.now))
    assert world.life.active is not None
    assert world.life.active.number == number
    assert "aa" not in world.life.versions.quarantine


def test_one_that_drained_while_an_offer_waits_is_not_heard_again_before_it_is_started_again() -> None:
    """Its state is copied each time it is heard: that took half of a core while the game did not look."""
    world = World()
    life = world.life
    first = serve(world, "aa")
    world.do(life.settled("bb", "save"))
    second = max(world.building)
    world.building.discard(second)
    world.parked.add(second)
    world.do(life.ready(second))
    assert life.awaits_drain(first)
    assert not life.has_ended(first)
    world.drain(first)
    assert life.has_ended(first)
    assert not life.awaits_drain(first)
    world.do(life.died(second, WHY, world.now))  # its own epoch is offered again, and it is started again
    assert not life.awaits_drain(first)
    world.quiesce()
    assert first in world.live
    assert life.awaits_drain(first)
    assert not life.has_ended(first)


def test_a_renewal_that_dies_on_offer_does_not_put_the_version_out_that_serves() -> None:
    world = World()
    number = serve(world, "aa")
    world.do(world.life.worn(number, WORN, world.now))
    (fresh,) = world.building
    world.building.discard(fresh)
    world.parked.add(fresh)
    world.do(world.life.ready(fresh))
    world.do(world.life.died(fresh, WHY, world.now))
    world.quiesce()
    assert world.life.active is not None
    assert world.life.active.number == number
    assert "aa" not in world.life.versions.quarantine
    assert not [i for i in world.issued if i.verdict is Verdict.REFUSED]


def test_a_way_back_built_anew_that_dies_on_offer_is_not_out_at_the_first_death() -> None:
    world = World()
    first = serve(world, "aa")
    world.do(world.life.died(first, WHY, world.now))
    world.quiesce()  # recovery of aa, and its understudy
    standby = world.life.standby
    assert standby is not None
    assert standby.digest == "aa"
    assert world.life.active is not None
    world.now += 1000
    world.do(world.life.died(world.life.active.number, WHY, world.now))  # the standby is on offer
    world.do(world.life.died(standby.number, WHY, world.now))
    world.quiesce()
    assert "aa" not in world.life.versions.quarantine, "two deaths in 1000 s, and the breaker allows three in 30"
    assert world.life.active is not None
    assert not world.life.active.failed


def test_a_recovery_that_dies_on_offer_costs_one_strike() -> None:
    world = World()
    first = serve(world, "aa")
    world.do(world.life.died(first, WHY, world.now))
    (again,) = world.building
    world.building.discard(again)
    world.parked.add(again)
    world.do(world.life.ready(again))
    world.do(world.life.died(again, WHY, world.now))
    world.quiesce()
    assert "aa" not in world.life.versions.quarantine
    assert world.life.active is not None
    assert not world.life.active.failed


def test_a_candidate_of_what_is_being_recovered_does_not_stay() -> None:
    world = World()
    life = world.life
    first = serve(world, "aa")
    serve(world, "bb")
    assert life.standby is not None
    assert life.standby.number == first
    world.do(life.died(first, WHY, world.now))  # the way back is gone
    world.do(life.drafted("aa", "save"))
    (draft,) = world.building
    world.building.discard(draft)
    world.parked.add(draft)
    world.do(life.ready(draft))
    life.versions.quarantine["bb"] = WHY
    assert life.active is not None
    world.do(life.died(life.active.number, WHY, world.now))
    world.do(life.settled("aa", "save"))
    world.quiesce()
    assert life.candidate is None


def test_a_renewal_for_which_there_is_no_worker_is_tried_again() -> None:
    world = World()
    number = serve(world, "aa")
    world.do(world.life.worn(number, WORN, world.now))
    world.do(world.life.died(max(world.building), NOBODY, world.now, unmanned=True))
    world.building.clear()
    world.now += 60
    world.do(world.life.tick(world.now))
    world.do(world.life.worn(number, WORN, world.now))
    assert world.building


def test_a_standby_for_which_there_is_no_worker_is_tried_again() -> None:
    world = World()
    first = serve(world, "aa")
    serve(world, "bb")
    assert world.life.active is not None
    world.do(world.life.died(world.life.active.number, WHY, world.now))  # back to aa, which needs a new standby
    world.game_looks()
    world.live.add(first)
    world.do(world.life.live(first))
    for _ in range(3):
        assert world.life.understudy is not None
        number = world.life.understudy.number
        world.building.discard(number)
        world.do(world.life.died(number, NOBODY, world.now, unmanned=True))
        assert world.life.active is not None
        assert world.life.active.number == first
        world.now += 60
        world.do(world.life.tick(world.now))
        assert world.life.understudy is not None
    world.quiesce()
    assert world.life.standby is not None
    assert world.life.standby.digest == "aa"
