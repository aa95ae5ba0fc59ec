"""A snapshot: all of a mod's files at one instant, as bytes, named by their SHA-256. What is compiled, compared, kept.

The folder is hostile and moves while it is read. So:

- every open goes through the root's descriptor with openat2: single-file mods and all folders without any link; a file
  inside a folder mod may be a link, as long as it ends inside that same mod (a change of its target is then seen too);
- only regular files, only the root's owner's or root's own; opened with O_NONBLOCK, so that a FIFO cannot hold us;
- sizes and counts are checked before a byte is read: a sparse terabyte costs one fstat;
- each file is looked at before and after reading (inode, size, times), and the whole mod is read again if one changed.

`take` reads; `sign` only looks, and says by inode, size and times whether reading again could give anything new. Both run
in the supervisor, on its loop: about 60 µs for one small file. Neither executes, imports or parses a mod's code.
"""

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from ..shared.policy import Limits
from . import manifest as manifests
from . import tree
from .manifest import Manifest, Refused, refusal
from .openat2 import BENEATH, NO_MAGICLINKS, openat2

_READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
_TRIES: Final = 4
"""Readings of a mod that keeps changing underfoot before it is refused; its next complete write tries again."""
_SPARE_ENTRIES: Final = 1024
"""Entries beyond the limit on files that a mod may hold and that do not count (caches, backups)."""
_CHUNK: Final = 1024 * 1024

Mark = tuple[str, int, int, int, int, int]
"""Path, inode, size, mtime and ctime in ns, mode: changes when the file does, but for writes within one clock tick."""
Signature = tuple[Mark, ...]


class Gone(Exception):
    """Raised when there is no mod under a key: no file, no folder with an `__init__.py`, or part of another mod."""


class _Changed(Exception):
    """A file changed or vanished while it was read."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One mod at one instant. Immutable; `files` is not to be changed."""

    key: str
    folder: bool
    digest: str
    """SHA-256, hex, over paths and bytes; the same files under another key have the same digest."""
    files: dict[str, bytes] = field(repr=False)
    """Path inside the mod to content: {"x.py": …} for a file, {"__init__.py": …, "data/t.json": …} for a folder."""
    manifest: Manifest
    taken_at: int
    """time.monotonic_ns() before the first byte was read."""
    written_at: int
    """The newest mtime among its files, ns since 1970."""
    caused_ns: int
    """time.monotonic_ns() at the first event that led to it; `taken_at` where there was none (first scan)."""
    signature: Signature = field(repr=False, compare=False)


def digest(files: dict[str, bytes]) -> str:
    """SHA-256, hex, over every path and content in path order, each preceded by its length: no two trees collide."""
    hashed = hashlib.sha256(b"fumehood snapshot 1\n")
    for path, data in sorted(files.items()):
        name = path.encode()
        hashed.update(len(name).to_bytes(8, "little") + name + len(data).to_bytes(8, "little"))
        hashed.update(data)
    return hashed.hexdigest()


def take(root: tree.Root, key: str, limits: Limits, caused_ns: int = 0) -> Snapshot:
    """Read the mod `key`. `limits`: the game's, for size, count and manifest.

    Raises `Gone` when there is none, `Refused` with the diagnostic when it cannot be taken, MachineError when the kernel
    lacks openat2.
    """
    for _ in range(_TRIES):
        taken_at = time.monotonic_ns()
        try:
            folder, files, marks = _read(root, key, limits)
        except _Changed:
            continue
        manifest = manifests.read(
            files,
            folder=folder,
            name="" if folder else next(iter(files)),
            where=key + "/" if folder else _parent(key),
            ceiling=limits,
        )
        _check_own_limits(key, files, manifest.within(limits))
        return Snapshot(
            key=key,
            folder=folder,
            digest=digest(files),
            files=files,
            manifest=manifest,
            taken_at=taken_at,
            written_at=max(mark[3] for mark in marks),
            caused_ns=caused_ns or taken_at,
            signature=marks,
        )
    raise refusal("Unsteady", "its files kept changing while they were read", key)


