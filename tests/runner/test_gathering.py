"""When a question to many mods stops waiting, so that its last looks end within the budget."""

from fumehood.runner.gathering import GLANCE_NS, WAKE_NS, aim
from hypothesis import given
from hypothesis import strategies as st

MS = 1_000_000


@given(st.integers(0, 2**62), st.integers(-(2**40), 2**40), st.integers(0, 10_000))
def test_most_of_the_time_is_waited_for_and_never_more_than_all_of_it(now, left, asked):
    deadline = now + left
    until = aim(deadline, now, asked)
    assert until <= deadline
    assert until - now >= left - max(0, left) // 4
    assert until >= deadline - WAKE_NS - asked * GLANCE_NS


def test_what_is_kept_grows_with_the_mods_and_a_short_budget_keeps_a_quarter():
    assert aim(20 * MS, 0, 1) == 20 * MS - WAKE_NS - GLANCE_NS
    assert aim(20 * MS, 0, 20) == 20 * MS - WAKE_NS - 20 * GLANCE_NS
    assert aim(1 * MS, 0, 1000) == 750_000
    assert aim(5, 5, 3) == 5
    assert aim(3, 5, 3) == 3
