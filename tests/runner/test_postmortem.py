"""What is said of a worker that ended: where in its own files, nobody else's, and in a time that is bounded."""

import signal
from types import SimpleNamespace

import pytest
from fumehood.runner import postmortem
from fumehood.runner.manifest import Manifest
from fumehood.runner.snapshot import Library, Snapshot
from fumehood.runner.standing import Standing
from fumehood.runner.text import escape
from fumehood.shared.messages import Diagnostic, Fault
from fumehood.shared.policy import MIB, Limits

SOURCE = b"import os\n\ndef on_frame(n):\n    return 1 / 0\n"


def snapshot(key="evil", folder=False, files=None, libraries=()):
    files = files or {"evil.py": SOURCE}
    return Snapshot(key, folder, "d" * 64, files, Manifest(), 0, 0, (), libraries)


def frame(file, line=4, root="/fumehood/scratch/mods"):
    return f'  File "{root}/{file}", line {line} in on_frame\n'


CRASH = "Fatal Python error: Segmentation fault\n\nCurrent thread 0x00007f (most recent call first):\n"
FOLDER = snapshot("evil", True, {"__init__.py": b"", "sub/mods/x.py": b"", "é\U0001f600.py": b""})
NESTED = snapshot("group/evil", files={"evil.py": SOURCE}, libraries=(Library("lib", True, {"sums.py": b""}),))


@pytest.mark.parametrize(
    ("dump", "taken", "place"),
    [
        (frame("evil.py"), snapshot(), ("evil.py", 4)),
        (frame("evil.py", root="/home/mods/mods/tmp/mods"), snapshot(), ("evil.py", 4)),
        (frame("evil/sub/mods/x.py", 7), FOLDER, ("evil/sub/mods/x.py", 7)),
        (frame("evil/\\xe9\\U0001f600.py", 7), FOLDER, ("evil/é\U0001f600.py", 7)),
        (frame("group/evil.py"), NESTED, ("group/evil.py", 4)),
        (frame("lib/sums.py"), NESTED, ("lib/sums.py", 4)),
        (frame("neighbour.py") + frame("evil.py", 3), snapshot(), ("evil.py", 3)),
        (frame("neighbour.py"), snapshot(), ("", 0)),
        (frame("evil.py"), NESTED, ("", 0)),
        (frame("lib/missing.py"), NESTED, ("", 0)),
        (frame("\\Uffffffff.py"), snapshot(), ("", 0)),
        ('  File "evil.py", line 4 in on_frame\n', snapshot(), ("", 0)),
        ("", snapshot(), ("", 0)),
    ],
)
def test_the_place_of_a_crash_is_in_the_mods_own_files(dump, taken, place):
    told = postmortem.of_exit(-signal.SIGSEGV, CRASH + dump, "run", Limits(), taken)
    assert (told.file, told.line) == place
    assert told.message == "the worker died: segmentation fault (or abort) (SIGSEGV)"
    told = postmortem.of_limit("call_timeout", "run", 1.0, "too long", CRASH + dump, taken)
    assert (told.file, told.line) == place


def test_a_dump_begins_at_the_mods_frames():
    ours = '  File "/fumehood/worker/loop.py", line 3 in serve\n  File "<frozen importlib._bootstrap>", line 1 in x\n'
    between = '  File "/usr/lib/json.py", line 9 in loads\n' + ours + frame("evil.py") + ours
    assert postmortem.clean(between) == (
        '  File "/usr/lib/json.py", line 9 in loads\n  File "evil.py", line 4 in on_frame\n'
    )


