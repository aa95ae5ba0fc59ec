"""What is found for the private root: the packages that were named, what they need, and nothing else."""

import sys
from pathlib import Path

import fumehood
import pytest
from fumehood.runner import packages
from fumehood.shared.errors import ConfigError


def install(site, name, module, *, requires=(), files=()):
    """Put a distribution down the way pip does: a folder or file, a dist-info with its list of files."""
    (site / module).parent.mkdir(parents=True, exist_ok=True)
    (site / module).write_text("")
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0", *(f"Requires-Dist: {each}" for each in requires)]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    for file in files:
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_text("")
    names = [module, *files, f"{info.name}/METADATA", f"{info.name}/RECORD", "../../../bin/tool"]
    (info / "RECORD").write_text("".join(f"{each},,\n" for each in names))


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A site-packages folder of its own."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_fumehood_and_what_it_imports_are_always_found():
    found = packages.locate([])
    assert set(found.packages) == set(packages.ALWAYS)
    assert found.named == []
    assert Path(packages.fumehood_folder(), "worker", "start.py").is_file()
    assert Path(packages.fumehood_folder()).samefile(Path(fumehood.__file__).parent)


def test_a_package_comes_with_its_libraries_and_what_it_requires_and_without_its_neighbours(site):
    install(site, "Big-Math", "bigmath/__init__.py", requires=["helper>=1", "gone; extra == 'x'", "absent"],
            files=["big_math.libs/libblas.so", "_bigspeed.py"])  # fmt: skip
    install(site, "helper", "helper.py")
    install(site, "neighbour", "neighbour/__init__.py")
    found = packages.locate(["bigmath"])
    assert found.named == ["bigmath"]
    assert set(found.packages) - set(packages.ALWAYS) == {"bigmath", "_bigspeed", "helper"}
    assert found.packages["bigmath"] == str(site / "bigmath")
    assert found.packages["helper"] == str(site / "helper.py")
    names = {Path(path).name for path in found.companions}
    assert {"big_math.libs", "Big_Math-1.0.dist-info", "helper-1.0.dist-info"} <= names
    assert not [path for path in (*found.companions, *found.packages.values()) if "neighbour" in path or "bin" in path]


def test_the_name_of_a_distribution_does_as_well_as_that_of_its_module(site):
    install(site, "Py-Yaml.Like", "yamllike/__init__.py")
    assert packages.locate(["py_yaml-like"]).named == ["yamllike"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("no_such_thing", "pip install no_such_thing"), ("not/a name", "not installed"), ("os", "always there")],
)
def test_what_cannot_be_had_is_named(name, words):
    with pytest.raises(ConfigError, match=words):
        packages.locate([name])


def test_nothing_is_executed_while_looking(site):
    install(site, "boom", "boom/__init__.py")
    (site / "boom" / "__init__.py").write_text("raise SystemExit('executed')")
    assert packages.locate(["boom"]).named == ["boom"]
    assert "boom" not in sys.modules
