"""Wrong input is one clear error before anything was started: what is wrong, where, and what to do."""

import os
import subprocess
import sys

import psutil
import pytest
from fumehood.runner import connect, launch
from fumehood.shared.errors import ConfigError, MachineError, UsageError
from fumehood.shared.policy import Limits

FUMEHOOD = [sys.executable, "-m", "fumehood.runner.cli"]


@pytest.fixture(autouse=True)
def nothing_left():
    """No test here leaves a process behind."""
    before = set(psutil.Process().children())
    yield
    assert set(psutil.Process().children()) == before


def test_a_folder_given_as_bytes(tmp_path):
    with pytest.raises(ConfigError, match="as text, not as bytes"):
        launch(bytes(tmp_path))


@pytest.mark.parametrize("what", ["missing", "file", "dangling link", "empty name", "null"])
def test_a_root_that_is_no_folder(tmp_path, what):
    root = tmp_path / "mods"
    if what == "file":
        root.write_text("x = 1\n")
    elif what == "dangling link":
        root.symlink_to(tmp_path / "nowhere")
    given = {"empty name": "", "null": f"{root}\0"}.get(what, root)
    with pytest.raises(ConfigError) as caught:
        launch(given)
    if what not in ("empty name", "null"):
        assert str(root) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_a_root_that_may_not_be_read(tmp_path):
    root = tmp_path / "mods"
    root.mkdir(mode=0)
    try:
        with pytest.raises(ConfigError, match=str(root)):
            launch(root)
    finally:
        root.chmod(0o700)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"confinement": "none"}, "confinement: expected one of full, reduced, not 'none'"),
        ({"watcher": "eyes"}, "watcher: expected one of auto, native, polling, not 'eyes'"),
        ({"log_level": "loud"}, "log_level: expected one of debug, info, warning, error, not 'loud'"),
        ({"log_format": "xml"}, "log_format: expected one of text, json, not 'xml'"),
        ({"packages": ["no_such_package"]}, "no_such_package"),
        ({"packages": ["../evil"]}, "evil"),
        ({"packages": "numpy"}, "packages"),
        ({"limits": Limits(ring_bytes=100_000)}, "ring_bytes"),
        ({"limits": Limits(hang_after=-1.0)}, "hang_after"),
        ({"limits": Limits(hang_after=float("nan"))}, "hang_after"),
        ({"limits": Limits(memory=2**80)}, "memory"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, options, named):
    with pytest.raises((ConfigError, TypeError)) as caught:
        launch(tmp_path, **options)
    assert named in str(caught.value)


def test_the_whole_file_system_is_no_mods_folder():
    with pytest.raises(ConfigError, match=r"^/: the mods folder is the whole file system; name a folder"):
        launch("/")


def test_a_folder_of_too_many_mods_is_refused_before_one_is_started(tmp_path, capfd):
    for number in range(501):
        folder = tmp_path / "crowd" / str(number % 7)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"m{number}.py").touch()
    folder = tmp_path / "crowd"
    with pytest.raises(ConfigError) as caught:
        launch(folder)
    assert str(caught.value) == (
        f"{folder}: it holds more than 500 mods. Every .py file in it and in its subfolders is one: "
        "name a folder that holds mods alone, or raise most_mods"
    )
    assert capfd.readouterr().err == ""


def test_mods_beyond_the_most_are_not_started_until_there_is_room(launched, tmp_path, until):
    said = tmp_path / "said"
    full = "'c' is not started: the mods folder is full, it holds more than 2 mods"
    with launched(tmp_path / "mods", said=said, most_mods=2) as bench:
        for name in "abc":
            bench.save(f"{name}.py", "def on_ping(): return 1\n")
            if name != "c":
                bench.mods.wait(name, timeout=20)
        until(lambda: full in said.read_text(), "somebody says that there is no room")
        assert list(bench.mods) == ["a", "b"]
        (bench.root / "a.py").unlink()
        bench.mods.wait("a", verdict="unloaded", timeout=20)
        bench.load("c", "def on_ping(): return 2\n")
    assert said.read_text().count("not started") == 1


@pytest.mark.parametrize("timeout", ["x", None, float("nan"), float("inf")])
def test_a_time_that_is_none_is_named(launched, tmp_path, timeout):
    for call in (launch, connect):
        with pytest.raises(UsageError, match="timeout has to be a finite number of seconds, not"):
            call(tmp_path, timeout=timeout)
    with launched(tmp_path / "mods") as bench, pytest.raises(UsageError, match="budget has to be a finite number of"):
        bench.mods.emit("tick", budget=timeout)


