"""What is built is what works: the wheel and the source distribution, each installed into a fresh environment.

Needs the package index (or a cache of it) for the dependencies, and a C compiler.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent

pytestmark = pytest.mark.timeout(400)

PLAY = """
import pathlib, sys, tempfile
import fumehood.examples, fumehood.runner, fumehood.worker
from fumehood.runner import launch

with tempfile.TemporaryDirectory() as folder:
    pathlib.Path(folder, "hello.py").write_text("def on_greet(who): return 'hello ' + who")
    with launch(folder) as mods:
        print(mods["hello"].call("greet", "wheel", timeout=10))
print(fumehood.__file__)
"""


def run(*argv, cwd, **environment):
    """Run to the end; fail with what it said."""
    done = subprocess.run(
        argv, cwd=cwd, capture_output=True, text=True, timeout=300, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def fresh_environment(folder):
    """A new environment that sees nothing of this one; returns its interpreter."""
    venv.create(folder, with_pip=True, symlinks=True)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(wheel, source distribution), built from a copy of the checkout without what earlier builds left in it."""
    folder = tmp_path_factory.mktemp("build")
    source, out = folder / "fumehood", folder / "out"
    ignore = shutil.ignore_patterns("build", "dist", ".git", ".*cache*", ".venv*", "*.egg-info", "__pycache__", "*.so")
    shutil.copytree(CHECKOUT, source, ignore=ignore)
    python = fresh_environment(folder / "venv")
    run(python, "-m", "pip", "install", "-q", "setuptools>=77", cwd=folder)
    program = (
        "from setuptools import build_meta as b; import sys; out = sys.argv[1]; b.build_sdist(out); b.build_wheel(out)"
    )
    run(python, "-c", program, out, cwd=source)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, sdist


def test_the_wheel_holds_the_package_and_nothing_else(built):
    wheel, _ = built
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"fumehood"}
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".c", ".h"))]
    inside = {name.removeprefix("fumehood/").split("/")[0] for name in names if name.startswith("fumehood/")}
    assert inside == {"__init__.py", "py.typed", "runner", "worker", "shared", "examples", "attacks"}
    stubs = {"shared/_ring.pyi", "worker/_window.pyi", "worker/confine/_calls.pyi"}
    assert {f"fumehood/{stub}" for stub in stubs} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_one_wheel_serves_every_python_from_3_11_on(built):
    wheel, _ = built
    assert "-cp311-abi3-linux_" in wheel.name
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in names if name.endswith(".so")] == [
        "fumehood/shared/_ring.abi3.so",
        "fumehood/worker/_window.abi3.so",
        "fumehood/worker/confine/_calls.abi3.so",
    ]


def test_every_module_of_the_checkout_is_in_the_wheel(built):
    wheel, _ = built
    names = set(zipfile.ZipFile(wheel).namelist())
    for side in ("runner", "worker", "shared", "examples"):
        for file in (CHECKOUT / side).rglob("*"):
            if file.suffix in (".py", ".json", ".toml", ".pyi"):
                assert f"fumehood/{file.relative_to(CHECKOUT)}" in names


def test_the_source_distribution_holds_what_is_needed_to_build_test_and_read(built):
    _, sdist = built
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    sources = {"shared/_ring.c", "shared/_ring.h", "worker/_window.c", "worker/confine/_calls.c"}
    wanted = sources | {"tests/test_packaging.py", ".ci/run", "README.md", "LICENSE"}
    assert wanted <= names
    assert not [name for name in names if name.endswith((".so", ".pyc"))]


@pytest.mark.parametrize("kind", ["wheel", "source distribution"])
def test_installed_into_a_fresh_environment_it_works(built, tmp_path, kind):
    package = built[0] if kind == "wheel" else built[1]
    python = fresh_environment(tmp_path / "venv")
    run(python, "-m", "pip", "install", "-q", package, cwd=tmp_path)
    run(python, "-m", "pip", "check", cwd=tmp_path)
    assert "demo" in run(python.parent / "fumehood", "--help", cwd=tmp_path)
    said = run(python, "-W", "error", "-c", PLAY, cwd=tmp_path, PYTHONPATH="").splitlines()
    assert said[0] == "hello wheel"
    assert Path(said[1]).is_relative_to(tmp_path / "venv")


def test_a_checkout_called_fumehood_does_not_hide_what_is_installed(tmp_path):
    """pytest imports the root's __init__.py as a package named like the folder; see conftest.py."""
    folder = tmp_path / "fumehood"
    (folder / "tests").mkdir(parents=True)
    for name in ("__init__.py", "pyproject.toml", "tests/conftest.py"):
        shutil.copy(CHECKOUT / name, folder / name)
    (folder / "tests" / "test_it.py").write_text("def test_it():\n    import fumehood.shared._ring\n")
    run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder)
