"""How a snapshot becomes a mod that could go live: the stages of a candidate, each timed, each with its own failure."""

import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from ..shared.messages import Assign, Bound
from ..shared.states import Stage
from . import api, handlers, loader
from .agreed import Agreed
from .misfit import Misfit, a


class Mod(NamedTuple):
    """An imported mod, and what it offers."""

    module: ModuleType
    handlers: handlers.Handlers
    state_version: int
    migrate: Callable[..., Any] | None
    on_load: Callable[..., Any] | None
    on_unload: Callable[..., Any] | None
    bound: Bound
    """What the supervisor is told of it."""


def prepare(
    assign: Assign,
    snapshot: list[dict[str, bytes]],
    scratch: str,
    enter: Callable[[Stage], None],
    agreed: Agreed | None = None,
) -> Mod:
    """Worker, candidate: check, compile, lay and import, bind, test. `enter` is called as each stage begins.

    `snapshot`: the files of the mod, then those of each library. `agreed`: what the game declares.

    Raises whatever the mod raises, any BaseException; Misfit, SyntaxError.
    """
    stages: dict[str, float] = {}
    last = time.perf_counter_ns()

    def done(stage: Stage) -> None:
        nonlocal last
        now = time.perf_counter_ns()
        stages[stage] = (now - last) / 1000
        last = now

    named = [(assign.mod, assign.module, assign.folder), *assign.libraries]
    layouts = [loader.Layout(*names, scratch) for names in named]
    laid = list(zip(layouts, snapshot, strict=True))
    for layout, files in laid:
        layout.check(files)

    enter(Stage.COMPILE)
    finder = loader.compile_all(laid)
    done(Stage.COMPILE)

    enter(Stage.IMPORT)
    api.close_state()
    for layout, files in laid:
        layout.lay(files)
    registrations = handlers.record()
    module = loader.import_main(layouts[0], finder)
    done(Stage.IMPORT)

    enter(Stage.BIND)
    own = [each for each in registrations if each.path not in finder.borrowed]
    table = handlers.bind(module, finder.own_files(), own, agreed)
    version = _state_version(module)
    migrate, on_load, on_unload, selftest = (
        handlers.hook(module, name) for name in ("migrate", "on_load", "on_unload", "selftest")
    )
    done(Stage.BIND)

    api.open_state()
    if selftest is not None:
        enter(Stage.SELFTEST)
        try:
            if selftest() is False:  # nothing else that it returns means anything
                raise Misfit(
                    "selftest() returned False: the version is refused",
                    kind="SelftestFailed",
                    **handlers.stands(selftest),
                )
        finally:
            api.state.clear()
        done(Stage.SELFTEST)
    return Mod(
        module,
        table,
        version,
        migrate,
        on_load,
        on_unload,
        Bound(table.events, dict(table.filters), version, stages, selftest is not None),
    )


def _state_version(module: ModuleType) -> int:
    version = vars(module).get("STATE_VERSION", 1)
    if type(version) is int and 1 <= version < 2**63:
        return version
    text = (
        f"STATE_VERSION must be an int from 1; it is {version!r:.60}"
        if type(version) in (int, float, str, bool)
        else ""
    )
    raise Misfit(text or f"STATE_VERSION must be an int from 1; it is {a(version)}", path=module.__file__ or "")
