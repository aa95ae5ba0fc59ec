"""When a change is drafted and when it settles: examples of how editors save, and properties for every history."""

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from fumehood.runner.debounce import MOST_OPEN, SOME_FILE, Debouncer, Draft, Settle, Timing
from hypothesis import given, settings
from hypothesis import strategies as st

TIMING = Timing()
EARLY = 1e-9


@dataclass
class Bench:
    """Runs a debouncer as the source does: events, then whatever is due, deadline by deadline."""

    debouncer: Debouncer = field(default_factory=lambda: Debouncer(TIMING))
    now: float = 1000.0
    drafts: list[tuple[float, str]] = field(default_factory=list)
    batches: list[tuple[float, tuple[str, ...]]] = field(default_factory=list)
    changes_bytes: bool = True

    def at(self, time: float) -> "Bench":
        """Let time pass until `time` seconds after the start, doing what falls due."""
        until = 1000.0 + time
        while (due := self.debouncer.due()) is not None and due <= until:
            self.now = max(self.now, due)
            before = len(self.drafts), len(self.batches), due
            self._advance()
            assert before != (len(self.drafts), len(self.batches), self.debouncer.due()), "a deadline that does nothing"
        self.now = until
        return self

    def wrote(self, key: str = "m", file: str | None = None) -> "Bench":
        self.debouncer.wrote(key, file or key, self.now)
        return self._advance()

    def opened(self, key: str = "m", file: str | None = None) -> "Bench":
        self.debouncer.opened(key, file or key, self.now)
        return self._advance()

    def vanished(self, key: str = "m", file: str | None = None) -> "Bench":
        self.debouncer.vanished(key, file or key, self.now)
        return self._advance()

    def _advance(self) -> "Bench":
        for action in self.debouncer.advance(self.now):
            if isinstance(action, Draft):
                self.drafts.append((round(self.now - 1000.0, 9), action.key))
            else:
                assert isinstance(action, Settle)
                self.batches.append((round(self.now - 1000.0, 9), action.keys))
                if self.changes_bytes:
                    for key in action.keys:
                        self.debouncer.reloaded(key, self.now)
        return self

    def settled(self, key: str = "m") -> list[float]:
        return [at for at, keys in self.batches if key in keys]

    def drafted(self, key: str = "m") -> list[float]:
        return [at for at, drafted in self.drafts if drafted == key]


def test_a_save_after_a_calm_is_drafted_at_once_and_settles_soon():
    bench = Bench().opened().opened().wrote().at(20.0)
    assert bench.drafts == [(0.0, "m")]
    assert bench.batches == [(0.005, ("m",))]
    assert bench.debouncer.due() is None


def test_it_rests_as_soon_as_everything_has_settled():
    """A deadline for a file left open stays on the heap for seconds, and counts no longer once it is closed."""
    bench = Bench()
    assert bench.debouncer.at_rest()
    assert not bench.opened().debouncer.at_rest()
    assert not bench.at(1.0).wrote().debouncer.at_rest()
    assert bench.at(1.1).settled()
    assert bench.debouncer.at_rest()
    assert bench.debouncer.due() is not None


def test_ten_saves_within_100_ms_give_two_reloads_and_end_on_the_last():
    bench = Bench()
    for number in range(10):
        bench.at(number * 0.01).opened().wrote()
    bench.at(20.0)
    assert bench.settled() == [0.005, pytest.approx(0.255)]
    assert bench.drafted() == [0.0, pytest.approx(0.205)]


def test_saves_every_50_ms_for_5_s_reload_at_least_once_a_second():
    bench = Bench()
    for number in range(100):
        bench.at(number * 0.05).opened().wrote()
    bench.at(20.0)
    times = [0.0, *bench.settled()]
    assert max(b - a for a, b in pairwise(times)) < 1.0
    assert min(b - a for a, b in pairwise(times[1:])) >= 0.25 - EARLY
    assert times[-1] > 4.95
    assert len(bench.drafted()) <= 2 * len(bench.settled())


