"""Whatever a mod does, a request ends by its deadline, in a value or in one typed error."""

import contextlib
import os
import signal
import socket
import threading
import time
from enum import Enum

import pytest
from fumehood.shared.errors import (
    MessageTooLarge,
    ModCrashed,
    ModError,
    ModTimeout,
    ModUnavailable,
    PayloadError,
    QueueFull,
    UsageError,
    WrongThread,
)

MOD = """
import os, time
from fumehood.worker import game, on, state
@on("echo")
def echo(*args): return list(args)
@on("fail")
def fail(): raise KeyError("no \\x1b[31mred\\x1b[0m key")
@on("nap")
def nap(seconds):
    time.sleep(seconds)
    return "woke"
@on("spin")
def spin():
    while True: pass
@on("die")
def die(): os._exit(1)
@on("big")
def big(n): return b"x" * n
@on("odd")
def odd(): return {"deep": [1, {2, object()}]}
"""


@pytest.fixture(scope="module")
def name(bench):
    """A mod that several tests share: none of them kills it."""
    bench.load("shared", MOD)
    return "shared"


def test_the_mods_show_themselves(launched, tmp_path):
    with launched(tmp_path / "mods") as bench:
        assert repr(bench.mods) == "<Mods none live>"
        bench.load("a", "x = 1\n")
        bench.load("b", "x = 1\n")
        bench.load("b", "x = 2\n")
        assert repr(bench.mods) == "<Mods a@1, b@2>"
        mods = bench.mods
    assert repr(mods) == "<Mods, closed>"


def test_values_come_back_as_msgpack_carries_them(bench, name):
    args = [1, -(2**63), 2**64 - 1, 2.5, None, True, "ü", b"\0", [1, [2]], {"a": {"b": 1}}, ""]
    assert bench.mods[name].call("echo", *args) == args
    assert bench.mods[name].call("echo", (1, 2), {3}) == [[1, 2], [3]]


def test_an_outcome_says_who_answered(bench, name):
    outcome = bench.mods[name].call_outcome("echo", 1)
    assert (outcome.value, outcome.error, outcome.ok, outcome.version) == ([1], None, True, 1)
    assert outcome.epoch == bench.mods[name].epoch
    assert outcome.seconds > 0


def test_a_handler_that_raises(bench, name):
    with pytest.raises(ModError) as caught:
        bench.mods[name].call("fail")
    error = caught.value
    assert (error.mod, error.event, error.kind) == (name, "fail", "KeyError")
    assert 'File "shared.py", line 7, in fail' in error.traceback or "shared.py" in error.traceback
    assert "\x1b" not in error.traceback + str(error)
    assert r"\x1b[31m" in str(error)
    assert bench.mods[name].call("echo") == []


@pytest.mark.parametrize(("args", "kind"), [((1, 2, 3), "TypeError"), ((), "TypeError")])
def test_wrong_arguments_are_the_handlers_error(bench, name, args, kind):
    assert bench.mods[name].call_outcome("nap", *args).error.kind == kind


def test_an_event_without_a_handler(bench, name):
    with pytest.raises(ModError, match="no handler of 'nothing'") as caught:
        bench.mods[name].call("nothing")
    assert caught.value.kind == "NoHandler"
    assert bench.mods[name].post("nothing") is False
    assert bench.mods.emit("nothing").results == {}


def test_a_callers_short_patience_kills_nothing(bench, name):
    pid, epoch = bench.status(name).pid, bench.mods[name].epoch
    for _ in range(5):
        with pytest.raises(ModTimeout) as caught:
            bench.mods[name].call("nap", 0.05, timeout=0.002)
        assert caught.value.handing_over is False
    assert bench.mods[name].call("echo", "still here", timeout=20) == ["still here"]
    assert (bench.status(name).pid, bench.mods[name].epoch) == (pid, epoch)


