"""Which versions there were, which are out, and which is the one to go back to."""

from fumehood.runner.versions import MOST_HISTORY, MOST_QUARANTINED, Versions
from fumehood.shared.messages import Diagnostic
from fumehood.shared.policy import Intensity
from fumehood.shared.states import Stage
from hypothesis import given
from hypothesis import strategies as st

WHY = Diagnostic(Stage.RUN, "Crashed", "it crashed")
digests = st.sampled_from([f"{n:02x}" for n in range(12)])
events = st.lists(st.tuples(st.sampled_from(["met", "live", "out", "failed"]), digests), max_size=80)


def after(happened, versions):
    for now, (what, digest) in enumerate(happened):
        match what:
            case "met":
                versions.number(digest)
            case "live":
                versions.went_live(digest)
            case "out":
                versions.out(digest, WHY)
            case "failed":
                versions.failed(digest, WHY, float(now))
    return versions


@given(events)
def test_a_number_is_given_once_and_stays(happened):
    versions = Versions()
    given_numbers = {}
    for what, digest in happened:
        after([(what, digest)], versions)
        number = versions.number(digest)
        assert given_numbers.setdefault(digest, number) == number
        assert digest in versions
    assert sorted(given_numbers.values()) == list(range(1, len(given_numbers) + 1))


@given(events)
def test_the_good_one_is_the_latest_live_that_is_not_out(happened):
    versions = after(happened, Versions())
    lives = [digest for what, digest in happened if what == "live"]
    latest = list(dict.fromkeys(reversed(lives)))[:MOST_HISTORY]
    assert versions.history == latest[::-1]
    assert versions.good() == next((digest for digest in latest if digest not in versions.quarantine), None)


def test_only_too_many_failures_put_one_out():
    versions = Versions(Intensity(burst=2, period=10.0))
    for now in (0.0, 5.0, 20.0, 25.0):
        versions.failed("aa", WHY, now)
        assert not versions.quarantine
    versions.failed("aa", WHY, 29.0)
    assert versions.quarantine == {"aa": WHY}


def test_the_one_put_out_longest_ago_is_forgotten():
    versions = Versions()
    for number in range(MOST_QUARANTINED + 1):
        versions.out(str(number), WHY)
    assert "0" not in versions.quarantine
    assert len(versions.quarantine) == MOST_QUARANTINED
