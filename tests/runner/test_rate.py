"""The token bucket never passes more than burst and rate allow."""

import math

import pytest
from fumehood.runner.rate import TokenBucket
from hypothesis import given
from hypothesis import strategies as st


def test_a_burst_passes_and_then_the_rate():
    bucket = TokenBucket(rate=2.0, burst=3.0)
    assert [bucket.take(10.0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(10.4)
    assert bucket.take(10.5)
    assert bucket.wait(10.5) == pytest.approx(0.5)
    assert bucket.wait(20.0) == 0.0


@given(
    st.floats(0, 100),
    st.floats(0, 20),
    st.lists(st.tuples(st.floats(0, 3), st.floats(0, 5)), max_size=60),
)
def test_never_more_than_burst_and_rate_allow(rate, burst, asked):
    bucket = TokenBucket(rate, burst)
    now = 1000.0
    spent = 0.0
    for step, count in asked:
        now += step
        if bucket.take(now, count):
            spent += count
    assert spent <= burst + rate * (now - 1000.0) + 1e-6


@given(st.floats(0.1, 100), st.floats(1, 20), st.integers(0, 30))
def test_wait_is_how_long_it_takes(rate, burst, taken):
    bucket = TokenBucket(rate, burst)
    for _ in range(taken):
        bucket.take(0.0)
    wait = bucket.wait(0.0)
    assert bucket.take(wait + 1e-6)


def test_time_that_goes_back_gives_nothing():
    bucket = TokenBucket(1.0, 1.0)
    assert bucket.take(100.0)
    assert not bucket.take(50.0)
    assert not bucket.take(100.5)
    assert bucket.take(101.0)


def test_a_bucket_of_nothing_passes_nothing():
    bucket = TokenBucket(0.0, 0.0)
    assert not bucket.take(5.0)
    assert bucket.wait(5.0) == math.inf
    with pytest.raises(ValueError, match="below 0"):
        TokenBucket(-1.0, 1.0)


def test_more_than_the_burst_never_comes():
    assert TokenBucket(1.0, 2.0).wait(0.0, 3.0) == math.inf


@given(
    st.floats(0.1, 100),
    st.floats(0, 20),
    st.lists(st.tuples(st.floats(0, 3), st.floats(0, 50)), min_size=1, max_size=60),
)
def test_what_is_spent_on_credit_is_paid_before_more_is(rate, burst, asked):
    """Whoever waits as long as he is told never spends more than burst and rate allow, but for the last one."""
    bucket = TokenBucket(rate, burst)
    now = 1000.0
    spent = count = 0.0
    for step, count in asked:
        now += step
        assert spent <= burst + rate * (now - 1000.0) + 1e-6
        spent += count
        now += bucket.spend(now, count)
    assert bucket.wait(now, 0.0) <= 1e-6


def test_a_debt_without_income_is_never_paid():
    bucket = TokenBucket(0.0, 1.0)
    assert bucket.spend(0.0) == 0.0
    assert bucket.spend(0.0) == math.inf
