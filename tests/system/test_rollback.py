"""Every way a version can fail: at load it is refused, live it is rolled back, and the game goes on."""

import os
import signal
from typing import NamedTuple

import pytest
from fumehood.shared.policy import MIB, Limits

AT_LOAD = {
    "syntax error": ("V = 2\ndef broken(:\n", "compile", "SyntaxError", 2),
    "not UTF-8": (b"V = 2\n# caf\xe9\n", "compile", "UnicodeDecodeError", 2),
    "null byte": (b"V = 2\nx = '\0'\n", "compile", "SyntaxError", 2),
    "import error": ("V = 2\nimport nothing_of_that_name\n", "import", "ModuleNotFoundError", 2),
    "exception at import": ("V = 2\n\n1 / 0\n", "import", "ZeroDivisionError", 3),
    "SystemExit at import": ("V = 2\nraise SystemExit(0)\n", "import", "SystemExit", 2),
    "infinite loop at import": ("V = 2\nwhile True:\n    pass\n", "import", "LimitExceeded", (2, 3)),
    "sleeping at import": ("import time\ntime.sleep(1000)\n", "import", "LimitExceeded", 2),
    "failing selftest": ("def selftest():\n    assert 1 == 2, 'sums'\n", "selftest", "AssertionError", 2),
    "hanging selftest": ("def selftest():\n    while True:\n        pass\n", "selftest", "LimitExceeded", (2, 3)),
    "wrong state in migrate": (
        "STATE_VERSION = 2\ndef migrate(old, version):\n    return {'n': old['no such key']}\n",
        "rehearse",
        "KeyError",
        3,
    ),
    "no migrate": ("STATE_VERSION = 2\n", "rehearse", "StateError", 0),
    "segfault at import": ("import ctypes\nctypes.string_at(0)\n", "import", "SIGSEGV", 2),
    "os._exit at import": ("import os\nos._exit(0)\n", "import", "Exited", 0),
    # Address space that is not touched: written to, on a busy machine, it might be seen as `resident` first.
    "memory at import": ("x = []\nwhile True:\n    x.append(bytes(1 << 26))\n", "import", "MemoryError", 3),
    "an async handler": (
        "from fumehood.worker import on\n@on('x')\nasync def x(): pass\n",
        "bind",
        "TypeError",
        (2, 3),
    ),
}


@pytest.mark.parametrize("how", AT_LOAD)
def test_a_version_that_fails_at_load_is_refused(bench, mod, how):
    text, stage, kind, line = AT_LOAD[how]
    bench.load(mod, bench.counter(1))
    bench.mods[mod].call("count")
    epoch, pid = bench.mods[mod].epoch, bench.status(mod).pid
    receipt = bench.load(mod, text, "refused")
    found = receipt.diagnostic
    assert (found.stage, found.kind) == (stage, kind), found
    assert kind != "LimitExceeded" or "(limit: load_timeout = 2.0)" in found.message, found
    if line:
        assert found.file == f"{mod}.py"
        assert found.line in (line if isinstance(line, tuple) else (line,)), found
    assert (receipt.version, receipt.live_version) == (2, 1)
    assert (bench.mods[mod].epoch, bench.status(mod).pid) == (epoch, pid)
    assert bench.mods[mod].call("count") == [2, 1]
    assert bench.status(mod).diagnostic == found
    assert bench.load(mod, bench.counter(3)).live_version == 3
    assert bench.status(mod).diagnostic is None
    assert bench.mods[mod].call("count") == [3, 3]


class Death(NamedTuple):
    """A way to fail while live: the code, what the diagnostic says, which limit it names, whether it says where."""

    code: str
    kind: str
    limit: str = ""
    located: bool = True


