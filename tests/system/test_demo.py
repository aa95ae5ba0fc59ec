"""`fumehood demo` from end to end, and that it would notice if a step ended otherwise than expected."""

import contextlib
import dataclasses
import fcntl
import importlib.resources
import io
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from fumehood import examples
from fumehood.examples import edits
from fumehood.runner import demo_report, demo_steps, demo_view
from fumehood.runner.demo_frames import BARS, PERIOD, Frames, quantile
from fumehood.runner.demo_steps import SCRIPT, Copy, Run
from fumehood.runner.demo_world import CROP, HEIGHT, WIDTH, Village
from fumehood.runner.records import Receipt
from fumehood.shared.messages import Diagnostic
from fumehood.shared.states import Verdict
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

DEMO = [sys.executable, "-m", "fumehood.runner.cli", "demo"]
MODS = Path(str(importlib.resources.files(examples) / "mods"))


# ── the real thing ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.timeout(150)
def test_every_step_ends_as_expected_and_json_alone_owns_stdout():
    done = subprocess.run(
        [*DEMO, "--seconds", "10", "--json"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads(done.stdout)
    assert summary["ok"]
    assert [step["name"] for step in summary["steps"]] == [step.name for step in SCRIPT]
    assert all(step["ok"] for step in summary["steps"])
    assert summary["mods"] >= 6
    assert summary["rollbacks"] >= 3
    assert summary["refused"] >= 2
    assert summary["save_to_live_ms"]["count"] >= 9
    assert summary["frames"]["count"] > 60
    tried = next(step["tried"] for step in summary["steps"] if "tried" in step)
    assert set(tried) == set(demo_steps.TRICKS)
    assert not any(trick["succeeded"] for trick in tried.values())
    assert "farm.py:7:10  at compile" in done.stderr
    caret = re.search(r"^ *\|    7 │ (.*)\n *\|      │ (.*)$", done.stderr, re.MULTILINE)
    assert caret
    assert caret[1][caret[2].index("^")] == "("


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, argv, columns, lines, term="xterm-256color"):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it, and so would we
            # The environment is given: readline, which pytest imports, puts COLUMNS and LINES into the process's own.
            os.execve(argv[0], argv, {**os.environ, "TERM": term, "COLORTERM": "truecolor"})
        self.output = ""
        self.status = None

    def read_until(self, pattern, seconds=60):
        """Read on until the output holds `pattern` (None: until its end)."""
        deadline = time.monotonic() + seconds
        while pattern is None or not re.search(pattern, self.output):
            left = deadline - time.monotonic()
            assert left > 0, self.output[-2000:]
            if select.select([self.fd], [], [], left)[0]:
                try:
                    data = os.read(self.fd, 1 << 16)
                except OSError:  # EIO: the other end was closed
                    data = b""
                if not data:
                    assert pattern is None, self.output[-2000:]
                    break
                self.output += data.decode(errors="replace")

    def end(self):
        self.read_until(None)
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status


@pytest.fixture
def terminal():
    opened = []

    def terminal(*argv, columns=132, lines=37, **options):
        opened.append(Terminal([*DEMO, *argv], columns, lines, **options))
        return opened[-1]

    yield terminal
    for one in opened:
        if one.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)
            os.waitpid(one.pid, 0)
        os.close(one.fd)


@pytest.mark.parametrize(("columns", "lines", "village"), [(132, 37, True), (100, 30, True), (80, 24, False)])
def test_ctrl_c_gives_the_terminal_back_and_the_summary_so_far(terminal, columns, lines, village):
    demo = terminal("--seconds", "60", columns=columns, lines=lines)
    demo.read_until(r"step\b.*1 of")
    demo.read_until("events")
    os.write(demo.fd, b"\x03")
    assert demo.end() == 130
    shown, _, after = demo.output.rpartition("\x1b[?1049l")
    assert "\x1b[?1049h" in shown
    assert ("village  " in shown) == village
    assert "interrupted after" in after
    assert "frame times" in after
    assert "\x1b[?25h" in demo.output  # the cursor is back


def test_a_terminal_too_small_for_the_screen_gets_lines(terminal):
    demo = terminal("--seconds", "10", columns=60, lines=15)
    demo.read_until(r"live +weather@2 is live")
    demo.read_until(r"denied.*fork")
    os.kill(demo.pid, signal.SIGTERM)
    assert demo.end() == 130
    assert "\x1b[?1049h" not in demo.output
    shown = demo.output.partition("interrupted after")[0].splitlines()
    assert max(map(len, shown)) <= 60


@pytest.mark.timeout(150)
def test_a_reader_who_has_gone_stops_nothing_and_the_exit_code_still_tells():
    command = f"{' '.join(DEMO)} --plain --seconds 10 | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("option", ["--json", "--svg"])
