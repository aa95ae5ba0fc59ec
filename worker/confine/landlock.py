"""Landlock: which paths can be opened for what, no TCP, no abstract sockets, no signals to others. A layer of its own:
it holds where the private root is missing (reduced mode), and where the root were left by a bug of the kernel's."""

import os
from collections.abc import Sequence
from typing import Final

from . import LayerMissing, syscalls
from .calls import Call, call
from .fds import Held

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = (1 << bit for bit in range(6))
_MAKE_DIR, _MAKE_REG, _MAKE_SYM, _REFER, _TRUNCATE, _IOCTL_DEV = (1 << bit for bit in (7, 8, 12, 13, 14, 15))

READ: Final = _READ_FILE | _READ_DIR
WRITE: Final = READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_SYM | _REFER | _TRUNCATE
_OF_A_FILE: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
"""What may stand in a rule on a file that is no folder; the kernel refuses the rest with EINVAL."""

_FS_OF_ABI: Final = {1: (1 << 13) - 1, 2: _REFER, 3: _TRUNCATE, 5: _IOCTL_DEV}
_NET_OF_ABI: Final = {4: 0b11}  # bind and connect TCP
_SCOPES_OF_ABI: Final = {6: 0b11}  # abstract unix sockets, signals

GAINS: Final = {
    1: "files by path",
    2: "renames across folders",
    3: "truncation",
    4: "TCP bind and connect",
    5: "ioctl on devices",
    6: "abstract unix sockets and signals",
}
"""What each version of Landlock added, for the doctor, and what stops it where a kernel's is older:

- Renames and links across folders: version 1 refuses them all, the worker's own too.
- Truncation: seccomp refuses truncate in the reduced mode, and an open with O_TRUNC that does not write: a descriptor
  that can write was judged when it was opened. In the full mode the root is read-only besides.
- The rest: seccomp refuses socket, ioctl and kill altogether.

No version judges stat, access, chdir, statfs and O_PATH (they tell of paths and change nothing), chmod, chown, utime,
extended attributes and locks: seccomp refuses those in the reduced mode, or lets them do nothing."""


def _handled(table: dict[int, int], abi: int) -> int:
    return sum(bits for since, bits in table.items() if since <= abi)


def abi() -> int:
    """The kernel's Landlock version. Raises LayerMissing when there is none."""
    try:
        return syscalls.landlock_abi()
    except OSError as error:
        raise LayerMissing(
            "Landlock",
            error.strerror,
            "Needs Linux 5.13 or later with landlock among the LSMs: add lsm=landlock,... to the kernel's command line "
            "(cat /sys/kernel/security/lsm), and a container runtime whose seccomp profile knows it.",
        ) from error


def describe() -> str:
    """ "on", and what this kernel's version of it does not cover yet."""
    version = abi()
    missing = [what for since, what in GAINS.items() if since > version]
    return f"on, without {', '.join(missing)}" if missing else "on"


def build(readable: list[str], writable: list[str], listable: Sequence[str] = ()) -> int:
    """Make the ruleset: everything handled, these paths excepted. Returns its descriptor; `restrict` applies it.

    `listable`: folders whose names alone may be read, with those of all below: inside the private root only.
    """
    version = abi()
    fs = _handled(_FS_OF_ABI, version)
    ruleset = syscalls.landlock_create_ruleset(fs, _handled(_NET_OF_ABI, version), _handled(_SCOPES_OF_ABI, version))
    try:
        for paths, access in ((readable, READ), (writable, WRITE), (listable, _READ_DIR)):
            for path in paths:
                _allow(ruleset, path, access & fs)
    except BaseException:
        os.close(ruleset)
        raise
    return ruleset


def _allow(ruleset: int, path: str, access: int) -> None:
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        folder = os.path.isdir(path)  # noqa: PTH112 (a Path object per rule would be most of this call's time)
        syscalls.landlock_allow_beneath(ruleset, fd, access if folder else access & _OF_A_FILE)
    finally:
        os.close(fd)


def build_without(hidden: Sequence[str], readable: list[str], scratches: str) -> int:
    """Make a ruleset that leaves out `hidden`, folders inside those of `readable`; their names it lets be read.

    Landlock takes nothing back that it gave for a folder, so each of the others has a rule: 200 in a standard library,
    5 ms. Hence made once, and applied beside that of each worker: it allows all that lies in `scratches`.
    """
    split = {os.path.dirname(path) for path in hidden}  # noqa: PTH120 (strings, as everywhere here)
    parts = [path for path in readable if path not in split]
    for folder in split:
        with os.scandir(folder) as entries:  # what a link leads to inside has a rule of its own, and no other shall
            parts += [entry.path for entry in entries if entry.path not in hidden and not entry.is_symlink()]
    return build(parts, [scratches], listable=sorted(split))


def restrict(*rulesets: int) -> list[Call]:
    """In a worker: apply what `build` made, for good; that in its place if none is named. Needs no_new_privs."""
    return [call("landlock", "landlock_restrict_self", each, 0) for each in rulesets or (Held.RULESET,)]
