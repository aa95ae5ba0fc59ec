"""What people read when something goes wrong: in the supervisor's log, in a receipt, in what a call raises."""

import json
import subprocess
import sys

import pytest

GAME = """
import sys
from fumehood.runner import Limits, launch

with launch("mods", log_format=sys.argv[1], limits=Limits(hang_after=0.4, load_timeout=1.0)) as mods:
    for mod, event in [call.split(".") for call in sys.argv[2:]]:
        mods[mod].call_outcome(event, timeout=5)
    mods.settle(10)
"""


@pytest.fixture
def log(tmp_path):
    """Run a game over these mods (name and text), make these calls, and return what its supervisor logged."""

    def log(mods, *calls, kind="text"):
        for name, text in mods.items():
            file = tmp_path / "mods" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", GAME, kind, *calls],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )  # fmt: skip - one call
        assert done.returncode == 0, done.stderr
        return done.stderr

    return log


@pytest.fixture
def heard(tmp_path, until):
    """Wait until the supervisor whose log goes to `said` has logged a text; returns what it logged so far."""

    def heard(text):
        file = tmp_path / "said"
        until(lambda: text in file.read_text(), f"it says {text!r}")
        return file.read_text()

    return heard


BROKEN = "x = 1\nif x:\n    print((x)\n"


def test_a_refusal_shows_the_line_and_a_caret_and_to_a_machine_each_field(log):
    assert "a@1 refused (startup): a.py:3: SyntaxError: '(' was never closed\n    print((x)\n         ^\n" in log(
        {"a.py": BROKEN}
    )
    (line,) = [json.loads(line) for line in log({"a.py": BROKEN}, kind="json").splitlines()]
    wanted = {
        "mod": "a",
        "version": 1,
        "verdict": "refused",
        "cause": "startup",
        "kind": "SyntaxError",
        "file": "a.py",
        "line": 3,
        "column": 10,
        "reason": "'(' was never closed",
    }  # fmt: skip - one record
    assert wanted.items() <= line.items()


def test_a_diagnostic_reads_as_its_place_its_line_and_a_caret(bench, mod):
    found = bench.load(mod, BROKEN, "refused").diagnostic
    assert str(found) == f"{mod}.py:3: SyntaxError: '(' was never closed\n    print((x)\n         ^"
    assert found.traceback.startswith(f'  File "{mod}.py", line 3\n')


def test_the_stack_of_a_hang_is_the_mod_s_and_has_its_source(bench, mod):
    bench.load(mod, "def on_hang():\n    spin()\ndef spin():\n    while True: pass\n")
    since = bench.mark()
    bench.mods[mod].call_outcome("hang", timeout=5)
    found = bench.next(mod, since, None).diagnostic
    assert (found.file, found.line, found.source) == (f"{mod}.py", 4, "    while True: pass")
    assert found.traceback.splitlines()[1:] == [
        f'  File "{mod}.py", line 4 in spin',
        f'  File "{mod}.py", line 2 in on_hang',
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def on_e(): pass", "on_e() takes 0 positional arguments but 2 were given; the game sends 2 arguments"),
        ("@on('e')\ndef f(a): pass", "f() takes 1 positional argument but 2 were given; the game sends 2 arguments"),
    ],
)
def test_a_handler_with_other_arguments_is_named_with_its_line(bench, mod, text, said):
    bench.load(mod, f"from fumehood.worker import on\n{text}\n")
    error = bench.mods[mod].call_outcome("e", 1, 2, timeout=10).error
    assert str(error) == f"{mod}.e raised TypeError: {said}"
    assert (error.kind, error.traceback) == ("TypeError", "")
    report = bench.mods.emit("e", 1, 2, budget=10)
    assert said in str(report.failed[mod])


def test_its_place_stands_in_the_log(log):
    said = log({"a.py": "from fumehood.worker import on\n\n@on('e')\ndef f(x): pass\n"}, "a.e")
    assert (
        "e raised TypeError: f() missing 1 required positional argument: 'x'; the game sends 0 arguments (a.py:4)"
        in said
    )


@pytest.mark.parametrize("text", ["def on_load(x): pass", "def selftest(x): pass", "def migrate(old): pass"])
def test_a_function_that_we_call_is_refused_when_its_arguments_are_others(bench, mod, text):
    found = bench.load(mod, text, "refused").diagnostic
    assert (found.file, found.line) == (f"{mod}.py", 1)
    assert "is called as " in found.message


# ── a missing module, a misspelt event ────────────────────────────────────────────────────────────────────────────────


OTHERS = 'mods may import the standard library and what the game names: launch(…, packages=["numpy"])'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import numpy", f"No module named 'numpy'; {OTHERS}"),
        ("from fumehood.runner import launch", "No module named 'fumehood.runner'; mods import fumehood.worker"),
        (
            "from mods.a.b import x",
            "No module named 'mods.a'; another mod is named in the manifest first: requires = [\"a\"]",
        ),
        ("import json.nothing", "No module named 'json.nothing'"),
        ("raise ModuleNotFoundError", ""),
    ],
)
def test_a_module_that_is_not_there_is_told_with_the_remedy(bench, mod, text, said):
    assert bench.load(mod, text + "\n", "refused").diagnostic.message == said


@pytest.mark.parametrize(
    "text",
    ["import socket; socket.socket()", "import os; os.fork()", "import subprocess; subprocess.run(['true'])"],
)
def test_what_the_kernel_refuses_a_mod_is_told_as_such(bench, mod, text):
    """And not what its author would take for a fault of the machine's."""
    said = bench.load(mod, text + "\n", "refused").diagnostic.message
    assert said.endswith("(mods are confined: no sockets, no other processes, no changes to the system)"), said


