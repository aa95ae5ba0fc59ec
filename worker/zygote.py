"""The zygote: imports what workers need, confines itself, and forks confined workers when the supervisor asks.

::

    supervisor ──exec──▶ zygote                 python -I -S, scrubbed environment, single-threaded, one poll loop
                           └─clone(NEWPID)─▶ worker   pid 1 of a pid namespace of its own

Everything is imported before any namespace is entered: extension modules and the shared libraries they need can lie
anywhere, and must be mapped executable; the private root then needs to hold no library and nothing executable.

Rejected: a pid namespace for the zygote with a reaper as its pid 1, and `unshare(NEWPID)`, fork, `setns` back for each
worker: two more processes, and two more forks between the exec and the zygote, for nothing that is missing here. What
it gave, that all die with the zygote, PR_SET_PDEATHSIG gives: no worker can take that back, and its kernel-sent SIGKILL
cannot be blocked. (The zygote must not be pid 1 in any case: workers, pid 1 each, would share OpenSSL's random
generator, which tells a fork by its pid.)
"""

import gc
import importlib
import os
import socket
import sys
from typing import Any, Final, NoReturn

import msgspec

from ..shared import held, packets
from ..shared.errors import MachineError
from ..shared.exits import Exit
from ..shared.messages import ZygoteUp, pack
from ..shared.plan import Plan
from ..shared.policy import Confinement
from . import mappings, preload
from .bootstrap import Entry, Prepared, report_faults
from .confine import LayerMissing, calls, capabilities, fds, identity, landlock, namespaces, rlimits, root, seccomp
from .forks import Forks

_HIDDEN: Final = ("site-packages", "dist-packages")
"""Folders that some builds of Python keep inside the standard library's: other people's packages, covered."""


def main(control: int, raw_plan: dict[str, Any]) -> NoReturn:
    """The zygote, from its exec to its end. UNAVAILABLE and one line on stderr that names a layer: it is missing."""
    try:
        serve(msgspec.convert(raw_plan, Plan), control)
    except MachineError as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
        os._exit(Exit.UNAVAILABLE)
    os._exit(Exit.OK)


def serve(plan: Plan, control: int) -> None:
    """What is done once, for all workers, in order; then forks, until the supervisor closes the control socket."""
    full = plan.confinement is Confinement.FULL
    namespaces.die_with_parent(plan.parent)
    control = fds.hold_places(control)
    stdlib = [path for path in sys.path if path not in plan.search and os.path.exists(path)]  # noqa: PTH110 (strings)
    entry = _entry(plan.entry)
    unimportable = preload.import_all(stdlib, plan.packages)
    program = seccomp.compile_program(plan.confinement)
    mappings.merge()  # all libraries are there, and /proc is still
    prove_single_threaded()
    prove_unshared()
    rlimits.volunteer_for_oom()
    rlimits.prepare()
    visible = visible_paths(plan, stdlib)
    base = rlimits.address_space()
    covered = [] if full else [path for path in hidden_paths(stdlib) if os.path.isdir(path)]  # noqa: PTH112
    if full:
        enter_private_root(visible, hidden_paths(stdlib))
        capabilities.forbid_new()
        capabilities.lock()
        fds.give(landlock.build(visible, [root.OWN], listable=plan.search), fds.Held.RULESET)
        namespaces.die_with_parent(plan.parent)  # once more: changes of credentials have taken it back
    else:
        leave_privilege(visible)
        namespaces.outlive_parent()  # there are folders to clear away: it ends at the end of the control socket
        hold_scratches(plan.scratch)
        if covered:
            fds.give(landlock.build_without(covered, visible, plan.scratch), fds.Held.LIBRARY)
    preload.settle(stdlib)
    _set_up_streams()
    report_faults()
    channel = socket.socket(fileno=control)
    pidfd = os.pidfd_open(os.getpid())
    prepared = Prepared(plan.confinement, entry, base, visible, program, pidfd, covered=bool(covered))
    forks = Forks(channel, prepared, plan.scratch)
    forks.rehearse()
    gc.collect()
    gc.freeze()
    packets.send(channel, pack(ZygoteUp(_layers(full), unimportable, base)))
    try:
        forks.serve()
    finally:
        forks.clear_away()


def enter_private_root(visible: list[str], hidden: list[str]) -> None:
    """Namespaces and root. As root: first take the folders it will show, then give up what lets it read them."""
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
        raise LayerMissing("private root", f"others may not read {bad[0]}", root.NOT_FOR_OTHERS.format(bad[0]))


def leave_privilege(visible: list[str]) -> None:
    """Reduced mode: no capability, nothing to be gained, and root becomes nobody in particular."""
    as_root = os.geteuid() == 0
    keep = as_root and identity.as_unprivileged(lambda: root.unreadable(visible))
    capabilities.forbid_new(bounding=as_root)
    if as_root:
        identity.drop_root(keep_file_access=keep)
    if keep:
        capabilities.lock()
    calls.run(capabilities.drop_all())


def hold_scratches(path: str) -> None:
    """Reduced mode: make the folder for the workers' folders. It is let go of by the end of this process, however that
    comes: the descriptor stays open. Raises LayerMissing."""
    try:
        held.make(path)
    except OSError as error:
        where, who = os.path.dirname(path), f"uid {os.geteuid()}"  # noqa: PTH120 (a str all along)
        remedy = f"Set TMPDIR to a folder in which {who} may make one."
        raise LayerMissing("scratch", f"{who} cannot make a folder in {where}: {error.strerror}", remedy) from error


def visible_paths(plan: Plan, stdlib: list[str]) -> list[str]:
    """Every folder and file that workers may read: the standard library, fumehood's worker side, the packages."""
    own = [f"{plan.fumehood}/{part}" for part in ("__init__.py", "worker", "shared")]
    return list(dict.fromkeys([*stdlib, *own, *plan.packages.values(), *plan.companions]))


def hidden_paths(stdlib: list[str]) -> list[str]:
    """Folders inside the visible ones to be covered by an empty one."""
    return [f"{path}/{name}" for path in stdlib for name in _HIDDEN]


def prove_single_threaded() -> None:
    """Raises MachineError when a preloaded package has started a thread: its locks would be copied as they stand."""
    if (count := preload.tasks()) > 1:
        raise MachineError(
            f"a preloaded package started {count - 1} thread(s), which forks do not survive. "
            "Name fewer packages, or one that starts its threads when it is used."
        )


def prove_unshared() -> None:
    """Raises MachineError when a preloaded package has mapped memory that all forks would share, and may write to."""
    if found := mappings.shared(mappings.look()):
        size = sum(each.end - each.start for each in found)
        raise MachineError(
            f"a preloaded package mapped {size} bytes of shared memory ({found[0].file}): mods would talk through it. "
            "Name fewer packages."
        )


def _set_up_streams() -> None:
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a TextIOWrapper, as at every start


def _layers(full: bool) -> dict[str, str]:
    """For ZygoteUp: layer name to "on", or why it is off. Whatever failed has raised before this."""
    of_namespaces = (*(f"{kind} namespace" for kind in namespaces.KINDS), "private root")
    layers = dict.fromkeys(of_namespaces, "on" if full else "off: reduced mode")
    return layers | {"rlimits": "on", "capabilities": "on", "Landlock": landlock.describe(), "seccomp": "on"}


def _entry(name: str) -> Entry:
    module, _, function = name.partition(":")
    entry: Entry = getattr(importlib.import_module(module), function)
    return entry
