"""What a fork of the zygote does before it runs a single line of a mod: the confinement list, in `confine`.

The order matters. Each step uses what the next one takes away: mounting needs a capability, dropping capabilities must
come before no path is writable, Landlock and seccomp need no_new_privs, and seccomp is last because it forbids most of
what stands above it. Limits come after the zygote's descriptors, one for each worker there is, have been let go: the
limit on open files counts their numbers. A step that fails ends the process with WORKER_CONFINE: no mod code has run.
"""

import faulthandler
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from ..shared.exits import Exit
from ..shared.messages import Confined, pack
from ..shared.policy import Confinement, Limits
from .confine import capabilities, fds, landlock, namespaces, rlimits, root, seeds, syscalls

Entry = Callable[[socket.socket, str], NoReturn]


class Prepared(NamedTuple):
    """What the zygote made once, for all its workers."""

    confinement: Confinement
    entry: Entry
    base: int
    """The zygote's address space, bytes."""
    ruleset: int
    """Landlock. In the reduced mode -1: there each worker's scratch differs, and `readable` says what else."""
    readable: list[str]
    filter: syscalls.SeccompProgram
    zygote: int
    """A pidfd of the zygote's."""


def confine(prepared: Prepared, limits: Limits, errors: int, commands: int, scratch: str) -> dict[str, float]:
    """In a fresh fork of the zygote: run the list. Returns microseconds per step."""
    full = prepared.confinement is Confinement.FULL
    steps: dict[str, float] = {}
    last = time.perf_counter_ns()
    # fmt: off
    for name, step in (
        ("session",         os.setsid),
        ("die with parent", lambda: namespaces.die_with(prepared.zygote)),
        ("scratch",         lambda: root.enter_scratch(scratch, limits, mount=full)),
        ("batch",           lambda: os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))),
        ("capabilities",    capabilities.drop_all),
        ("landlock",        lambda: landlock.restrict(prepared.ruleset, prepared.readable, scratch)),
        ("descriptors",     lambda: fds.arrange(errors, commands)),
        ("rlimits",         lambda: rlimits.apply(limits, prepared.base)),
        ("seeds",           lambda: seeds.renew(scratch)),
        ("faulthandler",    report_faults),
        ("seccomp",         prepared.filter.install),
    ):
        step()
        now = time.perf_counter_ns()
        steps[name] = (now - last) / 1000
        last = now
    # fmt: on
    return steps


def report_faults() -> None:
    """Tracebacks of fatal signals, and on SIGUSR1, to fd 2: how the supervisor asks a hanging worker where it is."""
    faulthandler.enable(2)
    faulthandler.register(signal.SIGUSR1, 2, all_threads=True)


def become_worker(prepared: Prepared, limits: Limits, errors: int, commands: int, scratch: str, began: int) -> NoReturn:
    """In a fresh fork of the zygote: confine, report, go on in the entry function. Never returns, whatever happens.

    `began`: when the zygote took the request, in perf_counter_ns.
    """
    try:
        steps = {"fork": (time.perf_counter_ns() - began) / 1000}
        steps |= confine(prepared, limits, errors, commands, scratch)
        channel = _adopt(fds.COMMANDS)
        os.write(fds.COMMANDS, pack(Confined(steps)))
    except BaseException:  # noqa: BLE001 (a fork must not return into the zygote's loop, whatever it raises)
        for fd in (errors, 2):
            _say(fd, traceback.format_exc())
        os._exit(Exit.WORKER_CONFINE)
    try:
        prepared.entry(channel, scratch)
    except BaseException:  # noqa: BLE001 (as above)
        _say(2, traceback.format_exc())
    os._exit(Exit.FAILED)


def _adopt(fd: int) -> socket.socket:
    """A socket object for a descriptor, without the system calls that socket() would make to learn its kind."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=fd)


def _say(fd: int, text: str) -> None:
    try:
        os.write(fd, text.encode(errors="backslashreplace"))
    except OSError:
        sys.exc_info()  # nobody reads any more
