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