def sign(root: tree.Root, key: str, limits: Limits) -> Signature:
    """The signature that `take` would give, without reading: equal means that nothing was saved in between.

    Raises as `take` does, for what can be seen without reading.
    """
    for _ in range(_TRIES):
        try:
            return _visit(root, key, limits, lambda fd, path, _: _mark(path, _look(fd, path)))[1]
        except _Changed:
            continue
    raise refusal("Unsteady", "its files kept changing while they were looked at", key)


def _read(root: tree.Root, key: str, limits: Limits) -> tuple[bool, dict[str, bytes], Signature]:
    files: dict[str, bytes] = {}
    left = limits.snapshot_bytes

    def read(fd: int, path: str, shown: str) -> Mark:
        nonlocal left
        folder = shown != key + ".py"
        data, mark = _read_file(fd, path, shown, left, root.owner, BENEATH | NO_MAGICLINKS if folder else tree.LINKLESS)
        left -= len(data)
        files[path] = data
        return mark

    folder, marks = _visit(root, key, limits, read)
    return folder, files, marks


def _visit(
    root: tree.Root, key: str, limits: Limits, visit: Callable[[int, str, str], Mark]
) -> tuple[bool, Signature]:
    """Find what the key is, and call `visit(folder descriptor, path in it, path to show)` for each of its files.

    Returns whether it is a folder, and what the visits gave, in path order.
    """
    if why := tree.unusable(key):
        raise refusal("BadName", why, key)
    parts = key.split("/")
    if any(tree.exists(root.fd, "/".join(parts[:depth]) + "/__init__.py") for depth in range(1, len(parts))):
        raise Gone(key)
    folder = tree.exists(root.fd, key + "/__init__.py")
    try:
        return _visit_folder(root, key, limits, visit) if folder else _visit_file(root, key, visit)
    except OSError as error:
        raise _translated(error, key if folder else key + ".py") from None


def _visit_file(root: tree.Root, key: str, visit: Callable[[int, str, str], Mark]) -> tuple[bool, Signature]:
    parent, _, name = key.rpartition("/")
    fd = openat2(root.fd, parent, FOLDER, tree.LINKLESS) if parent else root.fd
    try:
        return False, (visit(fd, name + ".py", key + ".py"),)
    except (FileNotFoundError, IsADirectoryError, _Changed):
        if _is_folder_or_absent(fd, name + ".py"):
            raise Gone(key) from None
        raise
    finally:
        if parent:
            os.close(fd)


def _is_folder_or_absent(fd: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return True


def _visit_folder(
    root: tree.Root, key: str, limits: Limits, visit: Callable[[int, str, str], Mark]
) -> tuple[bool, Signature]:
    if tree.exists(root.fd, key + ".py") and not _is_folder_or_absent(root.fd, key + ".py"):
        raise refusal("Ambiguous", f"{key}.py and {key}/__init__.py are both there: remove one", key + ".py")
    fd = openat2(root.fd, key, FOLDER, tree.LINKLESS)
    try:
        paths = _paths(fd, key, limits)
        return True, tuple(visit(fd, path, f"{key}/{path}") for path in paths)
    finally:
        os.close(fd)


def _paths(fd: int, key: str, limits: Limits) -> list[str]:
    """Every file of the folder mod, sorted. Raises Refused past the limit on files, without listing on."""
    paths: list[str] = []
    waiting = [""]
    room = limits.snapshot_files + _SPARE_ENTRIES
    while waiting:
        at = waiting.pop()
        inner = openat2(fd, at or ".", FOLDER, tree.LINKLESS)
        try:
            with os.scandir(inner) as entries:
                listed = list(islice(entries, room + 1))
                room -= len(listed)
                if room < 0:
                    raise _too_many(key, limits)
                for entry in listed:
                    if tree.ignored(entry.name):
                        continue
                    path = f"{at}/{entry.name}" if at else entry.name
                    if why := tree.unusable(path):
                        raise refusal("BadName", why, f"{key}/{path}")
                    if not entry.is_dir(follow_symlinks=False):
                        paths.append(path)
                    elif path.count("/") < tree.DEEPEST:
                        waiting.append(path)
                    else:
                        raise refusal("TooDeep", f"more than {tree.DEEPEST} folders deep", f"{key}/{path}")
        finally:
            os.close(inner)
        if len(paths) > limits.snapshot_files:
            raise _too_many(key, limits)
    return sorted(paths)


def _read_file(fd: int, path: str, shown: str, left: int, owner: int, resolve: int) -> tuple[bytes, Mark]:
    linked = stat.S_ISLNK(os.stat(path, dir_fd=fd, follow_symlinks=False).st_mode) if resolve != tree.LINKLESS else False
    try:
        opened = openat2(fd, path, _READ, resolve)
    except OSError as error:
        if error.errno == errno.ENOENT and not linked:
            raise _Changed from None
        raise _translated(error, shown) from None
    try:
        before = os.fstat(opened)
        if not stat.S_ISREG(before.st_mode):
            if stat.S_ISDIR(before.st_mode) and not linked:
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), shown)
            raise refusal("NotRegular", "only regular files can be part of a mod", shown)
        if before.st_uid not in {owner, 0}:
            raise refusal("WrongOwner", f"it belongs to user {before.st_uid}, the mods folder to user {owner}", shown)
        if before.st_size > left:
            raise refusal("TooLarge", f"the mod's files exceed its limit by {before.st_size - left} bytes", shown)
        data = _read_all(opened, before.st_size)
        after = os.fstat(opened)
    except OSError as error:
        if isinstance(error, IsADirectoryError):
            raise
        raise _translated(error, shown) from None
    finally:
        os.close(opened)
    mark = _mark(path, before)
    if mark != _mark(path, after) or len(data) != before.st_size:
        raise _Changed
    # A link's own mark changes when it is pointed elsewhere, but the content's is what reading gave.
    return data, (_mark(path, _look(fd, path)) if linked else mark)