def test_too_little_time_to_start_is_an_error_and_no_process(tmp_path):
    with pytest.raises(Exception, match="start") as caught:
        launch(tmp_path, timeout=0)
    assert type(caught.value).__module__ == "fumehood.shared.errors"


def run(*arguments, cwd):
    return subprocess.run([*FUMEHOOD, "run", *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("root = [\n", "fumehood.toml: is not TOML"),
        ("root = 'mods'\nwatchr = 'auto'\n", "watchr"),
        ("root = 'mods'\n[limits]\nmemory = 'lots'\n", "limits.memory"),
        ("root = 'mods'\n[limits]\nhang_aftr = 1.0\n", "hang_aftr"),
        ("root = 'nowhere'\n", "nowhere"),
        ("root = 5\n", "root"),
        ("root = 'mods'\nconfinement = 'none'\n", "confinement"),
        (b"root = 'm\xff'\n", "UTF-8"),
    ],
)
def test_a_broken_configuration_file(tmp_path, toml, says):
    (tmp_path / "mods").mkdir()
    (tmp_path / "fumehood.toml").write_bytes(toml if isinstance(toml, bytes) else toml.encode())
    ended = run(cwd=tmp_path)
    assert ended.returncode == 78, ended.stderr
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ((), 2, "MODS_DIR"),
        (("nowhere",), 78, "nowhere"),
        (("mods", "--limit", "memory"), 78, "NAME=VALUE"),
        (("mods", "--limit", "memory=much"), 78, "memory"),
        (("mods", "--limit", "mammoth=1"), 78, "mammoth"),
        (("mods", "--watcher", "eyes"), 2, "eyes"),
        (("mods", "--config", "nowhere.toml"), (2, 78), "nowhere.toml"),
        (("mods", "--package", "no_such_package"), 78, "no_such_package"),
        (("mods", "extra"), 2, "extra"),
    ],
)
def test_a_wrong_command_line(tmp_path, arguments, status, says):
    (tmp_path / "mods").mkdir()
    ended = run(*arguments, cwd=tmp_path)
    assert ended.returncode in (status if isinstance(status, tuple) else (status,)), ended.stderr
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr


# ── a folder with things in it that are no mods ───────────────────────────────────────────────────────────────────────


def test_a_folder_of_oddities_serves_what_is_a_mod(launched, tmp_path):
    root = tmp_path / "mods"
    (root / "empty").mkdir(parents=True)
    (root / "readme.txt").write_text("no mod")
    (root / ".hidden.py").write_text("1/0")
    (root / "backup.py~").write_text("1/0")
    (root / "__pycache__").mkdir()
    (root / "__pycache__" / "x.py").write_text("1/0")
    (root / "directory.py").mkdir()
    (root / "dangling.py").symlink_to(root / "nowhere.py")
    (root / "outside.py").symlink_to("/etc/passwd")
    os.mkfifo(root / "pipe.py")
    (root / "good.py").write_text("def on_ping(): return 'pong'\n")
    (root / "nothing.py").write_text("")
    with launched(root) as bench:
        assert bench.mods["good"].call("ping", timeout=20) == "pong"
        assert "nothing" in bench.mods
        live = {status.name for status in bench.mods.status() if status.version}
        assert live == {"good", "nothing"}
        for status in bench.mods.status():
            if not status.version:
                assert status.diagnostic.message, status
        assert "root:" not in repr(bench.mods.receipts())


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_named(launched, tmp_path):
    root = tmp_path / "mods"
    root.mkdir()
    (root / "secret.py").write_text("x = 1\n")
    (root / "secret.py").chmod(0)
    with launched(root) as bench:
        receipt = bench.next("secret", 0, "refused")
        assert "secret.py" in receipt.diagnostic.file + receipt.diagnostic.message
        assert "ermission" in receipt.diagnostic.message + receipt.diagnostic.kind


def test_a_file_with_a_manifest_that_asks_for_too_much(bench, mod):
    text = "# /// script\n# [tool.fumehood.limits]\n# memory = 99999999999\n# ///\n"
    receipt = bench.load(mod, text, "refused")
    assert "memory" in receipt.diagnostic.message


def test_a_file_with_a_broken_manifest(bench, mod):
    receipt = bench.load(mod, "# /// script\n# [tool.fumehood\n# ///\nx = 1\n", "refused")
    assert receipt.diagnostic.file == f"{mod}.py"
    assert receipt.diagnostic.line >= 1


def test_a_file_too_large(bench, mod):
    receipt = bench.load(mod, "#" * (9 << 20), "refused")
    assert "snapshot_bytes" in receipt.diagnostic.message


def test_not_linux(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(MachineError, match=r"WSL2.*container"):
        launch(tmp_path)
