"""The zygote: imports what workers need, confines itself, and forks confined workers when the supervisor asks.

::

    supervisor ──exec──▶ stage 0          trusted, outside: imports, opens, compiles; then only waits
                           └─fork─▶ init       pid 1 of the namespaces: reaps; all die with it
                                      └─fork─▶ zygote      single-threaded, one poll loop
                                                 └─fork─▶ worker    pid 1 of a pid namespace of its own

In the reduced mode there are no namespaces, so no init: stage 0 forks the zygote itself, and clears the workers' folders
away after it.

Why the zygote is not pid 1: its forks, each pid 1 of its own namespace, would share OpenSSL's random generator, which
notices a fork by the pid. Why everything is imported in stage 0, before any namespace: extension modules and the shared
libraries they need can be anywhere, and must be mapped executable; the private root then needs to hold neither. The pages
are shared by all four, so that init and stage 0 cost almost nothing.
"""

import gc
import importlib
import os
import shutil
import signal
import socket
import sys
from typing import Any, Final, NoReturn

import msgspec

from ..shared import packets
from ..shared.errors import MachineError
from ..shared.exits import Exit
from ..shared.messages import ZygoteUp, pack
from ..shared.plan import Plan
from ..shared.policy import Confinement
from . import preload
from .bootstrap import Entry, Prepared
from .confine import LayerMissing, capabilities, fds, identity, landlock, namespaces, rlimits, root, seccomp
from .forks import Forks

_HIDDEN: Final = ("site-packages", "dist-packages")
"""Folders that some builds of Python keep inside the standard library's: other people's packages, covered."""


def main(control: int, raw_plan: dict[str, Any]) -> NoReturn:
    """Stage 0. Ends with the status of what it started, or UNAVAILABLE and one line on stderr that names a layer."""
    try:
        status = _stage0(msgspec.convert(raw_plan, Plan), control)
    except MachineError as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
        status = Exit.UNAVAILABLE
    os._exit(status)


def _stage0(plan: Plan, control: int) -> int:
    """Stage 0: what is done once, for all workers, in order. Returns the exit status of init or the zygote."""
    namespaces.die_with_parent(plan.parent)
    full = plan.confinement is Confinement.FULL
    stdlib = [path for path in sys.path if path not in plan.search and os.path.exists(path)]  # noqa: PTH110 (strings)
    supervisor = os.pidfd_open(plan.parent)
    entry = _entry(plan.entry)
    unimportable = preload.import_all(stdlib, plan.packages, plan.named)
    program = seccomp.compile_program(plan.confinement)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    prove_single_threaded(proc)
    rlimits.volunteer_for_oom()
    gc.collect()
    gc.freeze()
    visible = visible_paths(plan, stdlib)
    if full:
        enter_private_root(visible, [f"{path}/{name}" for path in stdlib for name in _HIDDEN])
    else:
        leave_privilege(visible)
        os.mkdir(plan.scratch, 0o700)  # noqa: PTH102 (a str already)
    namespaces.die_with_parent(plan.parent)
    prepared = Prepared(plan.confinement, entry, 0, null, -1, visible, program, 0)
    lifeline, held = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(held)
        os.close(supervisor)
        namespaces.die_with_parent(None)
        if namespaces.ended(lifeline):
            os._exit(Exit.OK)
        if full and (zygote := os.fork()):
            _be_init(zygote)
        os.close(lifeline)
        _be_zygote(prepared, plan, control, proc, unimportable)
    return _wait(child, supervisor, held, plan)


def _wait(child: int, supervisor: int, lifeline: int, plan: Plan) -> int:
    """Stage 0, to its end: nothing open but what it waits on, no capability. Returns the exit status for its own."""
    fds.close_all_but(supervisor, lifeline)
    capabilities.drop_all(lock=plan.confinement is Confinement.FULL)
    if plan.confinement is Confinement.REDUCED:
        # There is a folder to clear away, so the supervisor's death may not kill this process: it looks for it.
        namespaces.outlive_parent()
        namespaces.wait_for_any(os.pidfd_open(child), supervisor)
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if plan.scratch:
        shutil.rmtree(plan.scratch, ignore_errors=True)
    return status if status >= 0 else Exit.INTERNAL


