"""A snapshot: all of a mod's files at one instant, as bytes, named by their SHA-256. What is compiled, compared, kept.

The folder is hostile and moves while it is read. So:

- every open goes through the root's descriptor with openat2: single-file mods and all folders without any link; a file
  inside a folder mod may be a link, as long as it ends inside that same mod (a change of its target is then seen too);
- only regular files, only the root's owner's or root's own; opened with O_NONBLOCK, so that a FIFO cannot hold us;
- sizes and counts are checked before a byte is read: a sparse terabyte costs one fstat;
- each file is held still while it is read, by a lease: a file that somebody has open for writing is half of something
  (`Busy`), whatever the events said so far. Where leases are not to be had the next line is all there is;
- each file is looked at before and after reading (inode, size, times), and the whole mod is read again if one changed.

`take` reads; `sign` only looks, and says by inode, size and times whether reading again could give anything new. Both
run in the supervisor, on its loop: about 60 µs for one small file. Neither executes, imports or parses a mod's code.
"""

import errno
import fcntl
import hashlib
import os
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from ..shared.errors import MachineError
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

Mark = tuple[str, int, int, int, int, int]
"""Path, inode, size, mtime and ctime in ns, mode: changes when the file does, but for writes within one clock tick."""
Signature = tuple[Mark, ...]


class Gone(Exception):
    """Raised when there is no mod under a key: no file, no folder with an `__init__.py`, or part of another mod."""