@pytest.mark.parametrize("gap", [0.001, 0.003, 0.02, 0.1])
def test_saving_without_a_pause_does_not_starve(gap):
    bench = Bench()
    for number in range(int(3 / gap)):
        bench.at(number * gap).opened().wrote()
    times = [0.0, *bench.at(10.0).settled()]
    assert max(b - a for a, b in pairwise(times)) <= TIMING.max_wait + gap + EARLY


def test_an_open_file_is_waited_for():
    bench = Bench().opened().at(0.1).opened().at(9.0)
    assert not bench.batches
    assert not bench.drafts
    bench.wrote().at(20.0)
    assert bench.drafts == [(9.0, "m")]
    assert bench.settled() == [9.005]


def test_but_not_for_ever():
    bench = Bench().opened().at(30.0)
    assert bench.settled() == [pytest.approx(10.005)]


def test_that_some_file_is_complete_closes_none_that_is_open():
    bench = Bench().opened(file="m/a.py").at(0.1)
    bench.debouncer.wrote("m", SOME_FILE, bench.now)
    assert bench.at(5.0).batches == []
    bench.wrote(file="m/a.py").at(6.0)
    assert len(bench.batches) == 1


def test_what_was_found_being_written_comes_up_again_soon():
    bench = Bench()
    bench.debouncer.busy("m", "m", bench.now)
    assert bench.at(TIMING.busy_retry - 0.01).settled() == []
    assert bench.at(TIMING.busy_retry + 0.01).settled() == [pytest.approx(TIMING.busy_retry, abs=0.01)]


def test_and_at_once_when_it_is_closed():
    bench = Bench()
    bench.debouncer.busy("m", "m", bench.now)
    assert bench.at(0.1).wrote().at(0.2).settled() == [pytest.approx(0.1, abs=0.01)]


def test_of_many_open_files_the_last_are_one():
    """30,000 files that nobody closes took the supervisor six seconds: each event went through all of them."""
    bench = Bench()
    for number in range(1000):
        bench.opened(file=f"m/{number}")
    assert len(bench.debouncer._pending["m"].open) == MOST_OPEN + 1
    for number in range(1000):
        bench.wrote(file=f"m/{number}")
    assert bench.at(9.9).settled() == [], "one of the last may be open still"
    assert bench.at(10.1).settled() == [10.0]
    for number in range(1000):
        bench.opened(file=f"m/{number}")
    bench.vanished(file="m")
    assert bench.at(10.5).debouncer.at_rest()


def test_a_file_reopened_after_a_save_is_waited_for_beyond_the_cap():
    bench = Bench().wrote().at(0.002).opened().at(3.0)
    assert not bench.batches
    bench.wrote().at(20.0)
    assert bench.settled() == [3.0]


def test_two_writers_that_always_overlap_do_not_starve_it():
    bench = Bench()
    for number in range(1300):
        bench.at(number * 0.01).opened(file=f"f{number % 2}")
        bench.at(number * 0.01 + 0.005).wrote(file=f"f{1 - number % 2}")
    assert bench.settled()
    assert bench.settled()[0] <= TIMING.open_wait + 0.02


def test_a_checkout_is_one_batch():
    bench = Bench()
    for number in range(300):
        bench.at(number * 0.001).opened(f"m{number}").wrote(f"m{number}")
    bench.at(20.0)
    assert len(bench.batches) == 1
    at, keys = bench.batches[0]
    assert len(keys) == 300
    assert list(keys) == sorted(keys)
    assert at == pytest.approx(0.299 + TIMING.bulk_settle)
    assert len(bench.drafts) == 300


def test_files_of_one_folder_mod_saved_together_are_one_reload():
    bench = Bench()
    for number in range(5):
        bench.at(number * 0.02).wrote(file=f"m/{number}.py")
    bench.at(20.0)
    assert len(bench.settled()) <= 2
    assert bench.settled()[-1] >= 0.08


def test_a_rename_is_one_batch():
    bench = Bench().vanished("old").wrote("new").at(20.0)
    assert bench.batches == [(0.1, ("new", "old"))]


def test_saving_by_rename_never_unloads():
    bench = Bench().vanished().at(0.001).opened().at(0.004).wrote().at(20.0)
    assert bench.settled() == [pytest.approx(0.009)]
    assert bench.drafted() == [0.004]


