"""The kernel calls that Python 3.11 does not have, as thin typed functions. Each raises OSError with errno.

glibc has no wrappers for half of these either, so they go by number. What a worker calls itself is in `calls`.
"""

import ctypes
import os
from typing import Final

from .calls import number

_libc: Final = ctypes.CDLL(None, use_errno=True)
_syscall: Final = _libc.syscall
_syscall.restype = ctypes.c_long

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWCGROUP: Final = 0x02000000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 1 << 18
MNT_DETACH: Final = 2

AT_FDCWD: Final = -100
AT_EMPTY_PATH: Final = 0x1000
AT_RECURSIVE: Final = 0x8000
OPEN_TREE_CLONE: Final = 1
OPEN_TREE_CLOEXEC: Final = os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH: Final = 4
MOUNT_ATTR_RDONLY: Final = 1
MOUNT_ATTR_NOSUID: Final = 2
MOUNT_ATTR_NODEV: Final = 4
MOUNT_ATTR_NOEXEC: Final = 8

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_CAPBSET_DROP: Final = 24
PR_SET_SECUREBITS: Final = 28
PR_SET_NO_NEW_PRIVS: Final = 38
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_CLEAR_ALL: Final = 4


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return int(result)


def _by_number(name: str, *arguments: object) -> int:
    """Call syscall(2). Integers travel as longs: a C int's upper half would be left to chance."""
    passed = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _check(_syscall(ctypes.c_long(number(name)), *passed), name)


def unshare(flags: int) -> None:
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def setdomainname(name: str) -> None:
    """The NIS domain of this uts namespace, which uname() tells as well as the host's name."""
    _check(_libc.setdomainname(name.encode(), ctypes.c_size_t(len(name))), "setdomainname")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """mount(2); empty strings are passed as they are (the kernel ignores them where it does not need them)."""
    result = _libc.mount(
        source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), data.encode() or None
    )
    _check(result, f"mount {kind or 'flags'} on {target}")


def umount(target: str, flags: int) -> None:
    _check(_libc.umount2(os.fsencode(target), ctypes.c_int(flags)), f"umount {target}")


def pivot_root(new: str, old: str) -> None:
    _by_number("pivot_root", os.fsencode(new), os.fsencode(old))


def open_tree(path: str) -> int:
    """Clone the mount at `path` with all below it; attached nowhere until `move_mount`. Returns its descriptor."""
    flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE
    return _by_number("open_tree", AT_FDCWD, os.fsencode(path), flags)


def move_mount(fd: int, target: str) -> None:
    """Attach what `open_tree` gave at `target`."""
    _by_number("move_mount", fd, b"", AT_FDCWD, os.fsencode(target), MOVE_MOUNT_F_EMPTY_PATH)


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def mount_setattr(fd: int, path: str, attributes: int) -> None:
    """Set attributes on a mount and everything mounted below it. `path` empty: the mount that `fd` is."""
    change = _MountAttr(attributes, 0, 0, 0)
    flags = AT_RECURSIVE | (0 if path else AT_EMPTY_PATH)
    _by_number("mount_setattr", fd, os.fsencode(path), flags, ctypes.byref(change), ctypes.sizeof(change))


def prctl(option: int, *arguments: int) -> int:
    padded = [ctypes.c_ulong(a) for a in (*arguments, 0, 0, 0, 0)[:4]]
    return _check(_libc.prctl(ctypes.c_int(option), *padded), f"prctl {option}")


def personality() -> int:
    """The execution domain flags of this process (READ_IMPLIES_EXEC is 0x0400000)."""
    return _by_number("personality", 0xFFFFFFFF)


def setfsid(uid: int, gid: int) -> None:
    """Set the ids that files are judged by, apart from those that signals are. Raises PermissionError if refused."""
    _libc.setfsgid(ctypes.c_uint(gid))
    _libc.setfsuid(ctypes.c_uint(uid))
    nobody = ctypes.c_uint(0xFFFFFFFF)  # refused always: the call then only says what the id is now
    if _libc.setfsuid(nobody) != uid or _libc.setfsgid(nobody) != gid:
        raise PermissionError(1, "setfsuid: refused")


class _RulesetAttr(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def landlock_abi() -> int:
    """The newest Landlock version the kernel offers, from 1. Raises OSError when it has none."""
    return _by_number("landlock_create_ruleset", None, 0, 1)


def landlock_create_ruleset(fs: int, net: int, scoped: int) -> int:
    """Make a ruleset that handles (denies, until ruled otherwise) these accesses. Returns its descriptor.

    The size passed covers only what is asked for: an older kernel refuses fields that it does not know.
    """
    attributes = _RulesetAttr(fs, net, scoped)
    size = 24 if scoped else 16 if net else 8
    return _by_number("landlock_create_ruleset", ctypes.byref(attributes), size, 0)


def landlock_allow_beneath(ruleset: int, fd: int, allowed: int) -> None:
    rule = _PathBeneath(allowed, fd)
    path_beneath = 1
    _by_number("landlock_add_rule", ruleset, path_beneath, ctypes.byref(rule), 0)
