"""Each limit is crossed, by a real mod, and what comes of it names the limit, the mod, its version and the value."""

import ast
import logging
from pathlib import Path

import pytest
from fumehood.runner import Api
from fumehood.shared.errors import MessageTooLarge
from fumehood.shared.policy import KIB, MIB, Confinement, Limits

CROSSED_BY = {
    "memory": ["test_refused_while_it_is_loaded", "test_raised_in_a_handler", "test_killed_and_rolled_back"],
    "resident": ["test_refused_while_it_is_loaded", "test_killed_and_rolled_back", "test_a_way_back_over_its_limit"],
    "cpu_share": ["test_killed_and_rolled_back"],
    "cpu_window": ["test_killed_and_rolled_back"],
    "cpu_total": ["test_killed_and_rolled_back"],
    "hang_after": ["test_killed_and_rolled_back"],
    "load_timeout": ["test_refused_while_it_is_loaded"],
    "drain_timeout": ["test_a_drain_that_takes_too_long"],
    "files": ["test_refused_while_it_is_loaded", "test_raised_in_a_handler", "test_one_that_keeps_every_descriptor"],
    "scratch_bytes": ["test_refused_while_it_is_loaded", "test_raised_in_a_handler", "test_scratch_in_reduced_mode"],
    "scratch_inodes": ["test_refused_while_it_is_loaded", "test_raised_in_a_handler", "test_scratch_in_reduced_mode"],
    "file_size": ["test_refused_while_it_is_loaded", "test_raised_in_a_handler"],
    "state_bytes": ["test_a_state_that_is_too_long"],
    "log_lines": ["test_lines_that_are_dropped"],
    "log_bytes": ["test_lines_that_are_dropped"],
    "query_timeout": ["test_a_query_that_nobody_answers"],
    "queries_per_request": ["test_more_queries_than_are_answered"],
    "intents_per_frame": ["test_intents_that_are_dropped"],
    "snapshot_bytes": ["test_files_that_are_not_taken"],
    "snapshot_files": ["test_files_that_are_not_taken"],
    "ring_bytes": ["test_a_message_that_is_too_long", "test_raised_in_a_handler"],
}


def test_each_limit_has_a_test_that_crosses_it():
    assert set(CROSSED_BY) == set(Limits.__struct_fields__)
    here = {node.name for node in ast.parse(Path(__file__).read_text()).body if isinstance(node, ast.FunctionDef)}
    assert {name for names in CROSSED_BY.values() for name in names} <= here


def limited(name, value, text):
    """The text of a mod that sets one limit for itself."""
    return f"# /// script\n# [tool.fumehood.limits]\n# {name} = {value}\n# ///\n{text}"


def handler(text):
    """A mod with a handler that does this."""
    lines = "\n".join(f"    {line}" for line in text.splitlines())
    return f"import mmap, os, signal, time\nfrom fumehood.worker import on\nheld = []\n@on('go')\ndef go():\n{lines}\n"


@pytest.fixture(scope="module")
def house(launched, tmp_path_factory):
    """Its own limits are far off: each mod sets the one that it crosses."""
    limits = Limits(load_timeout=30.0, hang_after=30.0, memory=512 * MIB, resident=512 * MIB, drain_timeout=30.0)
    folder = tmp_path_factory.mktemp("house")
    with launched(folder / "mods", limits=limits, said=folder / "said") as bench:
        bench.log = (folder / "said").read_text
        yield bench


OVER = {
    "files": (16, "while True: held.append(os.dup(2))"),
    "scratch_bytes": (64 * KIB, "with open('f', 'wb', buffering=0) as f:\n  while True: f.write(bytes(4096))"),
    "scratch_inodes": (32, "for n in range(64): os.mkdir(f'd{n}')"),
    "file_size": (8192, "with open('f', 'wb', buffering=0) as f:\n  while True: f.write(bytes(4096))"),
    "memory": (64 * MIB, "mmap.mmap(-1, 1 << 30, mmap.MAP_PRIVATE)"),
}
"""Values, and what crosses them in a way that Python tells the mod of."""