HOSTILE = {
    "newlines": "\n" * 1000 + 'File "' + "/mods/" * 495,
    "blanks": " \n\t" * 600 + 'File "' + "/mods/a" * 300,
    "one line of blanks": " " * 4000,
    "files": 'File "' * 600,
    "files in mods": 'File "/mods/' * 300,
    "lines": 'File "/mods/a", line 1\n' * 170,
    "roots": 'File "' + "/mods/" * 600 + '", line 1',
    "ours": 'File "' + "/fumehood/" * 390,
    "long": "\n" * 20000 + 'File "' + "/mods/" * 9000 + '", line 1',
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("written", HOSTILE.values(), ids=HOSTILE)
def test_what_a_dying_worker_writes_costs_no_time(written):
    """Each twenty times: the first took three seconds once, of the supervisor's only thread."""
    taken = snapshot(libraries=tuple(Library(f"lib{n}", True, {"a.py": b""}) for n in range(32)))
    for _ in range(20):
        for dump in (written, escape(written, lines=True)):
            told = postmortem.of_exit(-signal.SIGSEGV, dump, "run", Limits(), taken)
            assert (told.file, told.line) == ("", 0)
            assert postmortem.of_limit("call_timeout", "run", 1.0, "too long", dump, taken).line == 0


def words(file, line=4):
    return Diagnostic("run", "ZeroDivisionError", "division by zero", file, line, 5, 8, "    return 1 / 0", "traceback")


@pytest.mark.parametrize("file", ["evil.py", "./evil.py", "neighbour.py", "/etc/passwd", "../evil.py", "evil", "\n"])
def test_a_report_is_of_the_mods_own_files(file):
    told = postmortem.of_report(words(file), snapshot())
    assert (told.kind, told.message, told.traceback) == ("ZeroDivisionError", "division by zero", "traceback")
    own = file == "evil.py"
    assert told.place == ("evil.py:4" if own else "")
    assert (told.line, told.column, told.end_column, told.source) == (
        (4, 5, 8, "    return 1 / 0") if own else (0, 0, 0, "")
    )


@pytest.mark.parametrize(("file", "key"), [("lib/sums.py", "lib"), ("group/evil.py", "group/evil")])
def test_a_report_of_what_it_carries_keeps_its_place(file, key):
    assert postmortem.of_report(words(file), NESTED).file == file, key


def test_a_line_is_quoted_from_the_snapshot():
    told = postmortem.of_report(Diagnostic("run", "K", "m", "group/evil.py", 4), NESTED)
    assert told.source == ""
    assert postmortem.with_source(told, NESTED).source == "    return 1 / 0"
    assert postmortem.with_source(words("group/evil.py", 1), NESTED).source == "    return 1 / 0", "its own words"


@pytest.mark.parametrize("line", [0, 1, 5, 10_000_000])
def test_a_line_that_is_not_there_is_not_quoted(line):
    assert postmortem.with_source(Diagnostic("run", "K", "m", "none.py", line), snapshot()).source == ""
    if line != 1:
        assert postmortem.with_source(Diagnostic("run", "K", "m", "evil.py", line), snapshot()).source == ""


LONG = snapshot(files={"evil.py": b"first\n" + b"\n" * (8 * MIB)})


@pytest.mark.timeout(60)
def test_only_the_begin_of_a_long_file_is_quoted():
    for line in range(postmortem.LONGEST_QUOTED - 50, postmortem.LONGEST_QUOTED + 50):
        assert postmortem.with_source(Diagnostic("run", "K", "m", "evil.py", line), LONG).source == ""
    assert postmortem.with_source(Diagnostic("run", "K", "m", "evil.py", 1), LONG).source == "first"


@pytest.mark.timeout(60)
def test_an_error_in_a_line_of_a_long_file_costs_no_time():
    """A worker may tell of 500 a second, and finding the line took 130 ms for each."""
    standing, seat = Standing("evil", Limits()), SimpleNamespace(snapshot=LONG, limits=Limits(), version=1)
    for line in range(1, 2000):
        told, _ = standing.fault(seat, Fault("frame", 1, Diagnostic("run", "K", "m", "evil.py", line)))
        assert told.place == f"evil.py:{line}"
    assert postmortem.with_source(seat.last_words, LONG).line == 1999
