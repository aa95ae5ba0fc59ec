"""What a fork of the zygote does before it runs a single line of a mod: the confinement list, in `confine`.

The order matters: a step needs what a later one takes away. Mounting the scratch needs a capability. Dying with the
zygote and Landlock need descriptors of the zygote's. The limits come after those, one for each worker there is, have
been let go: the limit on open files counts their numbers. Seccomp is last because it forbids most of what stands above
it. (no_new_privs, which it and Landlock need, is the zygote's own.) A step that fails ends the process with
WORKER_CONFINE: no mod code has run.

The zygote makes the list, and the fork walks through it before it runs any Python: see `confine.calls`.
"""

import faulthandler
import os
import signal
import socket
import struct
import traceback
from collections.abc import Callable
from typing import Final, NamedTuple, NoReturn

from ..shared.exits import Exit
from ..shared.messages import NANOSECONDS, Confined, pack
from ..shared.policy import Confinement, Limits
from .confine import capabilities, fds, landlock, namespaces, rlimits, root, seccomp, seeds
from .confine.calls import Call, call

Entry = Callable[[socket.socket, str], NoReturn]

_NO_PRIORITY: Final = struct.pack("i", 0)
"""What SCHED_BATCH takes for a sched_param."""


class Prepared(NamedTuple):
    """What the zygote made once, for all its workers."""

    confinement: Confinement
    entry: Entry
    base: int
    """The zygote's address space, bytes."""
    readable: list[str]
    """What Landlock lets them read. In the full mode its ruleset is made and held already."""
    filter: seccomp.Program
    zygote: int
    """A pidfd of the zygote's."""
    covered: bool = False
    """Whether a second Landlock ruleset is held, at LIBRARY: in the reduced mode, where nothing else covers packages
    that lie inside the standard library's folder."""


class Script(NamedTuple):
    """The confinement list of one worker, or of all that have the same limits and the same scratch."""

    calls: tuple[Call, ...]
    report: bytearray
    """A `Confined`, which the last call sends. It ends in the times."""

    def begin(self, now: int) -> None:
        """Note when the zygote took the request: nanoseconds of CLOCK_MONOTONIC."""
        NANOSECONDS.pack_into(self.report, len(self.report) - (len(self.calls) + 1) * NANOSECONDS.size, now)


def write_script(prepared: Prepared, limits: Limits, scratch: str) -> Script:
    """In the zygote: the list, in order."""
    rulesets = (fds.Held.RULESET, fds.Held.LIBRARY) if prepared.covered else (fds.Held.RULESET,)
    listed = [
        call("process group", "setpgid", 0, 0),
        *namespaces.die_with(prepared.zygote),
        *root.enter_scratch(scratch, limits, mount=prepared.confinement is Confinement.FULL),
        call("batch", "sched_setscheduler", 0, os.SCHED_BATCH, _NO_PRIORITY),
        *capabilities.drop_all(),
        *landlock.restrict(*rulesets),
        *fds.arrange(),
        *rlimits.lower(limits, prepared.base),
        *prepared.filter.install(),
    ]
    names = ["fork", *(each.step for each in listed)]
    report = bytearray(pack(Confined(names, bytes(NANOSECONDS.size * (len(names) + 1)))))
    return Script((*listed, call("report", "write", fds.COMMANDS, report, len(report))), report)


def report_faults() -> None:
    """In the zygote, for its forks: tracebacks of fatal signals, and on SIGUSR1, to fd 2: how the supervisor asks a
    hanging worker where it is."""
    faulthandler.enable(2)
    faulthandler.register(signal.SIGUSR1, 2, all_threads=True)


def become_worker(prepared: Prepared, scratch: str, control: socket.socket) -> NoReturn:
    """In a fork that has confined itself and said so: go on in the entry function. Never returns, whatever happens.

    `control`: what was the zygote's socket. It is closed; its finalizer would close whoever has its number later.
    """
    status = Exit.WORKER_CONFINE
    try:
        control.detach()
        seeds.renew(scratch)
        status = Exit.FAILED
        prepared.entry(_adopt(fds.COMMANDS), scratch)
    except BaseException:  # noqa: BLE001 (a fork must not return into the zygote's loop, whatever it raises)
        _say(traceback.format_exc())
    os._exit(status)


def _adopt(fd: int) -> socket.socket:
    """A socket object for a descriptor, without the system calls that socket() would make to learn its kind."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=fd)


def _say(text: str) -> None:
    try:
        os.write(2, text.encode(errors="backslashreplace"))
    except OSError:
        return  # nobody reads any more