@pytest.mark.parametrize("name", OVER)
def test_raised_in_a_handler(house, mod, name, until):
    """An exception of the mod's own: the game is told, the log is, and the mod goes on."""
    value, text = OVER[name]
    house.load(mod, limited(name, value, handler(text) + "@on('ping')\ndef ping(): return 'pong'\n"))
    outcome = house.mods[mod].call_outcome("go", timeout=20)
    assert (outcome.error.mod, outcome.error.kind, outcome.version) == (mod, "OSError", 1)
    assert f"(limit: {name} = {value})" in str(outcome.error)
    until(lambda: f"{mod}@1: go raised OSError" in house.log(), "the log says it too")
    line = next(line for line in house.log().splitlines() if f"{mod}@1: go raised" in line)
    assert f"(limit: {name} = {value})" in line
    assert house.mods[mod].call("ping", timeout=20) == "pong"


REFUSED = {
    **OVER,
    "load_timeout": (0.3, "while True: pass"),
    "resident": (32 * MIB, "held.append(b'x' * (64 << 20))\ntime.sleep(60)"),
}
KINDS = {"load_timeout": "LimitExceeded", "resident": "LimitExceeded"}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_while_it_is_loaded(house, mod, name):
    value, text = REFUSED[name]
    receipt = house.load(mod, limited(name, value, handler(text) + "go()\n"), "refused")
    assert (receipt.mod, receipt.version, receipt.diagnostic.kind) == (mod, 1, KINDS.get(name, "OSError"))
    assert f"(limit: {name} = {value})" in receipt.diagnostic.message
    if name not in KINDS:
        assert receipt.diagnostic.source, "also of one that can open no file any more"


def test_an_allocation_that_fails_while_it_is_loaded(house, mod):
    receipt = house.load(mod, limited("memory", 64 * MIB, "held = bytearray(1 << 28)\n"), "refused")
    assert (receipt.diagnostic.kind, receipt.diagnostic.line) == ("MemoryError", 5)
    assert f"(limit: memory = {64 * MIB})" in receipt.diagnostic.message


KILLED = {
    "memory": (64 * MIB, "held.append(bytearray(1 << 28))", {}),
    "resident": (32 * MIB, "held.append(b'x' * (64 << 20))\ntime.sleep(60)", {}),
    "hang_after": (0.2, "while True: pass", {}),
    "cpu_share": (0.3, "until = time.process_time() + 5\nwhile time.process_time() < until: pass", {"cpu_window": 0.5}),
    "cpu_total": (1, "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))\nwhile True: pass", {}),
}


@pytest.mark.parametrize("name", KILLED)
def test_killed_and_rolled_back(house, mod, name):
    """The one worker, whatever it does about signals: its neighbours and the machine do not notice."""
    value, text, others = KILLED[name]
    slow = "time.sleep(2)\n" if name == "cpu_total" else ""  # else a fresh worker would be there in time
    house.load(f"{mod}_near", house.counter(1))
    pid = house.status(f"{mod}_near").pid
    house.load(mod, house.counter(1))
    body = limited(name, value, handler(text))
    for other, setting in others.items():
        body = body.replace("# ///\nimport", f"# {other} = {setting}\n# ///\nimport")
    house.load(mod, body + slow)
    since = house.mark()
    house.mods[mod].post("go")
    receipt = house.next(mod, since, "rolled back")
    assert (receipt.mod, receipt.version, receipt.live_version) == (mod, 2, 1)
    assert f"(limit: {name} = {value})" in receipt.diagnostic.message
    assert house.mods[f"{mod}_near"].call("count", timeout=20) == [1, 1]
    assert house.status(f"{mod}_near").pid == pid


def test_cpu_all_used_up_while_a_fresh_worker_takes_over(house, mod, until):
    """Then nothing is rolled back, and no receipt is about it: the log says what became of the old one."""
    block = "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))\nwhile True: pass"
    house.load(mod, limited("cpu_total", 1, handler(block)))
    since = house.mark()
    house.mods[mod].post("go")
    receipt = house.next(mod, since, None)
    assert (receipt.mod, receipt.version) == (mod, 1)

    def named() -> bool:
        lines = f"{house.log()}{receipt.diagnostic}".splitlines()
        return any(mod in line and "(limit: cpu_total = 1)" in line for line in lines)

    until(named, "what became of it is told")


def test_a_hang_with_every_signal_blocked(house, mod):
    house.load(mod, house.counter(1))
    block = "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))\nwhile True: pass"
    house.load(mod, limited("hang_after", 0.2, handler(block)))
    since = house.mark()
    house.mods[mod].post("go")
    assert "(limit: hang_after = 0.2)" in house.next(mod, since, "rolled back").diagnostic.message