def _read_all(fd: int, size: int) -> bytes:
    """At most one byte more than `size`, so that growth shows and cannot be fed to us without end."""
    data = os.read(fd, min(size + 1, _CHUNK))
    if len(data) <= size < _CHUNK:
        return data
    parts = [data]
    got = len(data)
    while data and got <= size:
        data = os.read(fd, min(size + 1 - got, _CHUNK))
        parts.append(data)
        got += len(data)
    return b"".join(parts)


def _look(fd: int, path: str) -> os.stat_result:
    """The file's state; for a link that of what it leads to."""
    try:
        return os.stat(path, dir_fd=fd)
    except FileNotFoundError:
        raise _Changed from None


def _mark(path: str, state: os.stat_result) -> Mark:
    return path, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_mode


def _check_own_limits(key: str, files: dict[str, bytes], own: Limits) -> None:
    if len(files) > own.snapshot_files:
        raise _too_many(key, own)
    if (size := sum(map(len, files.values()))) > own.snapshot_bytes:
        raise refusal("TooLarge", f"the mod's files exceed its own limit by {size - own.snapshot_bytes} bytes", key)


def _too_many(key: str, limits: Limits) -> Refused:
    return refusal("TooManyFiles", f"a mod may hold {limits.snapshot_files} files, this one holds more", key)


def _parent(key: str) -> str:
    parent, slash, _ = key.rpartition("/")
    return parent + slash


FOLDER: Final = tree.FOLDER_FLAGS

_WHY: Final = {
    errno.ELOOP: ("Link", "it is a link, or below one: links are not followed here, so put the file itself"),
    errno.EXDEV: ("Link", "it is a link that leads out of the mod's folder"),
    errno.EACCES: ("Unreadable", "it may not be read: permission denied"),
    errno.EPERM: ("Unreadable", "it may not be read: not permitted"),
    errno.ENXIO: ("NotRegular", "only regular files can be part of a mod"),
    errno.ENODEV: ("NotRegular", "only regular files can be part of a mod"),
    errno.ENAMETOOLONG: ("BadName", "the path is too long"),
}


def _translated(error: OSError, shown: str) -> Exception:
    """The error as what it means for the mod."""
    if error.errno == errno.ENOTDIR and "/" in shown:
        return _Changed()
    if error.errno == errno.ENOENT:
        return _Changed()
    kind, message = _WHY.get(error.errno or 0, ("Unreadable", f"it cannot be read: {error.strerror or error}"))
    return refusal(kind, message, shown)
