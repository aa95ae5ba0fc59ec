"""Each event is handled once, in order, by the version whose ring it went into; what a crash costs is counted."""

import pytest
from fumehood.runner import Limits
from fumehood.shared.errors import ModUnavailable

PATIENT = Limits(hang_after=20.0, load_timeout=20.0, drain_timeout=20.0)
"""Past a limit the next version goes on with what the old one left: not what is asked here, on any machine."""

RECORDER = """
from fumehood.worker import game, on, state
V = {version}
@on("event")
def event(n):
    state["count"] = state.get("count", 0) + 1
    state["sum"] = state.get("sum", 0) + n
    game.seen(n=n, v=V)
    {more}
@on("totals")
def totals():
    return [state.get("count", 0), state.get("sum", 0)]
"""


@pytest.fixture(scope="module")
def bench(launched, tmp_path_factory):
    with launched(tmp_path_factory.mktemp("bench") / "mods", limits=PATIENT) as it:
        yield it


def recorder(version, more="pass"):
    return RECORDER.format(version=version, more=more)


def forsaken(bench):
    """Intents that were dropped because the version that said them was rolled back before they were taken."""
    return bench.mods.statistics()["forsaken_intents"]


def seen(bench, *names):
    """What the mods said of the events they handled since the last time: [(n, version)] by mod."""
    said = {name: [] for name in names}
    for intent in bench.mods.intents():
        if intent.mod in said:
            said[intent.mod].append((intent.fields["n"], intent.fields["v"]))
    return said


def test_events_before_the_swap_go_to_the_old_version_and_those_after_it_to_the_new(bench, mod):
    slow = "end = __import__('time').perf_counter() + 0.001\n    while __import__('time').perf_counter() < end: pass"
    bench.load(mod, recorder(1, slow))
    it, since = bench.mods[mod], bench.mark()
    went = []
    bench.save(f"{mod}.py", recorder(2))
    while it.version == 1 or len(went) < 250:  # the old one has 100 ms of work in hand when the game moves on
        if it.version == 1 and len(went) == 150:
            bench.mods.settle(0.05)
        elif it.post("event", len(went)):
            went.append(it.version)
    bench.next(mod, since)
    assert it.call("totals", timeout=20) == [len(went), sum(range(len(went)))]
    assert set(went) == {1, 2}
    assert seen(bench, mod)[mod] == list(enumerate(went))


def test_ten_thousand_events_with_a_reload_every_hundred(bench, mod):
    """Five mods get all 10,000 events each; after every hundred one of them, in turn, is saved anew."""
    names = [f"{mod}_{i}" for i in range(5)]
    saved = dict.fromkeys(names, 1)
    for name in names:
        bench.load(name, recorder(1))
    since = bench.mark()
    went = {name: [] for name in names}
    said = {name: [] for name in names}

    def take():
        for name, events in seen(bench, *names).items():
            said[name] += events

    for hundred in range(100):
        name = names[hundred % 5]
        if saved[name] > 1:
            bench.mods.wait(name, version=saved[name], since=since, timeout=30)
        saved[name] += 1
        for n in range(100 * hundred, 100 * hundred + 100):
            if n % 100 == 50:
                bench.save(f"{name}.py", recorder(saved[name]))
            for each in names:
                assert bench.mods[each].post("event", n)
                went[each].append(bench.mods[each].version)
        take()
    for name in names:
        bench.mods.wait(name, version=saved[name], since=since, timeout=30)
        assert bench.mods[name].call("totals", timeout=20) == [10_000, sum(range(10_000))]
    take()
    for name in names:
        wrong = [
            f"event {n} for version {was}: {heard}"
            for n, (was, heard) in enumerate(zip(went[name], said[name], strict=True))
            if heard != (n, was)
        ]
        receipts = [r for r in bench.mods.receipts(since) if r.mod == name]
        assert not wrong, f"{len(wrong)} of {name}, from {wrong[0]} to {wrong[-1]}; {receipts[-3:]}"
        assert bench.status(name).lost_posts == 0
        assert bench.status(name).reloads == 21
        assert bench.mods[name].call("totals") == [10_000, sum(range(10_000))]


