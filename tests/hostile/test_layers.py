"""The ablation: every layer can still be taken out of a copy, and the difference that makes is seen."""

import compileall
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fumehood.runner import corpus

STRESS = Path(__file__).parent.parent.parent / "stress"
sys.path.insert(0, str(STRESS))  # its scripts are no package
import layers_listed  # noqa: E402
import layers_removed  # noqa: E402

sys.path.remove(str(STRESS))
SECURITY = layers_listed.DOCUMENT.read_text()
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


def ablation(folder, attacks, *layers):
    """What layers.py finds of these attacks without each of these layers."""
    only = [word for layer in layers for word in ("--only", layer)]
    done = subprocess.run(
        [sys.executable, STRESS / "layers.py", "--attacks", attacks, "--json", *only],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=folder,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_table_shows_what_a_layer_stops(tmp_path):
    """By the one attack that only limits stop: with them it fails, without them it succeeds, and that is told."""
    found = ablation(tmp_path, "resources/mmap_memory", "rlimits", "private root")
    assert found["succeed_without"] == {"rlimits": ["resources/mmap_memory"], "private root": []}
    assert found["escapes"] == []


def test_what_a_second_layer_stands_behind_is_shown(tmp_path):
    """A file of the host's has no name in the private root; where it has one, Landlock does not let it be opened."""
    found = ablation(tmp_path, "files/host_file", "Landlock", "private root")
    assert found["succeed_without"] == {"Landlock": [], "private root": []}
    assert found["behind"]["Landlock"] == {"private root": ["files/host_file"]}


def test_what_breaks_the_game_breaks_it_for_no_other_attack(tmp_path):
    """Where the worker owns what it reads, and seccomp alone keeps it from taking that from those who come later."""
    found = ablation(tmp_path, "memory/view_", "seccomp")
    broke = [] if os.geteuid() == 0 else ["memory/view_mode"]
    assert found["broke_the_game"] == ({"seccomp": broke} if broke else {})
    before, after = found["endings"]["(none)"], found["endings"]["seccomp"]
    assert set(broke) <= set(found["succeed_without"]["seccomp"])
    for name in ("memory/view_mapped_to_write", "memory/view_opened_again", "memory/view_shrink", "memory/view_write"):
        assert after[name] == before[name]


def test_security_md_lists_attacks_that_those_layers_are_to_stop():
    attacks = {attack.name: attack for attack in corpus.read()}
    listed, besides = layers_listed.read(), layers_listed.read(user=True)
    assert sum(map(len, listed.values())) > 100
    assert not {name for names in listed.values() for name in names} & {name for of in besides.values() for name in of}
    for layer, names in (*listed.items(), *besides.items()):
        assert layer in NAMES
        assert f"**{layer}** ({len(names)}):" in layers_listed.DOCUMENT.read_text()
        for name in names:
            assert attacks[name].full.layer == layer, name


def test_the_list_in_security_md_is_written_and_compared(tmp_path, monkeypatch):
    document = tmp_path / "SECURITY.md"
    document.write_text(layers_listed.DOCUMENT.read_text())
    monkeypatch.setattr(layers_listed, "DOCUMENT", document)
    before = layers_listed.read()
    layers_listed.write(before)
    assert layers_listed.differences(before).lines() == []
    assert document.read_text() == SECURITY
    one = next(name for name in before["seccomp"] if name.startswith("kernel/"))
    without = {layer: [name for name in names if name != one] for layer, names in before.items()}
    assert layers_listed.differences(without).lines() == [f"{one} is not stopped by seccomp alone"]
    assert layers_listed.differences(without, {one}).lines() == [], "where the machine lacks it, it says nothing"
    layers_listed.write(without, {one})
    assert document.read_text() == SECURITY
    with_more = {**before, "seccomp": [*before["seccomp"], "code/users"]}
    assert "code/users is stopped by seccomp alone" in layers_listed.differences(with_more, user=True).lines()
    layers_listed.write(with_more, user=True)
    assert layers_listed.read(user=True) == {"seccomp": ["code/users"]}
    assert layers_listed.differences(with_more, user=True).lines() == []
    assert layers_listed.read() == before
    found = {"seccomp": ["code/one", "code/two", "kernel/three"], "rlimits": ["files/four"], "patrol": []}
    layers_listed.write(found)
    assert layers_listed.read() == {layer: names for layer, names in found.items() if names}
    assert layers_listed.differences({"seccomp": ["code/one", "code/two"], "patrol": ["files/four"]}).lines() == [
        "files/four is stopped by patrol alone",
        "files/four is not stopped by rlimits alone",
        "kernel/three is not stopped by seccomp alone",
    ]