@pytest.mark.parametrize("timeout", [0, -1, 1e-9])
def test_no_patience_at_all_is_a_timeout(bench, name, timeout):
    with pytest.raises(ModTimeout):
        bench.mods[name].call("nap", 0.01, timeout=timeout)
    assert bench.mods[name].call("echo", 1, timeout=20) == [1]


@pytest.mark.parametrize("timeout", [float("nan"), float("inf"), "1", None])
def test_a_deadline_that_is_none(bench, name, timeout):
    with pytest.raises((UsageError, TypeError)):
        bench.mods[name].call("echo", timeout=timeout)
    assert bench.mods[name].call("echo", 1) == [1]


def test_a_worker_that_never_answers(bench, mod):
    bench.load(mod, MOD)
    since = bench.mark()
    with pytest.raises(ModTimeout):
        bench.mods[mod].call("spin", timeout=0.01)
    outcome = bench.mods[mod].call_outcome("echo", 1, timeout=20)
    assert outcome.value == [1], "killed by hang_after, loaded anew, and this call was not in hand"
    diagnostic = bench.next(mod, since, "rolled back").diagnostic
    assert diagnostic.kind == "LimitExceeded"
    assert "(limit: hang_after = 1.0)" in diagnostic.message


def test_a_frozen_worker(bench, mod):
    """Stopped from outside, so that it does not even take the message."""
    bench.load(mod, MOD)
    pid = bench.status(mod).pid
    os.kill(pid, signal.SIGSTOP)
    try:
        assert isinstance(bench.mods[mod].call_outcome("echo", timeout=0.05).error, ModTimeout)
        assert bench.mods.emit("echo", budget=0.05).late == [mod]
    finally:
        os.kill(pid, signal.SIGCONT)
    assert bench.mods[mod].call("echo", 2, timeout=20) == [2]


def test_a_crash_ends_the_call_in_hand_and_the_next_is_answered(bench, mod):
    bench.load(mod, MOD)
    for _ in range(2):
        with pytest.raises(ModCrashed):
            bench.mods[mod].call("die", timeout=20)
        assert bench.mods[mod].call("echo", 1, timeout=20) == [1]


def test_a_call_that_waits_behind_a_crash_is_answered_by_the_successor(bench, mod):
    bench.load(mod, MOD)
    bench.mods[mod].post("nap", 0.05)
    bench.mods[mod].post("die")
    assert bench.mods[mod].call("echo", "after", timeout=20) == ["after"]


def test_a_full_queue(bench, mod):
    bench.load(mod, MOD)
    it = bench.mods[mod]
    it.post("nap", 0.2)
    posted = 0
    with contextlib.suppress(QueueFull):
        while posted < 100_000:
            posted += it.post("echo", "x" * 1000)
    assert 50 < posted < 1000
    assert isinstance(it.call_outcome("echo", "y" * 1000, timeout=0.01).error, QueueFull)
    assert isinstance(bench.mods.emit("echo", "y" * 1000, budget=0.01).failed[mod], QueueFull)
    until = time.monotonic() + 20
    while isinstance((outcome := it.call_outcome("echo", 1, timeout=20)).error, QueueFull) and time.monotonic() < until:
        bench.mods.settle(0.01)
    assert outcome.value == [1]


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (socket, "args[1]['when'][0]"),
        (object(), "args[1]['when'][0]"),
        (2**64, "args[1]['when'][0]"),
        (lambda: 1, "args[1]['when'][0]"),
        ("\ud800", "args[1]['when'][0]"),
    ],
)
def test_a_payload_that_cannot_travel_is_named_by_its_path(bench, name, value, path):
    for send in (bench.mods[name].call, bench.mods[name].post, bench.mods.emit):
        with pytest.raises(PayloadError) as caught:
            send("echo", 0, {"when": [value]})
        assert path in str(caught.value)
    assert bench.mods[name].call("echo", 1) == [1]


def test_a_payload_that_holds_itself(bench, name):
    loop = []
    loop.append(loop)
    with pytest.raises(PayloadError):
        bench.mods[name].call("echo", loop)


