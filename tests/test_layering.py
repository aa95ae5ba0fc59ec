"""The law of the house, ``runner → shared ← worker``: by what is imported, by what is written, by import-linter."""

import ast
import json
import subprocess
import sys
from importlib import util
from pathlib import Path

import fumehood
import pytest

PACKAGE = Path(fumehood.__file__).parent
FORBIDDEN = {"runner": {"worker"}, "worker": {"runner"}, "shared": {"runner", "worker"}}
CHECKOUT = Path(__file__).parent.parent


def sources(side):
    """Every Python file of one side of the installed package."""
    return sorted((PACKAGE / side).rglob("*.py"))


def modules(side):
    """Importable names of one side, the package itself first."""
    for file in sources(side):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(("fumehood", *(parts[:-1] if parts[-1] == "__init__" else parts)))


def loaded_by(names):
    """In a fresh interpreter: import `names`, and return the modules of ours that are loaded then."""
    program = "import importlib, json, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    program += "print(json.dumps(sorted(name for name in sys.modules if name.startswith('fumehood'))))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *names], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("side", FORBIDDEN)
def test_a_fresh_interpreter_loads_no_module_of_a_forbidden_side(side):
    loaded = loaded_by(modules(side))
    assert f"fumehood.{side}" in loaded
    for other in FORBIDDEN[side]:
        assert not [name for name in loaded if name.startswith(f"fumehood.{other}")]


def test_the_root_imports_nothing():
    assert loaded_by(["fumehood"]) == ["fumehood"]


def imported_names(file):
    """Absolute dotted names of everything a file imports, wherever in it the import stands."""
    package = ("fumehood", *file.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(file.read_bytes(), str(file))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            yield node.lineno, module
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


@pytest.mark.parametrize("side", FORBIDDEN)
def test_no_file_writes_an_import_of_a_forbidden_side(side):
    """Late imports too, which a fresh interpreter does not see."""
    wrong = [
        f"{file.relative_to(PACKAGE)}:{line} imports {name}"
        for file in sources(side)
        for line, name in imported_names(file)
        for other in FORBIDDEN[side]
        if f"{name}.".startswith(f"fumehood.{other}.") or f"{name}.".startswith(f"{other}.")
    ]
    assert not wrong


def test_the_check_of_written_imports_sees_each_way_to_write_one(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    file = tmp_path / "shared" / "a.py"
    file.parent.mkdir()
    file.write_text("import fumehood.worker.x\nfrom ..runner import y\nfrom .. import worker\nfrom . import b\n")
    names = {name for _, name in imported_names(file)}
    assert names >= {"fumehood.worker.x", "fumehood.runner", "fumehood.worker", "fumehood.shared.b"}


def test_only_a_launch_brings_the_supervisor_in():
    """A game that imports the API pays for no watcher, no command line and no terminal."""
    loaded = loaded_by(["fumehood.runner"])
    for heavy in ("cli", "demo", "doctor", "supervisor"):
        assert f"fumehood.runner.{heavy}" not in loaded


@pytest.mark.skipif(
    util.find_spec("importlinter") is None, reason="import-linter is in the extra dev, which CI installs"
)
def test_import_linter_keeps_the_contracts(tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from importlinter.cli import lint_imports_command as lint; sys.exit(lint())",
            "--config",
            str(CHECKOUT / "pyproject.toml"),
            "--no-cache",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # fmt: skip - one argv, one line
    assert done.returncode == 0, done.stdout + done.stderr