MEMORY = f"memory = {256 * MIB}"
DEATHS = {
    "segfault": Death("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    "os._exit": Death("import os; os._exit(0)", "Exited", located=False),
    "endless loop": Death("\n        while True: pass", "LimitExceeded", "hang_after = 1.0"),
    "endless sleep": Death("import time; time.sleep(1000)", "LimitExceeded", "hang_after = 1.0"),
    "address space": Death("\n        x = bytearray(1 << 30)", "MemoryLimit", MEMORY),
    "endless __str__": Death(
        "\n        class Odd(Exception):\n            def __str__(self):\n"
        "                while True: pass\n        raise Odd",
        "LimitExceeded",
        "hang_after = 1.0",
    ),
    "stack overflow in C": Death(
        "\n        import sys\n        sys.setrecursionlimit(10**9)\n"
        "        def f(x): return sorted([x], key=f)\n        f(1)",
        "SIGSEGV",
    ),
}


@pytest.mark.parametrize("how", DEATHS)
def test_a_version_that_fails_at_its_hundredth_call_is_rolled_back(bench, mod, how):
    death = DEATHS[how]
    bench.load(mod, bench.counter(1))
    for n in range(1, 6):
        assert bench.mods[mod].call("count") == [n, 1]
    dying = bench.counter(2).replace("    return", f"    if state['n'] == 105: {death.code}\n    return")
    bench.load(mod, dying)
    for n in range(6, 105):
        assert bench.mods[mod].call("count") == [n, 2]
    epoch, since = bench.mods[mod].epoch, bench.mark()
    outcome = bench.mods[mod].call_outcome("count", timeout=20)
    assert type(outcome.error).__name__ == "ModCrashed"
    assert (outcome.epoch, outcome.version) in {(epoch, 2), (bench.mods[mod].epoch, 1)}
    after = bench.mods[mod].call_outcome("count", timeout=20)
    assert after.error is None
    assert after.value[1] == 1
    assert 6 <= after.value[0] <= 105, "resumed from what was handed over, or from a later checkpoint"
    receipt = bench.next(mod, since, "rolled back")
    assert (receipt.version, receipt.live_version, receipt.diagnostic.kind) == (2, 1, death.kind), receipt.diagnostic
    assert f"(limit: {death.limit})" in receipt.diagnostic.message or not death.limit, receipt.diagnostic
    assert receipt.state_age_ms >= 0
    if death.located:
        assert receipt.diagnostic.file == f"{mod}.py"
        assert receipt.diagnostic.line > 5
    assert bench.mods[mod].version == 1
    assert epoch < bench.mods[mod].epoch == receipt.epoch == bench.status(mod).epoch
    assert bench.status(mod).rollbacks == 1
    # The bytes that failed are out until they change, however often they are saved.
    again = bench.load(mod, dying + "\n")
    assert again.version == 3


def test_a_version_that_holds_too_much_memory_is_rolled_back_although_it_answers(launched, tmp_path, until):
    """No other limit is near: its handlers end at once, and its address space has room."""
    limits = Limits(resident=32 * MIB, memory=1024 * MIB, hang_after=60.0)
    grow = "HELD = []\n@on('grow')\ndef grow(mib):\n    HELD.append(b'x' * (mib << 20))\n    return len(HELD)\n"
    with launched(tmp_path / "mods", limits=limits) as bench:
        bench.load("a", bench.counter(1))
        bench.load("a", bench.counter(2, grow))
        since, answered = bench.mark(), []

        def rolled_back():
            outcome = bench.mods["a"].call_outcome("count", timeout=20)
            if outcome.ok:
                answered.append(outcome.value[1])
            else:  # it was killed with this one in hand
                assert type(outcome.error).__name__ == "ModCrashed"
            return [receipt for receipt in bench.mods.receipts(since) if receipt.verdict == "rolled back"]

        assert bench.mods["a"].call("grow", 8) == 1, "within its limit"
        assert bench.mods["a"].call("count") == [1, 2]
        assert bench.mods["a"].call("grow", 64) == 2
        until(rolled_back, "it is killed for its memory")
        receipt = bench.next("a", since, "rolled back")
        assert (receipt.version, receipt.live_version) == (2, 1)
        assert (receipt.diagnostic.kind, receipt.diagnostic.stage) == ("LimitExceeded", "run")
        assert "it grew by" in receipt.diagnostic.message
        assert f"(limit: resident = {32 * MIB})" in receipt.diagnostic.message
        assert set(answered) <= {1, 2}
        assert answered == sorted(answered, reverse=True), "by version 2 to its end, by version 1 from then on"
        assert bench.mods["a"].call("count", timeout=20)[1] == 1


@pytest.mark.parametrize("how", ["segfault", "os._exit", "endless loop"])
def test_a_version_that_fails_at_the_call_that_waited_for_it_was_live(bench, mod, how):
    """The worker answers that call before it says that it is live: here it never comes to say so."""
    death = DEATHS[how]
    bench.load(mod, bench.counter(1))
    dying = bench.counter(2, "def on_load():\n    import time\n    time.sleep(0.2)\n")
    since = bench.mark()
    bench.save(f"{mod}.py", dying.replace("    return", f"    if True: {death.code}\n    return"))
    errors = []
    while not errors:
        outcome = bench.mods[mod].call_outcome("count", timeout=20)
        errors += [outcome.error] if outcome.error else []
    assert type(errors[0]).__name__ == "ModCrashed"
    assert bench.mods[mod].call("count", timeout=20)[1] == 1
    receipt = bench.next(mod, since, "rolled back")
    assert (receipt.diagnostic.stage, receipt.diagnostic.kind) == ("run", death.kind), receipt.diagnostic
    assert f"(limit: {death.limit})" in receipt.diagnostic.message or not death.limit, receipt.diagnostic
    of_it = [r.verdict for r in bench.mods.receipts(since) if r.mod == mod and r.version == 2]
    assert of_it == ["live", "rolled back"]


def test_bytes_that_were_rolled_back_are_refused_until_they_change(bench, mod):
    dying = bench.counter(2, "@on('die')\ndef die():\n    import os\n    os._exit(3)\n")
    bench.load(mod, bench.counter(1))
    bench.load(mod, dying)
    since = bench.mark()
    assert not bench.mods[mod].call_outcome("die", timeout=20).ok
    bench.next(mod, since, "rolled back")
    assert bench.load(mod, dying + " ", "live").version == 3
    refused = bench.load(mod, dying, "refused")
    assert (refused.version, refused.live_version) == (2, 3)
    assert (bench.mods[mod].version, refused.diagnostic.kind) == (3, "Exited")


def test_after_a_rollback_there_is_a_way_back_again(bench, mod, until):
    """A new standby is built from the good snapshot: the next crash of it costs no state and no version."""
    die = "@on('die')\ndef die():\n    import os\n    os._exit(3)\n"
    bench.load(mod, bench.counter(1, die))
    bench.load(mod, bench.counter(2, die))
    since = bench.mark()
    assert type(bench.mods[mod].call_outcome("die", timeout=20).error).__name__ == "ModCrashed"
    since = bench.next(mod, since, "rolled back").number
    until(lambda: bench.status(mod).standby == 1, "a new standby of version 1")
    bench.mods[mod].call("count")
    assert type(bench.mods[mod].call_outcome("die", timeout=20).error).__name__ == "ModCrashed"
    assert bench.mods[mod].call("count", timeout=20)[1] == 1
    assert bench.next(mod, since, "rolled back").live_version == 1


def test_a_standby_that_dies_is_no_loss_until_it_is_needed(bench, mod, until):
    bench.load(mod, bench.counter(1))
    old = bench.status(mod).pid
    bench.load(mod, bench.counter(2, "@on('die')\ndef die():\n    import os\n    os._exit(3)\n"))
    until(lambda: bench.status(mod).standby == 1, "version 1 stands by")
    epoch = bench.mods[mod].epoch
    os.kill(old, signal.SIGKILL)
    until(lambda: bench.status(mod).standby != 1, "its death is noticed")
    assert bench.mods[mod].call("count") == [1, 2]
    assert bench.mods[mod].epoch == epoch
    since = bench.mark()
    assert type(bench.mods[mod].call_outcome("die", timeout=20).error).__name__ == "ModCrashed"
    assert bench.mods[mod].call("count", timeout=20)[1] in (1, 2)  # loaded anew: the last that was good
    bench.next(mod, since, None)


def test_the_only_version_comes_back_after_a_crash_and_is_out_after_a_burst(bench, mod):
    dying = bench.counter(1, "@on('die')\ndef die():\n    import os\n    os._exit(3)\n")
    bench.load(mod, dying)
    crashes = 0
    while crashes < 10:
        bench.mods[mod].call("count", timeout=20)
        since = bench.mark()
        assert type(bench.mods[mod].call_outcome("die", timeout=20).error).__name__ == "ModCrashed"
        crashes += 1
        receipt = bench.next(mod, since, None)
        if receipt.verdict == "down":
            break
        assert (receipt.verdict, receipt.version, receipt.live_version) == ("rolled back", 1, 1)
    assert 2 <= crashes <= 5, "the breaker's burst is three in thirty seconds"
    outcome = bench.mods[mod].call_outcome("count", timeout=5)
    assert type(outcome.error).__name__ == "ModUnavailable"
    assert bench.status(mod).role == "down"
    assert "status 3" in bench.status(mod).down
    assert mod not in bench.mods
    assert bench.load(mod, bench.counter(2)).live_version == 2
    assert bench.mods[mod].call("count")[1] == 2


def test_a_burst_of_errors_in_probation_rolls_back(bench, mod):
    bench.load(mod, bench.counter(1))
    bench.mods[mod].call("count")
    bench.load(mod, bench.counter(2).replace("    return", "    raise ValueError('no')\n    return"))
    since, errors = bench.mark(), []
    while bench.mods[mod].version == 2 and len(errors) < 10_000:
        errors.append(bench.mods[mod].call_outcome("count", timeout=20))
    receipt = bench.next(mod, since, "rolled back")
    assert (receipt.version, receipt.live_version) == (2, 1)
    assert (receipt.diagnostic.kind, receipt.diagnostic.file) == ("ValueError", f"{mod}.py")
    assert len(errors) >= 5
    assert bench.mods[mod].call("count")[1] == 1


def test_a_few_errors_do_not_roll_back(bench, mod):
    bench.load(mod, bench.counter(1))
    bench.load(mod, bench.counter(2, "@on('bad')\ndef bad():\n    raise ValueError('no')\n"))
    since = bench.mark()
    for _ in range(3):
        assert type(bench.mods[mod].call_outcome("bad").error).__name__ == "ModError"
    bench.load(f"{mod}_other", bench.counter(1))  # the supervisor has been round
    assert bench.mods[mod].version == 2
    assert [r for r in bench.mods.receipts(since) if r.mod == mod] == []


MIGRATE = """
STATE_VERSION = 2
def migrate(old, version):
    if "left" in old:
        {code}
    return old
"""
"""Passes the rehearsal, whose copy of the state was taken before the old version left."""
ON_LOAD = "def on_load():\n    {code}\n"

AT_ACTIVATION = {
    "wrong state in migrate": (MIGRATE, "restore", Death("return {'n': old['no such key']}", "KeyError")),
    "migrate returns no mapping": (MIGRATE, "restore", Death("return 5", "StateError", located=False)),
    "migrate hangs": (MIGRATE, "restore", Death("while True: pass", "LimitExceeded", "load_timeout = 2.0")),
    "migrate sleeps": (
        MIGRATE,
        "restore",
        Death("import time; time.sleep(1000)", "LimitExceeded", "load_timeout = 2.0"),
    ),
    "migrate exits": (MIGRATE, "restore", Death("import os; os._exit(0)", "Exited", located=False)),
    "migrate raises SystemExit": (MIGRATE, "restore", Death("raise SystemExit(0)", "SystemExit")),
    "migrate segfaults": (MIGRATE, "restore", Death("import ctypes; ctypes.string_at(0)", "SIGSEGV")),
    "migrate runs out of memory": (
        MIGRATE,
        "restore",
        Death("x = bytearray(1 << 30)", "MemoryError", MEMORY),
    ),
    "on_load raises": (ON_LOAD, "on_load", Death("raise ValueError('no')", "ValueError")),
    "on_load hangs": (ON_LOAD, "on_load", Death("while True: pass", "LimitExceeded", "load_timeout = 2.0")),
    "on_load exits": (ON_LOAD, "on_load", Death("import os; os._exit(0)", "Exited", located=False)),
    "on_load raises SystemExit": (ON_LOAD, "on_load", Death("raise SystemExit(0)", "SystemExit")),
    "on_load segfaults": (ON_LOAD, "on_load", Death("import ctypes; ctypes.string_at(0)", "SIGSEGV")),
    "on_load runs out of memory": (
        ON_LOAD,
        "on_load",
        Death("x = bytearray(1 << 30)", "MemoryError", MEMORY),
    ),
    "on_load spoils the state and raises": (ON_LOAD, "on_load", Death("state['n'] = -99; 1 / 0", "ZeroDivisionError")),
}


@pytest.mark.parametrize("how", AT_ACTIVATION)
def test_a_version_that_fails_at_its_activation_is_rolled_back_with_the_state(bench, mod, how):
    """After the old one has drained: the state is the real one, and the old version takes it up again."""
    template, stage, death = AT_ACTIVATION[how]
    bench.load(mod, bench.counter(1, "def on_unload():\n    state['left'] = True\n"))
    for n in range(1, 4):
        assert bench.mods[mod].call("count") == [n, 1]
    pid, epoch = bench.status(mod).pid, bench.mods[mod].epoch
    failing = bench.counter(2, template.format(code=death.code))
    receipt = bench.load(mod, failing, "rolled back")
    found = receipt.diagnostic
    assert (found.stage, found.kind) == (stage, death.kind), found
    assert f"(limit: {death.limit})" in found.message or not death.limit, found
    if death.located:
        assert found.file == f"{mod}.py"
        assert found.line > 7, found
    assert (receipt.version, receipt.live_version) == (2, 1)
    assert receipt.epoch == bench.mods[mod].epoch > epoch
    assert bench.mods[mod].call("count", timeout=20) == [4, 1], "with all that the old version had"
    assert (bench.mods[mod].version, bench.status(mod).pid) == (1, pid), "the old worker, not a new one"
    assert bench.status(mod).rollbacks == 1
    assert bench.load(mod, bench.counter(3)).live_version == 3
    assert bench.mods[mod].call("count") == [5, 3]
    assert bench.load(mod, failing, "refused").diagnostic == found, "those bytes are out"


def test_on_load_that_hangs_rolls_back_and_calls_meanwhile_are_answered_in_time(bench, mod):
    bench.load(mod, bench.counter(1))
    bench.mods[mod].call("count")
    since = bench.mark()
    bench.save(f"{mod}.py", bench.counter(2, "def on_load():\n    while True:\n        pass\n"))
    handing_over = 0
    while not [r for r in bench.mods.receipts(since) if r.mod == mod and r.verdict == "rolled back"]:
        outcome = bench.mods[mod].call_outcome("count", timeout=0.02)
        handing_over += outcome.error is not None and getattr(outcome.error, "handing_over", False)
    assert handing_over >= 1
    assert bench.mods[mod].call("count", timeout=20)[1] == 1


def test_on_unload_that_hangs_does_not_hold_the_next_version(bench, mod):
    bench.load(mod, bench.counter(1, "def on_unload():\n    while True:\n        pass\n"))
    bench.mods[mod].call("count")
    bench.load(mod, bench.counter(2))
    value = bench.mods[mod].call("count", timeout=20)
    assert value[1] == 2
    assert value[0] in (1, 2), "with the newest checkpoint, since nothing was handed over"


def test_two_bad_versions_in_a_row_go_back_to_the_last_good_one(bench, mod):
    """Both went live and died in their first call."""
    die = "def on_count():\n    import os\n    os._exit({})\n"
    bench.load(mod, bench.counter(1))
    assert bench.mods[mod].call("count") == [1, 1]
    for version in (2, 3):
        since = bench.load(mod, die.format(version)).number
        assert type(bench.mods[mod].call_outcome("count", timeout=20).error).__name__ == "ModCrashed"
        assert bench.next(mod, since, "rolled back").live_version == 1
        assert bench.mods[mod].call("count", timeout=20) == [version, 1]
    assert bench.load(mod, bench.counter(4)).live_version == 4
    assert bench.mods[mod].call("count", timeout=20)[1] == 4


@pytest.mark.parametrize("whose", ["its own", "a neighbour's"])
def test_a_place_is_in_the_mods_own_file_or_nowhere_and_quoted_from_there(bench, mod, whose):
    """A worker tells of an error without the line's text: that is looked up. In others' files there is none to see."""
    bench.save("bystander.py", "\n\n\n# not for its eyes\n")
    bench.load(mod, "def on_strike(): pass\n")
    file = f"{mod}.py" if whose == "its own" else "bystander.py"
    words = f"diagnostic=dict(stage='run', kind='OSError', message='why', file={file!r}, line=4)"
    text = bench.hostile(f"def on_strike(): tell(type='Fault', event='strike', count=100, {words})\n")
    bench.load(mod, text)
    since = bench.mark()
    bench.mods[mod].post("strike")
    found = bench.next(mod, since, "rolled back").diagnostic
    assert (found.kind, found.message) == ("OSError", "why")
    quoted = text.splitlines()[3]
    assert (found.file, found.line, found.source) == ((file, 4, quoted) if whose == "its own" else ("", 0, ""))