def test_odd_payloads_that_travel(bench, name):
    class Color(Enum):
        RED = "red"

    assert bench.mods[name].call("echo", Color.RED, bytearray(b"x")) == ["red", b"x"]


def test_a_message_too_large(bench, name):
    limit = 64 * 1024
    for send in (bench.mods[name].call, bench.mods[name].post, bench.mods.emit):
        with pytest.raises(MessageTooLarge, match="ring_bytes"):
            send("echo", b"x" * limit)
    assert len(bench.mods[name].call("echo", b"x" * (limit - 100), timeout=20)[0]) == limit - 100


def test_an_answer_too_large_is_the_mods_error(bench, name):
    with pytest.raises(ModError) as caught:
        bench.mods[name].call("big", 10**6)
    assert caught.value.kind == "MessageTooLarge"
    assert len(bench.mods[name].call("big", 60_000, timeout=20)) == 60_000


def test_an_answer_that_cannot_travel_is_the_mods_error(bench, name):
    with pytest.raises(ModError) as caught:
        bench.mods[name].call("odd")
    assert caught.value.kind == "PayloadError"
    assert "the return value['deep'][1]" in str(caught.value)


@pytest.mark.parametrize("event", [b"echo", None, 1])
def test_an_events_name_is_text(bench, name, event):
    for send in (bench.mods[name].call, bench.mods[name].post, bench.mods.emit):
        with pytest.raises(PayloadError, match="text"):
            send(event)


def test_a_mod_that_never_was(bench):
    with pytest.raises(ModUnavailable, match="no mod 'nobody'"):
        bench.mods["nobody"]
    assert "nobody" not in bench.mods


def test_a_mod_that_was_never_live(bench, mod):
    bench.load(mod, "1 / 0\n", "refused")
    assert isinstance(bench.mods[mod].call_outcome("echo", timeout=20).error, ModUnavailable)
    with pytest.raises(ModUnavailable):
        bench.mods[mod].post("echo")
    assert bench.mods[mod].role == "down"


# ── emit ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_emit_reaches_only_mods_with_a_handler_and_never_waits_past_the_budget_for_a_slow_one(bench, mod):
    fast = "from fumehood.worker import on\n@on('{0}')\ndef tick(n): return n + {1}\n"
    slow = (
        "import time\nfrom fumehood.worker import game, on\n@on('{0}')\ndef tick(n):\n"
        "    time.sleep(0.2)\n    game.late(n=n)\n    return n\n"
    )
    for i in range(3):
        bench.load(f"{mod}_fast{i}", fast.format(mod, i))
    bench.load(f"{mod}_slow", slow.format(mod))
    bench.load(f"{mod}_deaf", "x = 1\n")
    report = bench.mods.emit(mod, 10, budget=0.1)
    assert report.results == {f"{mod}_fast{i}": [10 + i] for i in range(3)}
    assert report.late == [f"{mod}_slow"]
    assert report.failed == {}
    assert bench.mods[f"{mod}_slow"].events == {mod}
    report = bench.mods.emit(mod, 20, budget=20)
    assert report.results[f"{mod}_slow"] == [20], "its late answer is not taken for this one"
    assert [i.fields for i in bench.mods.intents() if i.mod == f"{mod}_slow"] == [{"n": 10}, {"n": 20}]


def test_handlers_run_by_priority_and_one_that_raises_does_not_stop_the_next(bench, mod):
    text = """
from fumehood.worker import on, state
@on("EVENT")
def second(): return "second"
@on("EVENT", priority=10)
def first(): return "first"
@on("EVENT", priority=5)
def fails(): raise ValueError("no")
@on("EVENT", priority=-1)
def last(): return "last"
def on_EVENT_plain(): return "plain"
""".replace("EVENT", mod)
    bench.load(mod, text)
    report = bench.mods.emit(mod, budget=20)
    assert report.results == {mod: ["first", "second", "last"]}
    assert report.failed[mod].kind == "ValueError"
    assert bench.mods[mod].call(mod) == "first"
    assert bench.mods.emit(f"{mod}_plain", budget=20).results == {mod: ["plain"]}


