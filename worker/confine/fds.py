"""The descriptors of a worker: 0 reads nothing, 1 and 2 are its stderr pipe, 3 its command socket. No other.

0 is a pipe of the worker's own that nobody writes to. Whatever all workers shared would be a way from mod to mod: one
that may not write to a file or device can still set its times or touch them by reading, and another reads those. That
goes for the host's /dev/null, and for a sealed memfd of the zygote's no less.
"""

import fcntl
import os
from enum import IntEnum
from typing import Final

from .calls import Call, call

COMMANDS: Final = 3


class Held(IntEnum):
    """Where the zygote holds what a fork takes over. The same for all, so that one list does for all."""

    ERRORS = 4
    COMMANDS = 5
    RULESET = 6
    LIBRARY = 7


def hold_places(control: int) -> int:
    """In the zygote, first of all: nothing of its own comes to lie in these places, or in a worker's.

    Returns where its control socket is from now on.
    """
    moved = fcntl.fcntl(control, fcntl.F_DUPFD_CLOEXEC, max(Held) + 1)
    os.dup2(0, control, inheritable=False)
    while (fd := os.dup(0)) <= max(Held):
        pass
    os.close(fd)
    return moved


def hold(fd: int, place: Held) -> None:
    """In the zygote: put it there; what lay there before is closed. `fd` stays the caller's."""
    os.dup2(fd, place, inheritable=False)


def give(fd: int, place: Held) -> None:
    """`hold`, and take the descriptor over."""
    try:
        hold(fd, place)
    finally:
        os.close(fd)


def let_go(*places: Held) -> None:
    """In the zygote: close what lies there. Else it would hold its ends of a worker's pipe and socket open."""
    for place in places:
        os.dup2(0, place, inheritable=False)


def arrange() -> list[Call]:
    """In a worker: put the three in their places and close every other descriptor, whatever it was."""
    step = "descriptors"
    close_others = call(step, "close_range", COMMANDS + 1, 0xFFFFFFFF, 0)
    lowest = COMMANDS + 1  # so the pipe's ends come to lie here and above
    return [
        call(step, "dup3", Held.ERRORS, 1, os.O_CLOEXEC),
        call(step, "dup3", Held.ERRORS, 2, os.O_CLOEXEC),
        call(step, "dup3", Held.COMMANDS, COMMANDS, os.O_CLOEXEC),
        close_others,
        call(step, "pipe2", bytearray(8), os.O_CLOEXEC),
        call(step, "dup3", lowest, 0, os.O_CLOEXEC),
        close_others,
    ]
