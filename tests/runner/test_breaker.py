"""Restart intensity, per digest."""

from fumehood.runner.breaker import MOST_DIGESTS, Breaker
from fumehood.shared.policy import Intensity
from hypothesis import given
from hypothesis import strategies as st


def test_more_than_the_burst_within_the_period_is_out():
    breaker = Breaker(Intensity(burst=3, period=30.0))
    assert [breaker.failed("d1", t) for t in (0.0, 1.0, 2.0, 3.0)] == [False, False, False, True]
    assert breaker.failed("d1", 1e6)  # time does not bring the same bytes back


def test_spread_out_failures_do_not_count_together():
    breaker = Breaker(Intensity(burst=1, period=10.0))
    assert not any(breaker.failed("d1", t) for t in (0.0, 10.0, 20.0, 30.0))


def test_other_bytes_have_their_own_sheet():
    breaker = Breaker(Intensity(burst=1))
    assert not breaker.failed("d1", 0.0)
    assert not breaker.failed("d2", 0.0)
    assert breaker.failed("d1", 0.0)


def test_memory_is_bounded_and_the_newest_are_kept():
    breaker = Breaker(Intensity(burst=1))
    for number in range(MOST_DIGESTS * 3):
        assert not breaker.failed(str(number), 0.0)
    assert breaker.failed(str(MOST_DIGESTS * 3 - 1), 0.0), "remembered: the second failure is one too many"
    assert not breaker.failed("0", 0.0), "forgotten: it begins anew"


@given(st.lists(st.floats(0, 20), max_size=40), st.integers(0, 5), st.floats(0.1, 50))
def test_out_exactly_when_some_window_holds_too_many(steps, burst, period):
    breaker = Breaker(Intensity(burst=burst, period=period))
    now, times, out = 0.0, [], False
    for step in steps:
        now += step
        times.append(now)
        out = out or sum(t > now - period for t in times) > burst
        assert breaker.failed("d", now) == out
