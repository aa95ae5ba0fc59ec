"""The names that games and mods are written against. A change here changes the contract: CHANGELOG.md says so."""

import inspect
import subprocess
import sys

import fumehood
import pytest
from fumehood import runner, worker
from fumehood.runner import aio
from fumehood.shared import errors

RUNNER = {
    "launch",
    "connect",
    "describe_save",
    "LoadReport",
    "SaveInfo",
    "SavedState",
    "SaveError",
    "Mods",
    "Mod",
    "Outcome",
    "FrameReport",
    "Intent",
    "ModStatus",
    "Receipt",
    "Diagnostic",
    "Limits",
    "Confinement",
    "FumehoodError",
    "ModFailure",
    "ModError",
    "ModTimeout",
    "ModCrashed",
    "ModUnavailable",
    "QueueFull",
    "UsageError",
    "ConfigError",
    "PayloadError",
    "MessageTooLarge",
    "WrongThread",
    "ViewError",
    "AlreadyAttached",
    "MachineError",
    "SupervisorDied",
}  # fmt: skip - a list of names
WORKER = {"on", "game", "state", "log", "helpers", "refuse", "view", "ViewError"}


def test_the_game_s_names():
    assert set(runner.__all__) >= RUNNER
    for name in runner.__all__:
        assert getattr(runner, name) is not None


def test_the_mod_author_s_names():
    assert set(worker.__all__) >= WORKER
    for name in worker.__all__:
        assert getattr(worker, name) is not None


def test_a_name_that_is_not_there_says_so():
    with pytest.raises(AttributeError, match="has no attribute 'lunch'"):
        runner.lunch  # noqa: B018 - the access is what raises


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        (runner, "launch", ["root", "packages", "confinement", "limits", "watcher"]),
        (runner, "connect", ["target", "timeout"]),
        (runner.Mods, "emit", ["self", "event", "args", "budget"]),
        (runner.Mods, "wait", ["self", "name", "version", "digest", "verdict", "timeout"]),
        (runner.Mods, "receipts", ["self", "since"]),
        (runner.Mods, "publish", ["self", "name", "array"]),
        (runner.Mods, "publishing", ["self", "name", "like"]),
        (runner.Mods, "save", ["self", "timeout"]),
        (runner.Mods, "load", ["self", "data", "timeout"]),
        (runner.Mods, "provide", ["self", "name", "helper", "timeout"]),
        (runner.Mod, "call", ["self", "event", "args", "timeout"]),
        (runner.Mod, "call_outcome", ["self", "event", "args", "timeout"]),
        (runner.Mod, "post", ["self", "event", "args"]),
        (worker, "on", ["event", "priority"]),
    ],
)
def test_the_parameters_a_caller_may_name(owner, name, parameters):
    found = list(inspect.signature(getattr(owner, name)).parameters)
    assert [parameter for parameter in found if parameter in parameters] == parameters


def test_every_public_thing_has_a_docstring():
    for module in (runner, worker):
        for name in module.__all__:
            thing = getattr(module, name)
            if not inspect.isclass(thing) and not inspect.isfunction(thing):
                continue
            assert inspect.getdoc(thing), name
            if inspect.isclass(thing):
                for member, value in vars(thing).items():
                    if inspect.isfunction(value) and not member.startswith("_"):
                        assert inspect.getdoc(value), f"{name}.{member}"


@pytest.mark.parametrize(
    "kind",
    [
        runner.Outcome,
        runner.FrameReport,
        runner.ModStatus,
        runner.Receipt,
        runner.Limits,
        runner.LoadReport,
        runner.SaveInfo,
        runner.SavedState,
    ],
)
def test_help_tells_every_field(kind):
    for field in kind.__struct_fields__:
        assert f"`{field}`" in kind.__doc__, field


def test_every_failure_of_a_mod_is_caught_by_one_class():
    kinds = (errors.ModError, errors.ModTimeout, errors.ModCrashed, errors.ModUnavailable, errors.QueueFull)
    assert all(issubclass(kind, errors.ModFailure) for kind in kinds)
    assert not any(issubclass(kind, errors.UsageError) for kind in kinds)


def test_the_author_s_api_imports_without_linux():
    """Editors on other systems complete names: nothing that only Linux has may be imported with it."""
    program = (
        "import sys\n"
        "for name in ('fcntl', 'resource', 'termios', 'pwd', 'fumehood.shared._ring'): sys.modules[name] = None\n"
        "sys.platform = 'win32'\n"
        "import fumehood.worker\n"
        "print(fumehood.worker.on, fumehood.worker.state)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_outside_linux_launch_says_what_to_do():
    program = (
        "import sys\n"
        "for name in ('fcntl', 'resource', 'termios', 'pwd', 'fumehood.shared._ring'): sys.modules[name] = None\n"
        "sys.platform = 'darwin'\n"
        "from fumehood.runner import MachineError, launch\n"
        "try: launch('.')\n"
        "except MachineError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert "container" in done.stdout, done.stderr
    assert "WSL2" in done.stdout


def test_the_version_is_said_once():
    from importlib import metadata

    assert metadata.version("fumehood") == fumehood.__version__


def test_the_awaited_form_has_the_same_names():
    for kind, awaited in ((runner.Mods, aio.Mods), (runner.Mod, aio.Mod)):
        names = {name for name in dir(kind) if not name.startswith("_")}
        assert names <= set(dir(awaited))
        for name in names:
            plain, other = getattr(kind, name), getattr(awaited, name)
            if callable(plain):
                assert list(inspect.signature(other).parameters) == list(inspect.signature(plain).parameters), name
    for name in ("launch", "connect"):
        plain, other = inspect.signature(getattr(runner, name)), inspect.signature(getattr(aio, name))
        assert list(other.parameters) == list(plain.parameters)