class Busy(Exception):
    """Raised when somebody has one of the mod's files open for writing. `path`: which, below the root."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class _Changed(Exception):
    """A file changed or vanished while it was read."""


@dataclass(frozen=True, slots=True)
class Library:
    """Another mod's files in the snapshot of one that requires it."""

    key: str
    folder: bool
    files: dict[str, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One mod at one instant. Immutable; `files` is not to be changed."""

    key: str
    folder: bool
    digest: str
    """SHA-256, hex, over paths and bytes, and over those of what it requires; the same files under another key have the
    same digest."""
    files: dict[str, bytes] = field(repr=False)
    """Path inside the mod to content: {"x.py": …} for a file, {"__init__.py": …, "data/t.json": …} for a folder."""
    manifest: Manifest
    taken_at: int
    """time.monotonic_ns() before the first byte was read."""
    caused_ns: int
    """time.monotonic_ns() at the first event that led to it; `taken_at` where there was none (first scan)."""
    signature: Signature = field(repr=False, compare=False)
    libraries: tuple[Library, ...] = ()
    """What it requires, each after what that requires itself."""


def digest(files: dict[str, bytes]) -> str:
    """SHA-256, hex, over every path and content in path order, each preceded by its length: no two trees collide."""
    hashed = hashlib.sha256(b"fumehood snapshot 1\n")
    for path, data in sorted(files.items()):
        name = path.encode()
        hashed.update(len(name).to_bytes(8, "little") + name + len(data).to_bytes(8, "little"))
        hashed.update(data)
    return hashed.hexdigest()


def take(root: tree.Root, key: str, limits: Limits, caused_ns: int = 0, *, patient: bool = False) -> Snapshot:
    """Read the mod `key`. `limits`: the game's, for size, count and manifest. `patient`: not while it is written.

    Raises `Gone` when there is none, `Refused` with the diagnostic when it cannot be taken, `Busy` when `patient`,
    MachineError when the kernel lacks openat2.
    """
    for _ in range(_TRIES):
        taken_at = time.monotonic_ns()
        try:
            with _opened(root, key, limits) as mod:
                files, marks = _read(mod, root.owner, limits, patient)
        except _Changed:
            continue
        manifest = manifests.read(
            files, folder=mod.folder, name="" if mod.folder else mod.paths[0], where=mod.where, ceiling=limits
        )
        own = manifest.within(limits)
        if len(files) > own.snapshot_files:
            raise _too_many(key, own)
        if (size := sum(map(len, files.values()))) > own.snapshot_bytes:
            raise _too_large(key, size - own.snapshot_bytes, own)
        return Snapshot(
            key=key,
            folder=mod.folder,
            digest=digest(files),
            files=files,
            manifest=manifest,
            taken_at=taken_at,
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
            with _opened(root, key, limits) as mod:
                return tuple(_look(mod.fd, path) for path in mod.paths)
        except _Changed:
            continue
    raise refusal("Unsteady", "its files kept changing while they were looked at", key)


@dataclass(frozen=True, slots=True)
class _Mod:
    """A mod whose folder is open."""

    fd: int
    """The folder mod's folder, or the folder that the single file is in."""
    folder: bool
    paths: list[str]
    """Its files, relative to `fd`, sorted."""
    links: frozenset[str]
    """Those of them that are links."""
    where: str
    """What to put before a path to show it: "weather/", or "a/" for the file a/x.py."""


@contextmanager
def _opened(root: tree.Root, key: str, limits: Limits) -> Iterator[_Mod]:
    """Find what the key is and hold it open. Raises Gone, Refused; inside, an OSError becomes a Refused."""
    parts = key.split("/")
    if len(parts) - 1 > tree.DEEPEST:  # a look at the tree does not find it, and an event is to find no more
        raise Gone(key)
    try:
        if any(tree.found(root.fd, "/".join(parts[:depth]) + "/__init__.py") for depth in range(1, len(parts))):
            raise Gone(key)
        single = _single(root.fd, key + ".py")
        folder = tree.found(root.fd, key + "/__init__.py") is not None
    except OSError as error:  # it may well be there
        raise _translated(error, key) from None
    if single and folder:
        raise refusal("Ambiguous", f"{key}.py and {key}/__init__.py are both there: remove one", key + ".py")
    if not single and not folder:
        raise Gone(key)
    if why := tree.unusable(key):
        raise refusal("BadName", why, key)
    at = key if folder else "/".join(parts[:-1])
    fd = -1
    try:
        fd = openat2(root.fd, at or ".", tree.FOLDER_FLAGS, tree.LINKLESS)
        paths, links = _list(fd, key, limits) if folder else ([parts[-1] + ".py"], frozenset())
        yield _Mod(fd, folder, paths, links, at and at + "/")
    except OSError as error:
        raise _translated(error, at if folder else key + ".py") from None
    finally:
        if fd >= 0:
            os.close(fd)


def _single(fd: int, path: str) -> bool:
    """Whether there is a file (or anything that poses as one) at `path`. Raises OSError where that cannot be told."""
    state = tree.found(fd, path)
    if state is not None and stat.S_ISLNK(state.st_mode):
        raise refusal("Link", "it is a link; the watcher cannot see what it leads to: put the file itself", path)
    return state is not None and not stat.S_ISDIR(state.st_mode)


def _list(fd: int, key: str, limits: Limits) -> tuple[list[str], frozenset[str]]:
    """Every file of the folder mod, sorted, and which are links. Past the limit on files it lists no further."""
    paths: list[str] = []
    links: set[str] = set()
    waiting = [""]
    room = limits.snapshot_files + _SPARE_ENTRIES
    while waiting:
        at = waiting.pop()
        with _listing(fd, at, room + 1) as entries:
            room -= len(entries)
            for entry in entries:
                if tree.ignored(entry.name):
                    continue
                path = f"{at}/{entry.name}" if at else entry.name
                if why := tree.unusable(path):
                    raise refusal("BadName", why, f"{key}/{path}")
                if entry.is_dir(follow_symlinks=False):
                    if path.count("/") >= tree.DEEPEST:
                        raise refusal("TooDeep", f"more than {tree.DEEPEST} folders deep", f"{key}/{path}")
                    waiting.append(path)
                    continue
                if entry.is_symlink():
                    links.add(path)
                elif not entry.is_file(follow_symlinks=False):
                    raise _not_regular(f"{key}/{path}")
                paths.append(path)
        if room < 0 or len(paths) > limits.snapshot_files:
            raise _too_many(key, limits)
    if "__init__.py" not in paths:
        raise _not_regular(f"{key}/__init__.py") if tree.exists(fd, "__init__.py") else _Changed
    return sorted(paths), frozenset(links)


@contextmanager
def _listing(fd: int, path: str, most: int) -> Iterator[list[os.DirEntry[str]]]:
    inner = openat2(fd, path or ".", tree.FOLDER_FLAGS, tree.LINKLESS)
    try:
        with os.scandir(inner) as entries:
            yield list(islice(entries, most))
    finally:
        os.close(inner)


def _read(mod: _Mod, owner: int, limits: Limits, patient: bool) -> tuple[dict[str, bytes], Signature]:
    left = limits.snapshot_bytes
    files: dict[str, bytes] = {}
    marks: list[Mark] = []
    for path in mod.paths:
        shown = mod.where + path
        resolve = BENEATH | NO_MAGICLINKS if mod.folder else tree.LINKLESS
        try:
            fd = openat2(mod.fd, path, _READ, resolve)
        except FileNotFoundError:
            if path in mod.links:
                raise refusal("Link", "it is a link that leads nowhere", shown) from None
            raise _Changed from None
        except OSError as error:
            if error.errno == errno.EAGAIN and patient:  # a writer's lease on it: it has been asked to let go
                raise Busy(shown) from None
            raise _translated(error, shown) from None
        try:
            if _is_written(fd) and patient:
                raise Busy(shown)
            data, mark = _read_file(fd, path, shown, owner, left, limits)
        finally:
            os.close(fd)  # the lease ends with it
        left -= len(data)
        files[path] = data
        marks.append(mark)
    return files, tuple(marks)


def _is_written(fd: int) -> bool:
    """Whether somebody has the file open for writing. If not, who opens it so from now on waits until `fd` is closed.

    A lease is for the file's owner (or CAP_LEASE) and for file systems that have them; else the answer is no. A writer
    that comes meanwhile is announced by a signal: by one that is ignored unless somebody handles it.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    return False


def _read_file(fd: int, path: str, shown: str, owner: int, left: int, limits: Limits) -> tuple[bytes, Mark]:
    before = os.fstat(fd)
    if not stat.S_ISREG(before.st_mode):
        raise _not_regular(shown)
    if before.st_uid not in {owner, 0}:
        text = f"it belongs to user {before.st_uid}, the mods folder to user {owner}: chown {owner} {shown}"
        raise refusal("WrongOwner", text, shown)
    if before.st_size > left:
        raise _too_large(shown, before.st_size - left, limits)
    try:
        data = _read_all(fd, before.st_size)
    except OSError as error:
        raise _translated(error, shown) from None
    mark = _mark(path, before)
    if mark != _mark(path, os.fstat(fd)) or len(data) != before.st_size:
        raise _Changed
    return data, mark


def _read_all(fd: int, size: int) -> bytes:
    """At most one byte more than `size`, so that growth shows and cannot be fed to us without end."""
    data = os.read(fd, size + 1)
    while 0 < len(data) <= size:  # a signal or a file system may give less than was asked for
        more = os.read(fd, size + 1 - len(data))
        if not more:
            break
        data += more
    return data


def _look(fd: int, path: str) -> Mark:
    """The mark without reading; for a link that of what it leads to, since that is what was read."""
    try:
        at = openat2(fd, path, os.O_PATH, BENEATH | NO_MAGICLINKS)
    except FileNotFoundError:
        raise _Changed from None
    try:
        return _mark(path, os.fstat(at))
    finally:
        os.close(at)


def _mark(path: str, state: os.stat_result) -> Mark:
    return path, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_mode


def _too_many(key: str, limits: Limits) -> Refused:
    return refusal("TooManyFiles", f"it holds more files than a mod may {limits.cite('snapshot_files')}", key)


def _too_large(shown: str, excess: int, limits: Limits) -> Refused:
    text = f"with it the mod's files are {excess} bytes above the limit on their size {limits.cite('snapshot_bytes')}"
    return refusal("TooLarge", text, shown)


def _not_regular(shown: str) -> Refused:
    return refusal("NotRegular", "only regular files can be part of a mod", shown)


_WHY: Final = {
    errno.ELOOP: ("Link", "it is a link, or lies below one; links to folders are not followed: put the files here"),
    errno.EXDEV: ("Link", "it is a link that leads out of the mod's folder"),
    errno.EACCES: ("Unreadable", "it may not be read: permission denied"),
    errno.ENXIO: ("NotRegular", "only regular files can be part of a mod"),
}


def _translated(error: OSError, shown: str) -> Exception:
    """What the error means for the mod; a vanished or replaced folder means that it is looked at again."""
    if isinstance(error, MachineError):
        return error
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return _Changed()
    kind, message = _WHY.get(error.errno or 0, ("Unreadable", f"it cannot be read: {error.strerror or error}"))
    return refusal(kind, message, shown)