def test_one_that_keeps_every_descriptor(house, mod):
    """It loads, and has no room for the state that it is to be handed: one that comes in a memfd."""
    keep = "\n@on('keep')\ndef keep(): state['x'] = b'x' * 100_000\n"
    house.load(mod, house.counter(1, keep))
    house.mods[mod].call("keep", timeout=20)
    greedy = "import os\nheld = []\ntry:\n    while True: held.append(os.dup(2))\nexcept OSError: pass\n"
    receipt = house.load(mod, limited("files", 16, greedy), "refused")
    assert (receipt.version, receipt.diagnostic.kind) == (2, "LimitExceeded")
    assert "(limit: files = 16)" in receipt.diagnostic.message
    assert house.mods[mod].call("count", timeout=20) == [1, 1]


@pytest.mark.parametrize("name", ["scratch_bytes", "scratch_inodes"])
def test_scratch_in_reduced_mode(launched, tmp_path, name):
    """There the disk is the host's, so the worker is killed for it from outside."""
    value, text = OVER[name]
    text = text.replace("range(64)", "range(640)").replace("while True:", "for _ in range(640):")
    with launched(tmp_path / "mods", confinement=Confinement.REDUCED, limits=Limits(hang_after=60.0)) as bench:
        bench.load("a", bench.counter(1))
        bench.load("a", limited(name, value, handler(text + "\ntime.sleep(60)")))
        since = bench.mark()
        bench.mods["a"].post("go")
        receipt = bench.next("a", since, "rolled back")
        assert (receipt.version, receipt.diagnostic.kind) == (2, "LimitExceeded")
        assert f"(limit: {name} = {value})" in receipt.diagnostic.message


@pytest.mark.parametrize("hangs", [True, False])
def test_a_drain_that_takes_too_long(house, mod, until, hangs):
    """No receipt is about it, since its successor is live already or about to be: the log says it."""
    nap = "@on('nap')\ndef nap(): time.sleep(%s)\n" % (60 if hangs else 0.15)
    house.load(mod, limited("drain_timeout", 0.2, handler("pass") + nap))
    for _ in range(1 if hangs else 20):
        house.mods[mod].post("nap")
    house.load(mod, house.counter(2))
    assert house.mods[mod].call("count", timeout=20) == [1, 2]
    until(lambda: "(limit: drain_timeout = 0.2)" in house.log(), "the log names it")
    assert any(f"{mod}@1" in line and "drain_timeout = 0.2" in line for line in house.log().splitlines())


LURKER = """
def on_unload():
    os.write(grip()["Link"]._fd, pack({"type": "Drained", "state": {}, "error": ""}))
    held.append(b"x" * (100 << 20))
    while True: pass
held = []
"""


def test_a_way_back_over_its_limit(launched, tmp_path, until):
    """Nobody's epoch changes when it goes: the log says why."""
    said = tmp_path / "said"
    with launched(tmp_path / "mods", limits=Limits(memory=512 * MIB, resident=32 * MIB), said=said) as bench:
        bench.load("a", bench.hostile(LURKER.replace('grip()["Link"]', "LINK") + FIND))
        bench.load("a", bench.counter(2))
        until(lambda: f"(limit: resident = {32 * MIB})" in said.read_text(), "the log names it")
        assert "a@1 ended (standby)" in said.read_text()
        assert bench.mods["a"].call("count", timeout=20) == [1, 2]


FIND = "\nLINK = next(thing for thing in gc.get_objects() if type(thing).__name__ == 'Link')\n"


def test_a_state_that_is_too_long(house, mod, until):
    house.load(mod, limited("state_bytes", 4096, handler("state['x'] = b'x' * 5000").replace(" on\n", " on, state\n")))
    house.mods[mod].call("go", timeout=20)
    until(lambda: house.status(mod).state_error, "its state is asked for")
    assert "(limit: state_bytes = 4096)" in house.status(mod).state_error
    assert f"{mod}@1: its state could not be taken" in house.log()


