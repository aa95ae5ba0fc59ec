"""What the patrol makes of what it sees of one worker: of its words, and of samples of its process."""

from types import SimpleNamespace

import pytest
from fumehood.runner import monitor, patrol
from fumehood.runner.patrol import Duty, Patrol
from fumehood.shared.policy import Limits
from fumehood.shared.states import Stage

AT_REST, IN_HAND = (128, 128), (128, 192)


class Worker:
    """Its words, and its process as the kernel tells of it: what is outside of the patrol."""

    def __init__(self, monkeypatch):
        self.position = AT_REST
        self.cpu = 1.0
        self.during_sample = lambda: None
        self.slot = SimpleNamespace(progress=lambda: self.position, neglected=lambda: False, asking=lambda: 0)
        self.process, self.memory_base, self.limits, self.attempt = object(), 0, Limits(), 1
        self.in_hand = list
        self.unread = 0.0
        self.worker = SimpleNamespace(unread_for=lambda now: self.unread)
        monkeypatch.setattr(monitor, "sample", lambda process, lent: self.sampled())

    def sampled(self):
        self.during_sample()
        return self.cpu, 0


@pytest.fixture
def worker(monkeypatch):
    return Worker(monkeypatch)


def look(of, worker, now):
    return of.look(worker, Duty.SERVING, Stage.RUN, now)


def test_a_message_that_begins_between_its_words_and_its_sample_is_no_lie(worker):
    """On a busy machine the supervisor may wait there for long enough: a good mod was killed in its handler."""
    seen = Patrol()
    assert look(seen, worker, 10.0) is None

    def begins():
        worker.position, worker.cpu = IN_HAND, 1.9

    worker.during_sample = begins
    assert look(seen, worker, 10.0 + patrol.IDLE_PERIOD) is None
    assert seen.cpu == 1.9


def test_one_that_says_it_rests_and_burns_is_found_out(worker):
    seen = Patrol()
    assert look(seen, worker, 10.0) is None
    worker.cpu += 4.0
    assert look(seen, worker, 10.0 + patrol.IDLE_PERIOD - 0.1) is None, "not looked at yet"
    breach = look(seen, worker, 10.0 + patrol.IDLE_PERIOD)
    assert (breach.limit, breach.stage) == ("cpu_share", Stage.RUN)
    assert "4.0 s of CPU in 5.0 s in which it had nothing to do" in breach.what


@pytest.mark.parametrize("duty", [Duty.SERVING, Duty.PARKED])
def test_one_that_does_not_read_its_commands_is_ended_whatever_it_says_that_it_does(worker, duty):
    seen, limits = Patrol(), worker.limits
    most = monitor.STARVED_GRACE * limits.hang_after + patrol.MOST_WAITS * limits.query_timeout
    start, ticks = 100.0, int(most / monitor.PERIOD)
    assert seen.look(worker, duty, Stage.RUN, start) is None
    for tick in range(1, ticks + 1):
        now, worker.unread = start + tick * monitor.PERIOD, 50.0 + tick * monitor.PERIOD
        worker.position = (128 + 64 * tick, 192 + 64 * tick)  # it goes on with the game's messages
        assert seen.look(worker, duty, Stage.RUN, now) is None, "it may have had something else to do before"
    breach = seen.look(worker, duty, Stage.RUN, start + most + monitor.PERIOD)
    assert (breach.limit, breach.stage) == ("hang_after", Stage.RUN)
    assert "its commands lay unread for 12.2 s" in breach.what


def test_who_reads_its_commands_late_or_could_not_run_is_left_alone(worker):
    seen, now = Patrol(), 100.0
    for _ in range(200):
        now, worker.unread = now + monitor.PERIOD, 5.0
        assert look(seen, worker, now) is None
    worker.unread = 50.0
    assert look(seen, worker, now + 100.0) is None, "this process did not run either"
    assert seen.look(worker, Duty.LOADING, Stage.RUN, now + 100.25) is None, "a stage has a deadline of its own"