def _be_init(zygote: int) -> NoReturn:
    """Pid 1 of the namespaces: holds nothing, reaps whoever is left without a parent, ends when the zygote does.

    Its end is the end of every process in these namespaces: the kernel sees to that.
    """
    fds.close_all_but()
    capabilities.drop_all(lock=True)
    while True:
        pid, status = os.wait()
        if pid == zygote:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else Exit.INTERNAL)


def _be_zygote(prepared: Prepared, plan: Plan, control: int, proc: int, unimportable: dict[str, str]) -> NoReturn:
    """The zygote proper: the last of its own confinement, then ZygoteUp, then forks until the supervisor is gone."""
    full = plan.confinement is Confinement.FULL
    namespaces.die_with_parent(1 if full else None)
    layers = {
        kind: "on" if full else "off: reduced mode"
        for kind in (*map("{} namespace".format, namespaces.KINDS), "private root")
    }
    ruleset = -1
    if full:
        capabilities.forbid_new()
        ruleset = landlock.build(prepared.readable, [root.OWN])
    layers |= {"rlimits": "on", "capabilities": "on", "Landlock": landlock.describe(), "seccomp": "on"}
    prove_single_threaded(proc)
    base = rlimits.address_space(proc)
    os.close(proc)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a TextIOWrapper, as at every start
    prepared = prepared._replace(base=base, ruleset=ruleset, zygote=0 if full else os.getpid())
    channel = socket.socket(fileno=control)
    forks = Forks(channel, prepared, plan.scratch)
    pidfds = [os.pidfd_open(pid) for pid in ((os.getpid(), 1) if full else (os.getpid(),))]
    packets.send(channel, pack(ZygoteUp(layers, unimportable, base)), tuple(pidfds))
    for pidfd in pidfds:
        os.close(pidfd)
    gc.collect()
    gc.freeze()
    forks.serve()
    os._exit(Exit.OK)


def enter_private_root(visible: list[str], hidden: list[str]) -> None:
    """In stage 0: namespaces and root. Root takes the folders it will show before it gives up what lets it read them."""
    taken: dict[str, int] | None = None
    if os.geteuid() == 0:
        try:
            taken = root.take(visible)
        except LayerMissing:
            taken = None  # root without CAP_SYS_ADMIN: as an ordinary user then, in the user namespace
        identity.drop_root()
    namespaces.enter_all()
    root.enter(root.take(visible) if taken is None else taken, hidden)
    if bad := root.unreadable(visible):
        raise LayerMissing("private root", f"others may not read {bad[0]}", f"Run: chmod -R o+rX {bad[0]}")


def leave_privilege(visible: list[str]) -> None:
    """In stage 0, reduced mode: no capability, nothing to be gained, and root becomes nobody in particular."""
    as_root = os.geteuid() == 0
    keep = as_root and bool(identity.as_unprivileged(lambda: root.unreadable(visible)))
    capabilities.forbid_new(bounding=as_root)
    if as_root:
        identity.drop_root(keep_file_access=keep)
    capabilities.drop_all(lock=keep)


def visible_paths(plan: Plan, stdlib: list[str]) -> list[str]:
    """Every folder and file that workers may read: the standard library, fumehood's worker side, the packages."""
    own = [f"{plan.fumehood}/{part}" for part in ("__init__.py", "worker", "shared")]
    return list(dict.fromkeys([*stdlib, *own, *plan.packages.values(), *plan.companions]))


def prove_single_threaded(proc: int) -> None:
    """Raises MachineError when a preloaded package has started a thread: its locks would be copied as they stand."""
    if (count := preload.tasks(proc)) > 1:
        raise MachineError(
            f"a preloaded package started {count - 1} thread(s), which forks do not survive. Name fewer packages, or one "
            "that starts its threads when it is used."
        )


def _entry(name: str) -> Entry:
    module, _, function = name.partition(":")
    entry: Entry = getattr(importlib.import_module(module), function)
    return entry
