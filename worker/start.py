"""Executed as a script, `python -I -S worker/start.py zygote|probe CONTROL PLAN`: makes fumehood importable first.

Under -I -S nothing but the standard library is on the path: no virtual environment, no editable install, no .pth file
that could run code. The plan (JSON, read from descriptor PLAN) says where each package lies.
"""

import importlib.util
import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


class Gate:
    """A finder in front of all others: no top-level module but the standard library's and the plan's.

    sys.path holds whole site-packages folders until the private root is entered; without this, a package that nobody
    named would be imported because another one tries to. Taken away again by `preload.settle`.
    """

    def __init__(self, stdlib: list[str], packages: frozenset[str]) -> None:
        self._stdlib = stdlib
        self._packages = packages

    def find_spec(self, name: str, path: Sequence[str] | None = None, _: ModuleType | None = None) -> ModuleSpec | None:
        if path is not None or name in self._packages or name in sys.builtin_module_names:
            return None  # the finders behind this one
        spec = PathFinder.find_spec(name, self._stdlib)
        if spec is None and name not in sys.stdlib_module_names:
            raise ModuleNotFoundError(f"No module named {name!r} among the packages of this sandbox", name=name)
        return spec


def make_importable(plan: dict[str, Any]) -> None:
    """Put the plan's packages on the path and fumehood, from its own folder, into sys.modules."""
    sys.dont_write_bytecode = True
    gate = Gate(list(sys.path), frozenset(("fumehood", *plan["packages"])))
    sys.meta_path.insert(0, gate)
    sys.path.extend(plan["search"])
    folder = plan["fumehood"]
    spec = importlib.util.spec_from_file_location(
        "fumehood", f"{folder}/__init__.py", submodule_search_locations=[folder]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"no fumehood in {folder}")
    module = importlib.util.module_from_spec(spec)
    sys.modules["fumehood"] = module
    spec.loader.exec_module(module)


def drop_lock_hooks() -> None:
    """Keep threading and logging from registering what they do after a fork: make their locks anew, 0.4 ms each time.

    The zygote has one thread and forks while it holds none of them. `random` is reseeded by `confine.seeds`. The hooks
    of everybody else, a package that keeps its own generator for one, do run.
    """
    register = os.register_at_fork

    def register_others(**hooks: Callable[[], object]) -> None:
        if not {getattr(hook, "__module__", "") for hook in hooks.values()} & {"threading", "logging", "random"}:
            register(**hooks)

    os.register_at_fork = register_others  # type: ignore[assignment]  # the stub's overloads say the same in three ways


def main(role: str, control: str, plan_fd: str) -> None:
    with os.fdopen(int(plan_fd), "rb") as file:
        plan = json.load(file)
    drop_lock_hooks()
    make_importable(plan)
    module = importlib.import_module(f"fumehood.worker.{role}")
    module.main(int(control), plan)


if __name__ == "__main__":
    main(*sys.argv[1:])