@pytest.mark.parametrize("standby", [True, False], ids=["with a standby", "alone"])
def test_a_crash_in_the_middle_loses_the_event_in_hand_and_no_other(bench, mod, standby):
    if standby:
        bench.load(mod, recorder(1))
    die = "if n == 500: __import__('os')._exit(1)"
    bench.load(mod, recorder(2, die))
    it, since, dropped = bench.mods[mod], bench.mark(), forsaken(bench)
    said = []
    for n in range(1000):
        assert it.post("event", n)
        if n % 100 == 0:
            said += seen(bench, mod)[mod]
    bench.next(mod, since, "rolled back")
    it.call("totals", timeout=20)
    said += seen(bench, mod)[mod]
    handled = [n for n, _ in said]
    assert handled == sorted(set(handled)), "once each, in order"
    assert [v for n, v in said if n <= 500] == [2] * len([n for n in handled if n <= 500])
    assert [(n, v) for n, v in said if n > 500] == [(n, 1 if standby else 2) for n in range(501, 1000)]
    assert bench.status(mod).lost_posts == 1
    assert len(handled) + forsaken(bench) - dropped == 1000, "what it said before it died was taken, or is counted"


def test_a_crash_while_the_next_version_takes_over_loses_nothing_else(bench, mod):
    """The old version dies while it drains: its estate goes to the new one, before what the new one was sent."""
    die = "if n == 50: __import__('os')._exit(1)"
    bench.load(mod, recorder(1, die))
    it, since = bench.mods[mod], bench.mark()
    hold = (
        "end = __import__('time').perf_counter() + 0.3\n"
        "    while n == 0 and __import__('time').perf_counter() < end: pass"
    )
    bench.load(mod, recorder(2, hold + "\n    " + die))
    since, dropped = bench.mark(), forsaken(bench)
    for n in range(100):
        assert it.post("event", n)
    bench.save(f"{mod}.py", recorder(3))
    while it.version != 3:
        bench.mods.settle(0.05)
    for n in range(100, 200):
        assert it.post("event", n)
    bench.next(mod, since, None)
    it.call("totals", timeout=20)
    said = seen(bench, mod)[mod]
    before = [(n, v) for n, v in said if n <= 50]
    assert [n for n, _ in said if n > 50] == list(range(51, 200))
    # If the new one came too late it was a rollback, and what the dead one had said is dropped.
    assert before == [(n, 2) for n in range(51)] or (before, forsaken(bench) - dropped) == ([], 51)
    after = [v for n, v in said if n > 50]
    assert after[-1] == 3
    assert after == sorted(after), "1 only if the new one came too late, and then before it"
    assert bench.status(mod).lost_posts == 1


def test_calls_and_posts_keep_their_order(bench, mod):
    bench.load(mod, recorder(1))
    it = bench.mods[mod]
    for n in range(200):
        it.post("event", 1)
        assert it.call("totals") == [n + 1, n + 1]


def test_posts_to_a_mod_that_is_gone_are_refused_and_counted_when_nobody_takes_them(bench, mod):
    die = "if n == 3: __import__('os')._exit(1)"
    bench.load(mod, recorder(1, die))
    it, posted, dropped = bench.mods[mod], 0, forsaken(bench)
    since = bench.mark()
    while (
        not [r for r in bench.mods.receipts(since) if r.verdict == "down"] and posted < 10_000
    ):  # each life dies of it
        try:
            posted += it.post("event", 3)
        except ModUnavailable:
            bench.mods.settle(0.05)
    assert bench.mods.settle(30)
    assert bench.status(mod).role == "down"
    assert bench.status(mod).lost_posts == posted
    assert 3 <= len(seen(bench, mod)[mod]) + forsaken(bench) - dropped <= posted, "one in hand in each life"