@pytest.mark.parametrize(("name", "value"), [("log_lines", 5.0), ("log_bytes", 2000)])
def test_lines_that_are_dropped(house, mod, until, name, value):
    """A mod's own lower limit holds too; the next line that is written says how many were dropped, and for what."""
    house.load(mod, limited(name, value, handler("for n in range(40): print(n, 'x' * 200)\n")))
    house.mods[mod].call("go", timeout=20)

    def told():
        house.mods[mod].call("go", timeout=20)
        lines = [line for line in house.log().splitlines() if f"{mod}@1: " in line]
        return any(f"dropped, limit: {name} = {value:g}" in line for line in lines)

    until(told, "a line says it")


def test_files_that_are_not_taken(house, mod):
    receipt = house.load(mod, limited("snapshot_bytes", 200, "#" * 400), "refused")
    assert (receipt.mod, receipt.version) == (mod, 0), "what was not read has no number"
    assert "(limit: snapshot_bytes = 200)" in receipt.diagnostic.message
    folder = f"{mod}_many"
    for n in range(3):
        house.save(f"{folder}/part{n}.py", "")
    house.save(f"{folder}/mod.toml", "[limits]\nsnapshot_files = 2\n")
    receipt = house.load(folder, "", "refused", file=f"{folder}/__init__.py")
    assert "(limit: snapshot_files = 2)" in receipt.diagnostic.message


def test_a_message_that_is_too_long(house, mod):
    """From the game, from the mod and in its answer. A ring's size is the game's alone to set."""
    body = "from fumehood.worker import game\n" + handler("game.x(data=b'x' * 100_000)")
    house.load(mod, body + "@on('answer')\ndef answer(*args): return b'x' * 100_000\n")
    ring = f"(limit: ring_bytes = {128 * KIB})"
    with pytest.raises(MessageTooLarge, match=f"{mod}.answer") as told:
        house.mods[mod].call("answer", b"x" * 100_000)
    assert ring in str(told.value)
    for event in ("go", "answer"):
        outcome = house.mods[mod].call_outcome(event, timeout=20)
        assert (outcome.error.mod, outcome.error.kind, outcome.version) == (mod, "MessageTooLarge", 1)
        assert ring in str(outcome.error)


@pytest.mark.parametrize("name", ["intents_per_frame"])
def test_intents_that_are_dropped(house, mod, caplog, name):
    caplog.set_level(logging.WARNING, "fumehood.game")
    body = "from fumehood.worker import game\n" + handler("for n in range(50): game.x(n=n)")
    house.load(mod, limited(name, 10, body))
    house.mods[mod].call("go", timeout=20)
    assert len([intent for intent in house.mods.intents() if intent.mod == mod]) == 10
    assert [f"{mod}@1: intents dropped: 40 (limit: {name} = 10)"] == [
        line for line in (record.getMessage() for record in caplog.records) if mod in line
    ]


@pytest.fixture(scope="module")
def asking(launched, tmp_path_factory):
    """A game that answers a query."""
    api = Api("test", version=1)

    @api.event
    def go() -> None: ...

    @api.query
    def tile(x: int) -> int:
        return x

    with launched(tmp_path_factory.mktemp("asking") / "mods", api=api, limits=Limits(hang_after=30.0)) as bench:
        yield bench


ASKS = "from fumehood.worker import game, on\n@on('go')\ndef go(): return [game.tile(n) for n in range(20)][-1]\n"


def test_more_queries_than_are_answered(asking, mod):
    """One limit or the other: which of them, only the game knows."""
    asking.load(mod, limited("queries_per_request", 5, limited("query_timeout", 0.2, ASKS)).replace(MIDDLE, ""))
    outcome = asking.mods[mod].call_outcome("go", timeout=20)
    assert (outcome.error.mod, outcome.error.kind, outcome.version) == (mod, "QueryTimeout", 1)
    assert "(limit: query_timeout = 0.2 or queries_per_request = 5)" in str(outcome.error)


MIDDLE = "# ///\n# /// script\n# [tool.fumehood.limits]\n"


def test_a_query_that_nobody_answers(asking, mod, until):
    asking.load(mod, limited("query_timeout", 0.1, ASKS))
    asking.mods[mod].post("go")
    port = asking.mods[mod]._port
    until(lambda: port.peer_done >= port.head, "it is done with it")  # asking its status would answer it
    until(lambda: asking.status(mod).handler_errors, "nobody waited for it, and so nobody answered")
    assert asking.status(mod).version == 1, "the game's pace is not its fault"
