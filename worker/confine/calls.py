"""A system call made ready: what a list for `_calls.fork` is put together from, in the zygote, before it forks.

A worker's confinement is such a list. It is walked through in C because a fork of Python pays for each page that it
touches: the same list in Python took 1.1 ms of a worker's 3.2, nearly all of it faults, and left 0.4 MiB of copies.
"""

import platform
from collections.abc import Iterable
from typing import Final, NamedTuple

from ...shared.exits import Exit
from ...shared.messages import NANOSECONDS
from . import _calls

_OLD_NUMBERS: Final = {
    "x86_64": {
        "capset": 126, "chdir": 80, "dup3": 292, "mount": 165, "personality": 135, "pipe2": 293, "pivot_root": 155,
        "ppoll": 271, "prctl": 157, "prlimit64": 302, "sched_setscheduler": 144, "seccomp": 317, "setpgid": 109,
        "unshare": 272, "write": 1,
    },
    "aarch64": {
        "capset": 91, "chdir": 49, "dup3": 24, "mount": 40, "personality": 92, "pipe2": 59, "pivot_root": 41,
        "ppoll": 73, "prctl": 167, "prlimit64": 261, "sched_setscheduler": 119, "seccomp": 277, "setpgid": 154,
        "unshare": 97, "write": 64,
    },
}  # fmt: skip
_NUMBERS: Final = {
    **_OLD_NUMBERS.get(platform.machine(), {}),
    "open_tree": 428,
    "move_mount": 429,
    "close_range": 436,
    "mount_setattr": 442,
    "landlock_create_ruleset": 444,
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
}
"""From 424 on, numbers are the same on every architecture; the older ones stand for the two that fumehood supports."""


class Call(NamedTuple):
    """One system call, ready to be made. Its memory, given as bytes or a bytearray, lives as long as it does."""

    step: str
    """What it is part of, in the words of whoever reads of its time or its failure."""
    name: str
    number: int
    arguments: tuple[int | bytes | bytearray, ...]
    zero: bool = False
    """Whether any result but 0 is a failure."""


def number(name: str) -> int:
    """A system call's number on this machine. Raises OSError (ENOSYS) when it is not known."""
    if (known := _NUMBERS.get(name)) is None:
        raise OSError(38, f"{name}: not known for {platform.machine()}")  # 38: ENOSYS
    return known


def call(step: str, name: str, *arguments: int | bytes | bytearray, zero: bool = False) -> Call:
    """Make one ready. Strings are given as bytes with their final NUL, which Python's bytes have."""
    return Call(step, name, number(name), arguments, zero)


def run(calls: Iterable[Call]) -> None:
    """Make them here. Raises OSError, its text beginning with the call's name."""
    _calls.run(tuple(calls))


class Child(NamedTuple):
    """What `fork` returns; in the child `pid` is 0 and the rest means nothing."""

    pid: int
    pidfd: int
    told: bool
    """Whether the word was sent, with the pidfd."""


def fork(
    namespaces: int,
    calls: tuple[Call, ...] = (),
    times: bytearray | None = None,
    *,
    errors: int = 2,
    channel: int = -1,
    word: bytes = b"",
) -> Child:
    """Fork into new namespaces, and make the calls in the child before it runs any Python.

    `times`: its last bytes take the time before each call, see `_calls.fork`. A call that fails ends the child with
    WORKER_CONFINE and a line on `errors`, or on 2 once that is closed. `channel`: where to say `word` of it at once,
    before this process does anything else. The pidfd is the caller's. Raises OSError when there is no fork.
    """
    room = bytearray(NANOSECONDS.size * len(calls)) if times is None else times
    return Child(*_calls.fork(namespaces, calls, room, errors, Exit.WORKER_CONFINE, channel, word))