def test_a_chatty_mod_does_not_hold_up_another():
    bench = Bench()
    for number in range(200):
        bench.at(number * 0.01).wrote("chatty")
        if number == 100:
            bench.wrote("quiet")
    assert bench.settled("quiet")[0] <= 1.0 + 2 * TIMING.bulk_settle + 0.01


def test_a_save_that_changed_no_byte_does_not_delay_the_next():
    bench = Bench(changes_bytes=False).wrote().at(0.02).wrote().at(20.0)
    assert bench.settled() == [0.005, pytest.approx(0.025)]
    assert bench.drafted() == [0.0, 0.02]


def test_a_deleted_folder_closes_the_files_in_it():
    bench = Bench().opened(file="m/a/b.py").at(0.1).vanished(file="m/a").at(5.0)
    assert bench.settled() == [pytest.approx(0.2)]


def test_memory_ends_with_the_change():
    bench = Bench()
    for number in range(3000):
        bench.wrote(f"m{number}").opened(f"n{number}")
    bench.at(60.0).wrote().at(90.0)
    assert bench.debouncer.due() is None
    kept = vars(bench.debouncer)
    assert not kept["_pending"]
    assert not kept["_heap"]
    assert len(kept["_reloaded"]) <= 1
    assert len(kept["_joined"]) <= 1


EVENTS = st.lists(
    st.tuples(
        st.one_of(st.floats(0, 0.02), st.floats(0, 0.4), st.floats(0, 12)),
        st.sampled_from(["wrote", "wrote", "opened", "vanished"]),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["1", "2"]),
    ),
    max_size=80,
)


@settings(max_examples=300, deadline=None)
@given(EVENTS, st.booleans())
def test_whatever_happens(events, changes_bytes):
    bench = Bench(changes_bytes=changes_bytes)
    now = 0.0
    last: dict[str, float] = {}
    first: dict[str, float] = {}
    open_since: dict[tuple[str, str], float] = {}
    for step, what, key, file in events:
        now += step
        bench.at(now)
        for done in (at for at in bench.settled(key) if at >= first.get(key, 1e9) - EARLY):
            assert done <= first[key] + TIMING.open_wait + TIMING.min_interval + TIMING.max_wait + EARLY
            first.pop(key)
            break
        getattr(bench, what)(key, file)
        last[key] = now
        if what == "opened":
            open_since.setdefault((key, file), now)
        else:
            first.setdefault(key, now)
            open_since.pop((key, file), None)
    bench.at(now + 30.0)

    assert bench.debouncer.due() is None, "nothing is forgotten, nothing waits for ever"
    for key, at in last.items():
        assert bench.settled(key), "every change settles"
        assert bench.settled(key)[-1] >= at - EARLY, "on the last bytes"
        if changes_bytes:
            times = bench.settled(key)
            assert all(b - a >= TIMING.min_interval - EARLY for a, b in pairwise(times))
    assert all(key in last for _, keys in bench.batches for key in keys)


@settings(max_examples=200, deadline=None)
@given(EVENTS)
def test_never_while_a_file_is_open_unless_it_was_waited_for(events):
    bench = Bench()
    now = 0.0
    open_since: dict[tuple[str, str], float] = {}
    first: dict[str, float] = {}

    def check(seen: int) -> None:
        for at, keys in bench.batches[seen:]:
            for key in keys:
                waits = [since for (owner, _), since in open_since.items() if owner == key]
                began = first.pop(key, None)
                for since in waits:
                    waited = at >= since + TIMING.open_wait - EARLY
                    assert waited or (began is not None and at >= began + TIMING.open_wait - EARLY)
        for pair in [pair for pair, since in open_since.items() if since + TIMING.open_wait <= now + EARLY]:
            del open_since[pair]

    for step, what, key, file in events:
        now += step
        seen = len(bench.batches)
        bench.at(now)
        check(seen)
        seen = len(bench.batches)
        getattr(bench, what)(key, file)
        if what == "opened":
            open_since.setdefault((key, file), now)
        else:
            open_since.pop((key, file), None)
            first.setdefault(key, now)
        check(seen)