@pytest.mark.parametrize("where", ["no/folder/x", "."])
def test_a_file_that_cannot_be_written_is_said_before_the_run(tmp_path, option, where):
    done = subprocess.run(
        [*DEMO, option, where], cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False
    )  # fmt: skip - one call
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith(f"fumehood: {option} {where}: cannot be written: ")


@pytest.mark.parametrize(("width", "height"), [(132, 37), (124, 34), (120, 32), (100, 30), (80, 24), (60, 15), (20, 5)])
def test_the_denials_are_seen_on_every_screen_and_the_map_or_how_to_get_it(width, height):
    scene = demo_view.Scene(Village(), Frames(), 10.0, "full", rows={f"m{n}": demo_view.Row() for n in range(9)})
    for number in range(20):
        scene.feed.append((1.0, "ok", f"before {number}"))
    for trick in demo_steps.TRICKS:
        scene.feed.append((2.0, "denied", f"stranger tries to {trick}: no"))
    scene.feed.append((2.0, "live", "stranger@1 is live, 21.4 ms after the save"))
    scene.feed.append((2.0, "ok", "as expected"))
    console = Console(record=True, width=width, height=height, force_terminal=True, file=io.StringIO())
    console.print(demo_view.Face(scene, width, height).layout)
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= width
    if width >= 60:
        assert all(trick in "\n".join(lines) for trick in demo_steps.TRICKS)
        assert any("village" in line or "enlarge to" in line for line in lines)
        assert sum("m8" in line for line in lines) == (width >= 80)


def test_an_answer_that_is_late_is_no_alarm():
    assert demo_view.MARKS["late"][1] == "bright_black"


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_dumb_terminal_gets_lines(terminal, term):
    demo = terminal("--seconds", "60", term=term)
    demo.read_until(r"live +weather@2 is live")
    os.kill(demo.pid, signal.SIGTERM)
    assert demo.end() == 130
    assert "\x1b" not in demo.output
    assert "Traceback" not in demo.output


# ── that it would notice ──────────────────────────────────────────────────────────────────────────────────────────────


def receipt(mod, verdict, stage="", cause="save", ms=5.0):
    """A receipt as the supervisor gives it, with what the script looks at."""
    found = Diagnostic(stage=stage, kind="Kind", message="why", file="f.py", line=3) if stage else None
    return Receipt(
        number=1,
        mod=mod,
        cause=cause,
        verdict=verdict,
        version=2,
        digest="d2",
        epoch=9,
        live_version=1,
        live_digest="d1",
        stages={},
        save_to_live_ms=ms if verdict == Verdict.LIVE else None,
        state_age_ms=None,
        worst_frame_ms=1.0,
        at=0.0,
        diagnostic=found,
    )  # fmt: skip - one record


def step_named(name):
    return next(step for step in SCRIPT if step.name == name)


@pytest.mark.parametrize(
    ("name", "receipts", "wrong"),
    [
        ("good change", [("weather", Verdict.LIVE)], ""),
        ("good change", [], "nothing was heard of weather"),
        ("good change", [("farm", Verdict.LIVE)], "nothing was heard of weather"),
        ("good change", [("weather", Verdict.REFUSED, "import")], "weather: refused, expected live"),
        ("good change", [("weather", Verdict.LIVE), ("weather", Verdict.DOWN, "run")], "weather: down, expected live"),
        ("syntax error", [("farm", Verdict.REFUSED, "compile")], ""),
        ("syntax error", [("farm", Verdict.LIVE)], "farm: live, expected refused"),
        ("syntax error", [("farm", Verdict.REFUSED, "import")], "farm: the diagnostic does not say compile"),
        ("syntax error", [("farm", Verdict.REFUSED)], "farm: the diagnostic does not say compile"),
        ("segfault", [("greeter", Verdict.LIVE), ("greeter", Verdict.ROLLED_BACK, "run")], ""),
        ("segfault", [("greeter", Verdict.DOWN, "run")], "greeter: down, expected rolled back"),
        ("ten saves at once", [("clock", Verdict.LIVE)] * 2, ""),
        ("ten saves at once", [("clock", Verdict.LIVE)] * 3, "clock: 3 reloads, expected at most 2"),
        ("all mended", [("farm", Verdict.LIVE)], "nothing was heard of quests"),
        ("hostile mod", [("stranger", Verdict.LIVE)], "nothing was heard of its try to read /etc/passwd"),
    ],
)  # fmt: skip
def test_a_step_that_ends_otherwise_is_wrong(name, receipts, wrong):
    run = Run(step_named(name), began=0.0)
    for one in receipts:
        run.hear(receipt(*one), 1.0)
    assert run.over(1.0 + run.step.quiet) == (not wrong)
    assert run.over(demo_steps.PATIENCE)
    assert run.wrong == wrong


def test_a_trick_that_succeeds_is_wrong():
    run = Run(step_named("hostile mod"), began=0.0)
    run.hear(receipt("stranger", Verdict.LIVE), 0.1)
    for what in demo_steps.TRICKS:
        run.hear_trick(what, what == "fork", "forked process 7", 0.2)
    assert run.over(demo_steps.PATIENCE)
    assert run.wrong == "it could fork: forked process 7"


