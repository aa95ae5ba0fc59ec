"""What a launch may be told, end to end: the mods see the packages, saves are seen by polling, and the reduced mode
reloads and rolls back as the full one does."""

import contextlib
import os
from pathlib import Path

import pytest

ARRAYS = """
import numpy
from fumehood.worker import on, state
V = {version}
@on("add")
def add(numbers):
    state["sum"] = state.get("sum", numpy.zeros(len(numbers))) + numpy.array(numbers)
    return [state["sum"].tolist(), float(numpy.linalg.norm(state["sum"])), V]
"""


@pytest.mark.parametrize("confinement", ["full", "reduced"])
def test_a_mod_uses_a_package_and_carries_its_objects(launched, tmp_path, confinement):
    with launched(tmp_path / "mods", packages=["numpy"], confinement=confinement) as bench:
        bench.load("a", ARRAYS.format(version=1))
        assert bench.mods["a"].call("add", [3, 4], timeout=20) == [[3.0, 4.0], 5.0, 1]
        bench.load("a", ARRAYS.format(version=2))
        assert bench.mods["a"].call("add", [3, 4], timeout=20) == [[6.0, 8.0], 10.0, 2]


@pytest.mark.parametrize("confinement", ["full", "reduced"])
def test_a_package_that_was_not_named_is_not_there(launched, tmp_path, confinement):
    """Although it is installed where the game runs."""
    with launched(tmp_path / "mods", confinement=confinement) as bench:
        diagnostic = bench.load("a", ARRAYS.format(version=1), "refused").diagnostic
        assert (diagnostic.stage, diagnostic.kind) == ("import", "ModuleNotFoundError")
        assert "numpy" in diagnostic.message


def watches(pid):
    """Whether a process has inotify at work."""
    found = []
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
            found.append(str(fd.readlink()))
    return any("inotify" in name for name in found)


def test_a_save_goes_live_by_polling_alone(launched, tmp_path):
    with launched(tmp_path / "mods", watcher="polling") as bench:
        assert not watches(bench.supervisor.pid)
        assert bench.load("a", bench.counter(1)).live_version == 1
        assert bench.mods["a"].call("count") == [1, 1]
        assert bench.load("a", bench.counter(2)).live_version == 2
        assert bench.mods["a"].call("count") == [2, 2]
        since = bench.mark()
        (bench.root / "a.py").unlink()
        assert bench.next("a", since, "unloaded").version == 2
        assert not watches(bench.supervisor.pid)


def test_the_native_watcher_is_another(launched, tmp_path):
    with launched(tmp_path / "mods", watcher="native") as bench:
        assert watches(bench.supervisor.pid)
        assert bench.load("a", bench.counter(1)).live_version == 1


FAILURES = {
    "hang": ("while True: pass", "LimitExceeded", "(limit: hang_after = 0.4)"),
    "crash": ("__import__('ctypes').string_at(0)", "SIGSEGV", "segmentation fault"),
    "exit": ("__import__('os')._exit(3)", "Exited", "status 3"),
}


@pytest.fixture(scope="module")
def reduced(launched, tmp_path_factory):
    """A launch in the reduced mode, which these tests share."""
    with launched(tmp_path_factory.mktemp("reduced") / "mods", confinement="reduced") as it:
        yield it


def test_reduced_a_reload_carries_the_state(reduced, mod):
    for version in (1, 2, 3):
        assert reduced.load(mod, reduced.counter(version)).live_version == version
        assert reduced.mods[mod].call("count") == [version, version]


def test_reduced_is_what_it_says(reduced, mod):
    """Without namespaces: in the full mode a mod reads another name."""
    reduced.load(mod, "import os\ndef on_host(): return os.uname().nodename\n")
    assert reduced.mods[mod].call("host") == os.uname().nodename


@pytest.mark.parametrize("how", FAILURES)
def test_reduced_what_fails_is_rolled_back(reduced, mod, how):
    code, kind, says = FAILURES[how]
    reduced.load(mod, reduced.counter(1))
    assert reduced.mods[mod].call("count") == [1, 1]
    reduced.load(mod, reduced.counter(2, f"@on('fail')\ndef fail():\n    {code}\n"))
    assert reduced.mods[mod].call("count") == [2, 2]
    since = reduced.mark()
    outcome = reduced.mods[mod].call_outcome("fail", timeout=20)
    assert type(outcome.error).__name__ == "ModCrashed"
    receipt = reduced.next(mod, since, "rolled back")
    assert (receipt.version, receipt.live_version, receipt.diagnostic.kind) == (2, 1, kind), receipt.diagnostic
    assert says in receipt.diagnostic.message
    if kind != "Exited":
        assert receipt.diagnostic.file == f"{mod}.py"
    count, version = reduced.mods[mod].call("count", timeout=20)
    assert version == 1
    assert count in (2, 3), "from what was handed over, or from a later checkpoint"
    assert reduced.load(mod, reduced.counter(3)).live_version == 3


def test_reduced_what_cannot_load_is_refused(reduced, mod):
    reduced.load(mod, reduced.counter(1))
    assert reduced.load(mod, "1 / 0\n", "refused").diagnostic.kind == "ZeroDivisionError"
    assert reduced.mods[mod].call("count") == [1, 1]
