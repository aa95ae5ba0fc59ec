"""How long a mod waits for the game's answer to a query, beside how long the game waits for a mod's to a call.

The query is `game.tile(3, 4)`, timed in the mod, in a handler that asks many times; the call is `add(1, 2)`, timed in
the game: with the same `Api`, which checks both, and without one. Peer of all: the same call through a Pipe.
Game and worker are pinned to different cores, and to the same one; each way in turn, after a warm-up.

The goal: a query takes at most twice as long as the typed call, p50.
"""

import time
from array import array
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import peers
import report
from bench_calls import pinned, pinnings
from fumehood.runner import Api, FumehoodError, Limits, Mods, launch
from report import Goal, Report, Spread

LIMITS: Final = Limits(queries_per_request=1_000_000)
ASKED: Final = 2_000
"""Queries in one handler. More: the message with their times does not fit; fewer: its own way counts for more."""
ROUNDS: Final = 4
WARM_UP: Final = 0.02
"""Seconds before each measured stretch."""

ASKER: Final = """\
import time
from array import array
from fumehood.worker import game, on

@on("add")
def add(left, right):
    return left + right

@on("ask")
def ask(count):
    now, tile, times = time.perf_counter_ns, game.tile, array("Q")
    for _ in range(count):
        began = now()
        tile(3, 4)
        times.append(now() - began)
    return times.tobytes()
"""
ECHO: Final = """\
from fumehood.worker import on

@on("add")
def add(left, right):
    return left + right
"""

Way = Callable[[float], list[int]]
"""Does it for so many seconds; nanoseconds of each."""


def add(made: Report, folder: Path, seconds: float, _: int) -> None:
    """Measure for about `seconds`, and tell it."""
    typed, plain = folder / "typed", folder / "plain"
    for place, text in ((typed, ASKER), (plain, ECHO)):
        place.mkdir()
        (place / "mod.py").write_text(text)
    with ExitStack() as stack:
        ours = stack.enter_context(launch(typed, api=_api(), limits=LIMITS, log_level="warning"))
        untyped = stack.enter_context(launch(plain, log_level="warning"))
        pipe = stack.enter_context(peers.pipe())
        ways: dict[str, tuple[Way, tuple[int, ...]]] = {
            "query, timed in the mod": (_queries(ours), _pids(ours)),
            "call, typed": (_calls(ours["mod"].call), _pids(ours)),
            "call, untyped": (_calls(untyped["mod"].call), _pids(untyped)),
            "multiprocessing.Pipe": (_calls(pipe.call), pipe.pids),
        }
        stretch = seconds / ROUNDS / len(ways) / len(pinnings())
        times: dict[str, dict[str, list[int]]] = {pinning: {name: [] for name in ways} for pinning in pinnings()}
        for _ in range(ROUNDS):
            for pinning, of in times.items():
                for name, (way, pids) in ways.items():
                    with pinned(pids, pinning):
                        way(WARM_UP)
                        of[name] += way(stretch)
    _tell(made, times)


def _api() -> Api:
    api = Api("bench")

    @api.event
    def add(left: int, right: int) -> int: ...  # type: ignore[empty-body]  # the signature counts

    @api.event
    def ask(count: int) -> bytes: ...  # type: ignore[empty-body]

    @api.query
    def tile(x: int, y: int) -> str:  # noqa: ARG001  # how fast it is asked for is all that counts
        return "grass"

    return api


def _pids(mods: Mods) -> tuple[int, ...]:
    return tuple(status.pid for status in mods.status())


def _queries(mods: Mods) -> Way:
    call = mods["mod"].call

    def way(seconds: float) -> list[int]:
        times: list[int] = []
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            found = array("Q", call("ask", ASKED, timeout=10.0))
            if len(found) != ASKED:
                raise FumehoodError(f"{ASKED} queries were asked for and {len(found)} made")
            times += found
        return times

    return way


def _calls(call: Callable[..., Any]) -> Way:
    def way(seconds: float) -> list[int]:
        now, times = time.perf_counter_ns, []
        began = now()
        until = began + int(seconds * 1e9)
        while began < until:
            call("add", 1, 2)
            ended = now()
            times.append(ended - began)
            began = now()
        return times

    return way


def _tell(made: Report, measured: dict[str, dict[str, list[int]]]) -> None:
    for pinning, of in measured.items():
        spreads = {name: Spread.of(times, 1e-3) for name, times in of.items()}
        call = spreads["call, typed"].p50
        rows: list[report.Row] = [
            (name, s.p50, s.p99, s.p999, s.most, s.p50 / call, s.count) for name, s in spreads.items()
        ]
        columns = ("", "p50 µs", "p99", "p99.9", "max", "p50 : typed call's", "times")
        made.table(f"queries: {pinning}", columns, rows)
        made.data.setdefault("queries_us", {})[pinning] = {name: s.document() for name, s in spreads.items()}
        ratio = spreads["query, timed in the mod"].p50 / call
        made.data.setdefault("query_to_call", {})[pinning] = report.rounded(ratio)
        made.goals.append(Goal(f"query round trip, {pinning}, p50", ratio, 2.0, "times a typed call"))
    made.notes.append("A query is timed around game.tile(3, 4) in the mod, a call around mods[name].call in the game.")
