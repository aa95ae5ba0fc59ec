"""What is judged from outside: hangs, memory, CPU over time; the decisions alone, and one real process sampled."""

import os

import psutil
from fumehood.runner import monitor
from fumehood.runner.monitor import Sighting, hangs
from hypothesis import given
from hypothesis import strategies as st

HERE = Sighting((1, 0, 64), since=100.0, cpu=5.0)


def test_a_busy_handler_hangs_after_the_limit():
    assert not hangs(HERE, now=100.9, cpu=5.9, hang_after=1.0)
    assert hangs(HERE, now=101.0, cpu=5.6, hang_after=1.0)


def test_a_starved_or_sleeping_one_gets_more_time():
    assert not hangs(HERE, now=101.0, cpu=5.1, hang_after=1.0)
    assert hangs(HERE, now=102.0, cpu=5.0, hang_after=1.0)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0.001, 100))
def test_nothing_hangs_before_its_limit_and_everything_does_in_the_end(wall, cpu, limit):
    verdict = hangs(HERE, HERE.since + wall, HERE.cpu + cpu, limit)
    if HERE.since + wall - HERE.since < limit:
        assert not verdict
    if HERE.since + wall - HERE.since >= limit * monitor.STARVED_GRACE:
        assert verdict


def test_a_sample_tells_cpu_and_own_memory():
    process = psutil.Process(os.getpid())
    cpu, memory = monitor.sample(process)
    ballast = bytearray(os.urandom(1 << 20) * 32)
    later, more = monitor.sample(process)
    assert later >= cpu > 0
    assert more >= memory + (len(ballast) >> 1)