def test_a_misspelt_event_is_told_with_those_that_are_handled(bench, mod):
    bench.load(mod, "def on_forecast(day): pass\ndef on_tick(dt): pass\n")
    error = bench.mods[mod].call_outcome("forcast", "monday", timeout=10).error
    assert error.kind == "NoHandler"
    assert str(error) == (
        f"{mod}.forcast raised NoHandler: there is no handler of 'forcast'; did you mean 'forecast'? "
        "(handled: forecast, tick)"
    )
    assert "(handled: forecast, tick)" in str(bench.mods[mod].call_outcome("x", timeout=10).error)


def test_a_load_says_what_is_handled_and_what_mods_say_is_heard(log):
    said = log(
        {
            "a.py": "from fumehood.worker import log\nprint('at import')\ndef on_e(): log.info('in a handler')\n"
            "def on_b(): log.debug('not this')\n",
            "b.py": "",
        },
        "a.e",
        "a.b",
    )
    assert "a@1 live (startup); handles b, e\n" in said
    assert "b@1 live (startup); handles no event\n" in said
    assert "INFO    fumehood.mods: a@1: at import\n" in said
    assert "INFO    fumehood.mods: a@1: in a handler\n" in said
    assert "not this" not in said


# ── verdicts and states of things ─────────────────────────────────────────────────────────────────────────────────────


def test_a_first_version_that_fails_is_restarted_in_words_and_a_later_one_rolled_back(launched, tmp_path, mod, heard):
    with launched(tmp_path / "mods", said=tmp_path / "said") as bench:
        hang = "def on_hang():\n    while True: pass\n"
        bench.load(mod, hang)
        since = bench.mark()
        bench.mods[mod].call_outcome("hang", timeout=5)
        assert bench.next(mod, since, None).verdict == "rolled back"
        heard(f"{mod}@1 restarted (save): {mod}.py:2: LimitExceeded:")
        bench.load(mod, hang + "x = 2\n")
        since = bench.mark()
        bench.mods[mod].call_outcome("hang", timeout=5)
        bench.next(mod, since, None)
        (line,) = [line for line in heard("rolled back").splitlines() if "rolled back" in line]
        assert line.endswith(f"; it goes on: {mod}@1")


def test_a_selftest_that_says_no_is_a_refusal(bench, mod):
    found = bench.load(mod, "\ndef selftest(): return 1 == 2\n", "refused").diagnostic
    assert str(found) == (
        f"{mod}.py:2: SelftestFailed: selftest() returned False: the version is refused\n"
        "    def selftest(): return 1 == 2"
    )
    bench.load(mod, "def selftest(): return True\n")


def test_an_error_without_words_has_no_dangling_colon(launched, tmp_path, mod, heard):
    with launched(tmp_path / "mods", said=tmp_path / "said") as bench:
        found = bench.load(mod, "def selftest(): assert False\n", "refused").diagnostic
        assert str(found).splitlines()[0] == f"{mod}.py:1: AssertionError"
        assert bench.status(mod).down == "AssertionError"
        bench.load(mod, "def on_e(): assert False\n")
        assert str(bench.mods[mod].call_outcome("e", timeout=10).error) == f"{mod}.e raised AssertionError"
        assert "AssertionError: " not in heard(f"{mod}@2: e raised AssertionError (")


def test_a_mod_that_is_down_says_why_and_a_deleted_one_that_its_files_are_gone(bench, mod):
    bench.load(mod, "x = (\n", "refused")
    assert bench.status(mod).down == "SyntaxError: '(' was never closed"
    bench.load(mod, "# /// script\n# [tool.fumehood]\n# ordre = 1\n# ///\n", "refused")
    assert bench.status(mod).down.startswith("ManifestError: unknown key 'ordre'")
    bench.load(mod, "def on_e(): pass\n")
    since = bench.mark()
    (bench.root / f"{mod}.py").unlink()
    bench.next(mod, since, "unloaded")
    error = bench.mods[mod].call_outcome("e", timeout=1).error
    assert str(error) == f"{mod}.e: its files are gone"


def test_a_timeout_says_how_long_was_waited(bench, mod):
    bench.load(mod, "import time\ndef on_e(): time.sleep(0.2)\n")
    assert str(bench.mods[mod].call_outcome("e", timeout=0.05).error) == f"{mod}@1.e: no answer within 0.05 s"


def test_a_state_that_cannot_be_carried_says_what_to_keep_and_what_the_next_version_gets(bench, mod, until):
    bench.load(mod, "from fumehood.worker import state\ndef on_e(): state['g'] = (n for n in [1])\n")
    bench.mods[mod].call("e", timeout=10)
    until(lambda: bench.status(mod).state_error, "it was tried to take the state")
    assert bench.status(mod).state_error == (
        "state['g'] is a generator, which belongs to this process alone: "
        "keep what it counts or walks through, and make it anew in on_load()"
    )


def test_what_the_next_version_would_start_with_stands_in_the_log(launched, tmp_path, mod, heard):
    with launched(tmp_path / "mods", said=tmp_path / "said") as bench:
        bench.load(mod, "from fumehood.worker import state\ndef on_e(): state['f'] = open(__file__)\n")
        bench.mods[mod].call("e", timeout=10)
        heard(f"{mod}@1: its state could not be taken, a new version would start without state: state['f'] is")
        heard("keep its path and position, and open it in on_load()")
