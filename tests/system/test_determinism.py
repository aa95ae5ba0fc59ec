"""A game that is played again: the same seed, events and snapshots give the same intents, byte for byte."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fumehood.runner import ConfigError, UsageError, describe_save, launch
from fumehood.shared.policy import Limits

CHANCE = """
import datetime, os, random, secrets, time, uuid
import numpy
from fumehood.worker import game, on, state
AT_IMPORT = random.random(), time.time(), hash("text")
WORDS = {f"word{n}" for n in range(50)}
def on_load():
    state.setdefault("n", 0)
    game.loaded(chance=random.random(), at=AT_IMPORT)
@on("tick")
def tick(dt):
    state["n"] += 1
    words = list(WORDS)
    random.shuffle(words)
    game.acted(
        n=state["n"], words=words, chance=random.random(), own=random.Random().random(), bits=secrets.token_hex(8),
        raw=os.urandom(8), id=str(uuid.uuid4()), hash=hash("text"), wall=time.time(), ns=time.monotonic_ns(),
        date=datetime.datetime.now().isoformat(), day=str(datetime.date.today()), local=time.strftime("%H:%M"),
        numpy=[float(numpy.random.random()), float(numpy.random.default_rng().random())], choice=secrets.choice(words),
    )
    if state["n"] == 7:
        random.seed()
"""
LONG = 30.0


def played(root: Path, seed: int | None, launched: Callable[..., Any], saved: bytes = b"") -> tuple[list[bytes], bytes]:
    """One play of two mods: what they asked for in each frame, as bytes; and the save at its end."""
    frames = []
    with launched(root, deterministic=seed, packages=["numpy"]) as bench:
        for name in "ab":
            bench.load(name, CHANCE)
        if saved:
            bench.mods.intents()
            assert bench.mods.load(saved).ok
        for frame in range(10):
            if seed is not None:
                bench.mods.clock = 1000.0 + frame / 60
            if frame == 5:
                bench.load("b", CHANCE + "\n# two\n")
            report = bench.mods.emit("tick", 1 / 60, budget=LONG)
            assert not report.failed, report.failed
            asked = [(intent.mod, intent.name, intent.fields) for intent in bench.mods.intents()]
            frames.append(msgspec.msgpack.encode(asked))
        return frames, bench.mods.save()


def test_a_game_played_again_is_the_same(tmp_path: Path, launched: Callable[..., Any]) -> None:
    first, saved = played(tmp_path / "one", 7, launched)
    again, _ = played(tmp_path / "two", 7, launched)
    assert again == first
    other, _ = played(tmp_path / "three", 8, launched)
    assert all(mine != theirs for mine, theirs in zip(first, other, strict=True))
    resumed, _ = played(tmp_path / "four", 7, launched, saved)
    assert played(tmp_path / "five", 7, launched, saved)[0] == resumed
    assert resumed != first
    frames = [msgspec.msgpack.decode(frame) for frame in first]
    acted = [fields for frame in frames for mod, name, fields in frame if (mod, name) == ("a", "acted")]
    assert [fields["n"] for fields in acted] == list(range(1, 11))
    assert acted[3]["wall"] == 1000.05
    assert acted[3]["ns"] == 1000_050_000_000
    assert acted[0]["day"] == "1970-01-01"
    assert len({fields["chance"] for fields in acted}) == 10
    assert len({fields["id"] for fields in acted}) == 10
    of_b = [fields for frame in frames for mod, name, fields in frame if (mod, name) == ("b", "acted")]
    assert all(mine["chance"] != theirs["chance"] for mine, theirs in zip(acted, of_b, strict=True)), "each has its own"


def test_otherwise_it_is_chance(tmp_path: Path, launched: Callable[..., Any]) -> None:
    first, _ = played(tmp_path / "one", None, launched)
    again, _ = played(tmp_path / "two", None, launched)
    assert all(mine != theirs for mine, theirs in zip(first, again, strict=True))


def test_time_comes_in_order_with_what_is_sent(tmp_path: Path, launched: Callable[..., Any]) -> None:
    text = """
import time
from fumehood.worker import on, state
@on("note")
def note(n): state.setdefault("seen", []).append([n, time.time()])
@on("seen")
def seen(): return [state["seen"], time.time()]
"""
    with launched(tmp_path / "mods", deterministic=0) as bench:
        bench.load("a", text)
        mods = bench.mods
        for n in range(50):
            mods.clock = n
            assert mods.clock == n
            mods["a"].post("note", n)
        mods.clock = 99.5
        assert mods["a"].call("seen", timeout=10.0) == [[[n, n] for n in range(50)], 99.5]
        bench.load("a", text + "\n# a later version knows what time it is\n")
        assert mods["a"].call("seen", timeout=10.0)[1] == 99.5
        since = bench.load("a", text + "\ndef on_die(): import os; os._exit(1)\n").number
        mods["a"].call_outcome("die", timeout=10.0)
        bench.next("a", since, "rolled back")
        assert mods["a"].call("seen", timeout=10.0)[1] == 99.5


DATES = """
import copy, datetime, logging, time
from fumehood.worker import game, on, state
class Own(datetime.datetime): pass
@on("fill")
def fill():
    now = datetime.datetime.now()
    state["dates"] = [
        now, now.date(), datetime.date.today(), datetime.datetime.max, datetime.date.min, now - datetime.datetime.min,
        datetime.datetime.now(datetime.UTC), datetime.datetime.fromisoformat("2020-01-02T03:04+05:00"), now.time(),
        datetime.datetime(2020, 1, 2, fold=1), Own.now(), copy.deepcopy(now), datetime.datetime,
    ]
