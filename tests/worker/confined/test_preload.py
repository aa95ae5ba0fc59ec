"""Every standard-library module, and numpy when it is named, imports inside a real confined worker."""

import importlib.util
import subprocess
import sys

import pytest
from fumehood.worker.preload import NOT_IMPORTABLE, REFUSED

WALK = f"""
import importlib, pkgutil, sys, warnings
warnings.simplefilter("ignore")
table = {dict.fromkeys(NOT_IMPORTABLE)!r}
skipped = ("__main__", "antigravity", "this")  # __main__ runs a program, the other two are jokes with effects
failed, count = {{}}, 0

def allowed(name):
    parts = name.split(".")
    dotted = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
    return not any(name in table for name in dotted) and not {{"test", "tests", *skipped}} & set(parts)

def load(name):
    global count
    if not allowed(name):
        return
    try:
        module = importlib.import_module(name)
    except BaseException as error:
        failed[name] = f"{{type(error).__name__}}: {{error}}"
        return
    count += 1
    for child in pkgutil.iter_modules(getattr(module, "__path__", ())):
        load(f"{{name}}.{{child.name}}")

for name in sorted(sys.stdlib_module_names):
    load(name)
result = count, failed
"""


def fails_outside(name):
    """Whether a module does not import in this Python without any confinement either: a library was missing."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "ignore", "-c", f"import {name}"],
        capture_output=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode != 0


def test_every_module_of_the_standard_library_imports(cell):
    count, failed = cell.ask(WALK)
    assert {name: why for name, why in failed.items() if not fails_outside(name)} == {}
    assert count > 500


def test_what_is_said_not_to_preload_does_not_import_outside_either(cells):
    assert [name for name in cells.up.unimportable if not fails_outside(name)] == []


def test_the_tables_give_a_reason_for_each():
    assert all(NOT_IMPORTABLE.values())
    assert all(REFUSED.values())


@pytest.mark.skipif(importlib.util.find_spec("numpy") is None, reason="numpy is not installed")
@pytest.mark.parametrize("mode", ["full", "reduced"])
def test_numpy_works_when_it_is_named_with_one_thread_and_its_own_seed(make_cells, mode):
    from fumehood.shared.policy import Confinement

    cells = make_cells(Confinement(mode), ["numpy"])
    work = """
        import numpy, numpy.random, numpy.linalg, numpy.fft, threading
        a = numpy.arange(90_000, dtype=float).reshape(300, 300)
        product = (a @ a.T)[0, 0]
        legacy, new = numpy.random.random(), numpy.random.default_rng().random()
        norm = numpy.linalg.norm(numpy.eye(3))
        result = *map(float, (product, legacy, new, norm)), threading.active_count()
    """
    first, second = cells.cell().ask(work), cells.cell().ask(work)
    assert first[0] == second[0] == sum(i * i for i in range(300))
    assert first[1] != second[1]
    assert first[2] != second[2]
    assert first[3] == pytest.approx(3**0.5)
    assert first[4] == 1


def test_a_package_that_nobody_named_is_not_there(cell):
    assert (
        cell.ask("""
        try:
            import watchdog
        except ModuleNotFoundError as error:
            result = error.name
    """)
        == "watchdog"
    )
