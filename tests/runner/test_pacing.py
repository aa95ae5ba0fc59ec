"""How often a mod may wake the game's event loop."""

from fumehood.runner.pacing import LEAST_PAUSE, LONGEST_PAUSE, SHARE, VAIN_WAKES, Pace
from hypothesis import given
from hypothesis import strategies as st


def test_wakes_that_bring_answers_are_free() -> None:
    pace = Pace()
    assert not any(pace.pause(1.0, 0.001, 1) for _ in range(10_000))


def test_wakes_in_vain_are_free_until_the_credit_is_spent_and_again_after_a_calm() -> None:
    pace = Pace()
    assert not any(pace.pause(1.0, 0.00001, 0) for _ in range(int(VAIN_WAKES)))
    assert pace.pause(1.0, 0.00001, 0) == LEAST_PAUSE
    assert pace.pause(3.0, 0.00001, 0) == 0.0


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=50))
def test_one_that_brings_nothing_takes_its_share_and_no_more(costs: list[float]) -> None:
    pace, now = Pace(), 1.0
    while pace.pause(now, 0.0, 0) == 0.0:
        pass
    for cost in costs:
        pause = pace.pause(now, cost, 0)
        assert LEAST_PAUSE <= pause <= LONGEST_PAUSE
        assert pause == LONGEST_PAUSE or cost <= SHARE * pause + 1e-12
