"""The ablation: every layer can still be taken out of a copy, and the difference that makes is seen."""

import compileall
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

STRESS = Path(__file__).parent.parent.parent / "stress"
sys.path.insert(0, str(STRESS))  # its scripts are no package
import layers_removed  # noqa: E402

sys.path.remove(str(STRESS))
NAMES = [layer.name for layer in layers_removed.layers(Path("/"))]


@pytest.mark.parametrize("name", NAMES)
def test_a_layer_can_be_taken_out(tmp_path, name):
    layer = next(each for each in layers_removed.layers(tmp_path) if each.name == name)
    site = layers_removed.copy_without([layer], tmp_path)
    for change in layer.changes:
        assert compileall.compile_file(site / "fumehood" / change.file, quiet=2)


def test_code_that_has_moved_on_is_an_error(tmp_path):
    moved = layers_removed.Layer("moved", (layers_removed.Change("worker/zygote.py", "not there"),))
    with pytest.raises(layers_removed.Moved, match=r"worker/zygote.py has not once, but 0 times: 'not there'"):
        layers_removed.copy_without([moved], tmp_path)


def test_the_table_shows_what_a_layer_stops(tmp_path):
    """By the one attack that only limits stop: with them it fails, without them it succeeds, and that is told."""
    command = [sys.executable, STRESS / "layers.py", "--attacks", "resources/mmap_memory", "--json"]
    done = subprocess.run(
        [*command, "--only", "rlimits", "--only", "private root"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["succeed_without"] == {"rlimits": ["resources/mmap_memory"], "private root": []}
    assert found["escapes"] == []