def result(runs, **changes):
    made = demo_report.Result(
        seconds=10.0,
        confinement="full",
        mods=8,
        runs=runs,
        receipts=[],
        frames=Frames(),
        drawn=False,
        interrupted=False,
    )  # fmt: skip - one record
    return dataclasses.replace(made, **changes)


def test_the_result_is_good_only_if_every_step_of_the_script_was_right():
    right = [Run(step, began=0.0, ended=1.0) for step in SCRIPT]
    assert result(right).ok
    assert not result(right[:-1]).ok
    assert result(right[:-1], interrupted=True).ok
    assert not result(right, trouble="the supervisor died").ok
    assert not result([*right[:-1], Run(SCRIPT[-1], began=0.0, ended=1.0, wrong="x")]).ok
    lines = "\n".join(result(right[:-1]).lines())
    assert "it did not come to: all mended" in lines
    assert json.dumps(result(right[:-1]).document())


# ── its parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def all_edits():
    return [edit for step in SCRIPT for edit in step.edits]


@pytest.mark.parametrize("edit", all_edits(), ids=lambda edit: edit.file)
@pytest.mark.parametrize("how", ["rename", "truncate"])
def test_each_edit_fits_its_file_and_compiles_unless_that_is_its_point(tmp_path, edit, how):
    (tmp_path / "weather").mkdir()
    copy = Copy(tmp_path, MODS)
    assert copy.change(edit)
    copy.save(edit, how)
    text = (tmp_path / edit.file).read_text()
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == [Path(edit.file).name]
    if edit is edits.SYNTAX_ERROR:
        with pytest.raises(SyntaxError):
            compile(text, edit.file, "exec")
    elif edit.file.endswith(".py"):
        compile(text, edit.file, "exec")
    else:
        json.loads(text)


def test_an_edit_that_does_not_fit_says_so():
    with pytest.raises(ValueError, match="stands 0 times in it, not once"):
        edits.RAIN.apply("")


def test_the_sample_mods_are_at_least_six_and_compile():
    mods = [path for path in MODS.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()]
    assert len(mods) >= 6
    for file in MODS.rglob("*.py"):
        compile(file.read_bytes(), str(file), "exec")


JUNK = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
)
NAMES = st.sampled_from(["time", "sky", "crop", "move", "harvest", "arrived", "quest", "say"]) | st.text(max_size=3)
FIELDS = st.dictionaries(
    st.sampled_from(
        ["hour", "minute", "kind", "strength", "plot", "stage", "id", "x", "y", "item", "who", "text", "done", "wanted"]
    ),
    JUNK | st.sampled_from(["wolf", "villager", "sun", "rain"]),
)


def drawn(village):
    return ["".join(run.text for run in row) for row in village.draw(1)]


@given(st.lists(st.tuples(NAMES, FIELDS), max_size=8))
def test_no_intent_breaks_the_village(intents):
    village = Village()
    for name, fields in intents:
        village.apply("mod", name, fields)
    assert len(village.beings) <= 40
    assert all(0 <= stage < len(CROP) for stage in village.crops)
    lines = drawn(village)
    assert len(lines) == HEIGHT
    assert all(len(line) == WIDTH for line in lines)


def test_the_village_does_what_makes_sense():
    village = Village()
    village.apply("wolves", "move", {"kind": "wolf", "id": 0, "x": 40.0, "y": 7.5})
    village.apply("clock", "time", {"hour": 22, "minute": 5})
    village.apply("weather", "sky", {"kind": "rain", "strength": 0.5})
    assert drawn(village)[7][40] == "w"
    assert village.night
    assert "".join(drawn(village)).count("/") > 5
    assert village.nonsense == 0
    village.apply("wolves", "move", {"kind": "wolf", "id": 0, "x": 400.0, "y": 7.5})
    assert village.nonsense == 1


def test_quantiles_are_nearest_rank():
    assert quantile([], 0.5) == 0.0
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([float(n) for n in range(1, 101)], 0.99) == 99.0
    assert quantile([1.0, 2.0], 1.0) == 2.0


def test_a_late_frame_is_counted_and_the_beat_is_kept(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    frames = Frames()
    frames.done()
    now[0] += 3.5 * PERIOD
    frames.done()  # it was due 1 period after the first: took 2.5
    summary = frames.summary()
    assert (summary["count"], summary["late"], summary["skipped"]) == (2, 1, 1)
    assert frames.bars(5) == [(BARS[0], False), (BARS[-1], True)]


def test_the_caret_stands_under_what_is_wrong():
    found = Diagnostic("compile", "SyntaxError", "why", "a.py", 3, 9, 12, "    if a b:")
    assert [line for line, _ in demo_view.explain(found)] == [
        "a.py:3:9  at compile",
        "   3 │ if a b:",
        "     │     ^^^",
        "SyntaxError: why",
    ]