@on("seen")
def seen():
    assert all(isinstance(it, datetime.date) for it in state["dates"][:5])
    assert isinstance(state["dates"][0], datetime.datetime) and not isinstance(state["dates"][1], datetime.datetime)
    assert type(state["dates"][10]) is Own and not isinstance(state["dates"][0], Own)
    assert issubclass(datetime.datetime, datetime.date) and not issubclass(datetime.date, datetime.datetime)
    assert time.clock_gettime(time.CLOCK_REALTIME) == logging.makeLogRecord({}).created == time.time()
    assert time.clock_gettime_ns(time.CLOCK_REALTIME) == time.time_ns()
    return repr(state["dates"])
"""


def test_dates_in_the_state_are_as_ever(tmp_path: Path, launched: Callable[..., Any]) -> None:
    with launched(tmp_path / "mods", deterministic=0) as bench:
        bench.load("a", DATES)
        bench.mods.clock = 1e9
        bench.mods["a"].call("fill", timeout=10.0)
        seen = bench.mods["a"].call("seen", timeout=10.0)
        assert seen.startswith("[datetime.datetime(2001, 9, 9, 1, 46, 40), datetime.date(2001, 9, 9), ")
        bench.load("a", DATES + "\n# two\n")
        assert bench.mods["a"].call("seen", timeout=10.0) == seen
        saved = bench.mods.save()
        assert not describe_save(saved).stale
        assert bench.mods.load(saved).ok
        assert bench.mods["a"].call("seen", timeout=10.0) == seen


def test_a_start_and_what_was_left_unread_have_their_time(tmp_path: Path, launched: Callable[..., Any]) -> None:
    text = """
import os, time
from fumehood.worker import on, state
def on_load(): state.setdefault("loads", []).append(time.time())
@on("note")
def note(n): state.setdefault("seen", []).append([n, time.time()])
@on("die")
def die():
    time.sleep(0.1)  # what comes meanwhile is its successor's
    os._exit(1)
@on("told")
def told(): return [state["loads"], state.get("seen"), time.time()]
"""
    with launched(tmp_path / "mods", deterministic=0) as bench:
        mods = bench.mods
        mods.clock = 100.0
        bench.load("a", text)
        assert mods["a"].call("told", timeout=10.0) == [[100.0], None, 100.0]
        mods.clock = 200.0
        bench.load("a", text + "\n# two\n")
        assert mods["a"].call("told", timeout=10.0) == [[100.0, 200.0], None, 200.0]
        saved = mods.save()
        mods.clock = 300.0
        mods["a"].post("die")
        mods["a"].post("note", 1)
        mods.clock = 400.0
        mods["a"].post("note", 2)
        loads, seen, now = mods["a"].call("told", timeout=10.0)
        assert seen == [[1, 300.0], [2, 400.0]]
        assert loads[-1] == now == 400.0, "the game adopted it when it was called"
        assert mods.load(saved).ok
        assert mods["a"].call("told", timeout=10.0) == [[100.0, 200.0, 400.0], None, 400.0]


def test_time_alone_fills_no_ring(tmp_path: Path, launched: Callable[..., Any]) -> None:
    text = "import time\nfrom fumehood.worker import on\n@on('now')\ndef now(): return time.time()\n"
    with launched(tmp_path / "mods", deterministic=0, limits=Limits(ring_bytes=4096)) as bench:
        bench.load("a", text)
        for n in range(1000):
            bench.mods.clock = n
        assert bench.mods["a"].call("now", timeout=10.0) == 999


def test_a_clock_without_determinism_is_refused(tmp_path: Path, launched: Callable[..., Any]) -> None:
    with launched(tmp_path / "mods") as bench, pytest.raises(UsageError, match="deterministic=SEED"):
        bench.mods.clock = 1.0
    with launched(tmp_path / "mods", deterministic=1) as bench:
        for wrong in ("noon", float("nan"), -1.0, 1e300):
            with pytest.raises(UsageError, match="clock"):
                bench.mods.clock = wrong


@pytest.mark.parametrize("seed", [-1, 2**32, "seven", 1.5])
def test_a_seed_that_is_none_is_refused(tmp_path: Path, seed: Any) -> None:
    with pytest.raises(ConfigError, match="deterministic"):
        launch(tmp_path, deterministic=seed)
