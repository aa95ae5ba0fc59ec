"""The command line: what it says, what it refuses, and its exit codes."""

import json
import os
import signal
import subprocess
import sys
import threading

import fumehood
import pytest
from click.testing import CliRunner
from fumehood.runner import cli, connect
from fumehood.shared.errors import ConfigError
from fumehood.shared.exits import Exit

FUMEHOOD = [sys.executable, "-W", "error", "-m", "fumehood.runner.cli"]


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    """Run the command in this process, from an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *args: CliRunner().invoke(cli.main, args, catch_exceptions=False)


def test_help_names_every_command_and_where_to_begin(invoke):
    done = invoke("--help")
    assert done.exit_code == 0
    for word in ("demo", "run", "doctor", "Begin with: fumehood demo"):
        assert word in done.output


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("demo", ["--seconds", "--plain", "--json", "--svg", "--confinement", "segfault", "Exit code"]),
        ("run", ["MODS_DIR", "--watcher", "--limit", "--log-format", "connect", "fumehood.toml", "Exit code"]),
        ("doctor", ["--json", "Landlock", "seccomp", "changes nothing", "Exit code"]),
    ],
)
def test_the_help_of_each_command_says_what_it_does_and_how_it_ends(invoke, command, words):
    done = invoke(command, "-h")
    assert done.exit_code == 0
    for word in words:
        assert word in done.output


def test_the_version_is_the_package_s(invoke):
    assert invoke("--version").output == f"fumehood, version {fumehood.__version__}\n"


def test_help_loads_neither_rich_nor_the_supervisor():
    program = (
        "import sys\nfrom fumehood.runner.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted(m for m in sys.modules if m in ('rich', 'asyncio', 'watchdog') or m.endswith('.supervisor')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["run"], Exit.USAGE, "Which folder? Name MODS_DIR, or set `root` in fumehood.toml."),
        (["run", "gone"], Exit.CONFIG, "gone: the mods folder does not exist; make it with: mkdir -p gone"),
        (["run", "."], None, ""),
        (
            ["run", ".", "--limit", "memroy=3"],
            Exit.CONFIG,
            "--limit memroy: there is no such limit; did you mean memory?",
        ),
        (["run", ".", "--limit", "memory"], Exit.CONFIG, "expected NAME=VALUE, such as memory=64MiB"),
        (["run", ".", "--package", "a b"], Exit.CONFIG, "packages: 'a b' is not a name that `import` takes"),
        (["run", ".", "--config", "none.toml"], Exit.CONFIG, "none.toml: cannot be read: No such file"),
        (["run", ".", "--watcher", "psychic"], Exit.USAGE, "'psychic' is not one of"),
        (["demo", "--seconds", "3"], Exit.USAGE, "3.0 is not in the range 10"),
        (["dmeo"], Exit.USAGE, "No such command 'dmeo'"),
    ],
)
def test_what_is_wrong_is_one_line_and_a_code(invoke, args, code, said):
    done = invoke(*args, *(["--show-config"] if args[0] == "run" else []))
    assert done.exit_code == (code or 0)
    assert said in done.output
    assert "Traceback" not in done.output


def test_settings_come_from_the_file_and_the_command_line_wins(invoke, tmp_path):
    (tmp_path / "mods").mkdir()
    (tmp_path / "fumehood.toml").write_text(
        'root = "mods"\nwatcher = "polling"\n[limits]\nfiles = 9\nmemory = "16 MiB"\n'
    )
    done = invoke("run", "--show-config", "--log-level", "debug", "--limit", "memory=32 MiB", "--package", "numpy")
    config = json.loads(done.output)
    assert config["root"] == str(tmp_path / "mods")
    assert (config["watcher"], config["log_level"], config["packages"]) == ("polling", "debug", ["numpy"])
    assert (config["limits"]["files"], config["limits"]["memory"]) == (9, 32 * 2**20)


def test_a_settings_file_among_the_mods_is_refused(invoke, tmp_path):
    (tmp_path / "fumehood.toml").write_text('watcher = "polling"')
    done = invoke("run", ".", "--show-config")
    assert done.exit_code == Exit.CONFIG
    assert "lies inside the mods folder" in done.output


def test_documents_go_to_stdout_or_to_a_file(tmp_path, capsys):
    cli.write_document({"a": 1}, "-")
    assert json.loads(capsys.readouterr().out) == {"a": 1}
    cli.write_document({"a": 2}, str(tmp_path / "x.json"))
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 2}
    with cli.contextlib.suppress(SystemExit), cli.telling():
        cli.write_document({}, str(tmp_path / "no" / "x.json"))
    assert "cannot be written: No such file" in capsys.readouterr().err


def test_a_terminal_without_utf_8_gets_question_marks_and_no_traceback(tmp_path):
    (tmp_path / "fumehood.toml").write_text('wätcher = "\N{SNOWMAN}"', encoding="utf-8")
    done = subprocess.run(
        [*FUMEHOOD, "run"],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )  # fmt: skip - one call
    assert done.returncode == Exit.CONFIG, done.stderr
    assert b"Traceback" not in done.stderr


class Served:
    """`fumehood run` as a process; its log lines as they come."""

    def __init__(self, *args, cwd):
        self.process = subprocess.Popen([*FUMEHOOD, "run", *args], stderr=subprocess.PIPE, text=True, cwd=cwd)
        self.lines = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            with self._news:
                self.lines.append(line)
                self._news.notify_all()
        with self._news:
            self.lines.append("")  # the end
            self._news.notify_all()

    def wait_for(self, text, seconds=30):
        """Wait until a line holds `text`; return it."""
        with self._news:
            self._news.wait_for(lambda: self.lines[-1:] == [""] or any(text in line for line in self.lines), seconds)
            found = [line for line in self.lines if text in line]
        assert found, self.lines
        return found[0]

    def end(self, number):
        self.process.send_signal(number)
        code = self.process.wait(30)
        self._reader.join(30)
        return code


@pytest.fixture
def serve(tmp_path):
    started = []

    def serve(*args):
        started.append(Served(*args, cwd=tmp_path))
        return started[-1]

    yield serve
    for served in started:
        if served.process.poll() is None:
            served.end(signal.SIGKILL)
        served.process.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_serves_a_folder_until_it_is_told_to_end(serve, tmp_path, number):
    mods = tmp_path / "mods"
    mods.mkdir()
    (mods / "hello.py").write_text("def on_greet(who):\n    return f'hello {who}'\n")
    served = serve("mods", "--log-format", "json")
    line = json.loads(served.wait_for("serving"))
    assert (line["level"], line["logger"]) == ("info", "fumehood")
    with connect(mods) as game:
        assert game["hello"].call("greet", "you", timeout=10) == "hello you"
    served.wait_for("a game attached")
    assert served.end(number) == Exit.OK
    with pytest.raises(ConfigError, match=f"^start one first: fumehood run {mods} "):
        connect(mods)
    for line in filter(None, served.lines):
        json.loads(line)


def test_a_second_supervisor_of_the_same_folder_is_refused(serve, tmp_path):
    (tmp_path / "mods").mkdir()
    serve("mods").wait_for("serving")
    second = serve("mods")
    assert second.process.wait(30) == Exit.BUSY
    assert second.wait_for("fumehood: another supervisor already serves")
