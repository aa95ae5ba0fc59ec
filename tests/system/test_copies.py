"""Which copy of fumehood runs: a clone beside the game hides what is installed, and a copy serves itself."""

import shutil
import subprocess
import sys
from pathlib import Path

import fumehood
import pytest

PACKAGE = Path(fumehood.__file__).parent
CHECKOUT = Path(__file__).parent.parent.parent

GAME = """
import pathlib
from fumehood.runner import launch

pathlib.Path("mods").mkdir()
pathlib.Path("mods/who.py").write_text("import fumehood\\ndef on_version(): return fumehood.__version__")
with launch("mods") as mods:
    print(mods["who"].call("version", timeout=10))
"""


def copy(package, target, *ignored):
    shutil.copytree(package, target, ignore=shutil.ignore_patterns("__pycache__", *ignored))


def play(place, program=GAME):
    (place / "game.py").write_text(program)
    return subprocess.run(
        [sys.executable, "game.py"], cwd=place, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("program", [GAME, "from fumehood.runner import Mods"])
def test_a_game_beside_a_clone_is_told_where_to_run(tmp_path, program):
    copy(PACKAGE, tmp_path / "fumehood", "*.so")
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path / "fumehood")
    done = play(tmp_path, program)
    said = done.stderr.splitlines()[-1]
    assert said.startswith(f"ImportError: the checkout at {tmp_path / 'fumehood'} is being imported, not the installed")
    assert f"run the game from another folder than {tmp_path}, or install with: pip install" in said
    assert "During handling" not in done.stderr


def test_an_installation_without_its_c_part_says_so(tmp_path):
    copy(PACKAGE, tmp_path / "fumehood", "*.so")
    assert "has no C part for this Python: install it anew, with pip" in play(tmp_path).stderr


def test_the_supervisor_and_the_mods_run_the_copy_that_the_game_imports(tmp_path):
    copy(PACKAGE, tmp_path / "fumehood")
    root = tmp_path / "fumehood" / "__init__.py"
    root.write_text(root.read_text().replace(f'"{fumehood.__version__}"', '"0.0.7"'))
    done = play(tmp_path)
    assert done.stdout == "0.0.7\n", done.stderr