def test_a_crash_in_one_mod_is_reported_and_the_others_answer(bench, mod):
    bench.load(f"{mod}_a", f"def on_{mod}(): return 1\n")
    bench.load(f"{mod}_b", f"def on_{mod}(): __import__('os')._exit(1)\n")
    report = bench.mods.emit(mod, budget=20)
    assert report.results == {f"{mod}_a": [1]}
    assert isinstance(report.failed[f"{mod}_b"], ModCrashed)


def test_intents_come_in_load_order_and_then_in_their_own(bench, mod):
    for name in ("c", "a", "b"):
        bench.load(
            f"{mod}_{name}",
            f"from fumehood.worker import game\ndef on_{mod}():\n    for i in range(3): game.say(i=i)\n",
        )
    bench.mods.intents()
    bench.mods.emit(mod, budget=20)
    said = [(i.mod.rpartition("_")[2], i.name, i.fields["i"]) for i in bench.mods.intents()]
    assert said == [(name, "say", i) for name in "abc" for i in range(3)]
    assert bench.mods.intents() == []


def test_a_hundred_first_callers_are_served_by_one_instance(launched, tmp_path):
    once = (
        "import os, random\nfrom fumehood.worker import on, state\nME = random.random()\n"
        "@on('who')\ndef who():\n    state['n'] = state.get('n', 0) + 1\n"
        "    return [ME, state['n']]\n"
    )
    (tmp_path / "mods").mkdir()
    (tmp_path / "mods" / "one.py").write_text(once)
    with launched(tmp_path / "mods") as bench:
        answers = [bench.mods["one"].call("who", timeout=20) for _ in range(100)]
        assert [n for _, n in answers] == list(range(1, 101))
        assert len({me for me, _ in answers}) == 1
        assert len(bench.mods.receipts()) == 1


# ── whose Mods it is ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_another_thread_is_refused(bench, name):
    caught = []

    def use():
        for act in (
            lambda: bench.mods[name].call("echo"),
            lambda: bench.mods[name].post("echo"),
            lambda: bench.mods.emit("echo"),
            bench.mods.intents,
            bench.mods.status,
            bench.mods.receipts,
            bench.mods.settle,
            bench.mods.close,
            lambda: name in bench.mods,
            lambda: list(bench.mods),
            lambda: len(bench.mods),
        ):
            try:
                act()
            except WrongThread:
                caught.append(True)
            else:
                caught.append(False)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join(20)
    assert caught == [True] * 11
    assert bench.mods[name].call("echo", 1) == [1]


def test_a_fork_is_refused_and_leaves_the_parents_mods_alone(bench, name):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            bench.mods[name].call("echo", timeout=1)
        except WrongThread:
            os.write(write, b"refused")
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        assert answer.read() == b"refused"
    os.waitpid(pid, 0)
    assert bench.mods[name].call("echo", 1) == [1]


def test_after_close_everything_says_that_it_is_closed(launched, tmp_path):
    with launched(tmp_path / "mods") as bench:
        bench.load("a", MOD)
        it = bench.mods["a"]
        bench.mods.close()
        bench.mods.close()
        for act in (
            lambda: it.call("echo"),
            lambda: it.post("echo"),
            lambda: bench.mods.emit("echo"),
            bench.mods.intents,
            bench.mods.status,
            bench.mods.receipts,
            lambda: bench.mods["a"],
            lambda: list(bench.mods),
        ):
            with pytest.raises(UsageError, match="closed"):
                act()


def test_an_empty_folder_is_fine(launched, tmp_path):
    with launched(tmp_path / "mods") as bench:
        assert list(bench.mods) == []
        assert len(bench.mods) == 0
        assert bench.mods.status() == []
        assert bench.mods.emit("tick").results == {}
        bench.load("late", MOD)
        assert list(bench.mods) == ["late"]
        assert bench.mods["late"].call("echo", 1) == [1]
