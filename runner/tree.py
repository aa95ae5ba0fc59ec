"""Where the mods are in a folder: which names count, which mod a path belongs to, what a listing may cost.

A mod is `NAME.py`, or a folder `NAME/` with an `__init__.py`, anywhere below the root; its key is the path without
`.py`, like "weather" or "a/x". Everything below a folder mod belongs to it. Not mods: the root itself, and whatever is
hidden or an editor's scratch (`ignored`). Links to folders are never walked into.

Nothing here trusts the tree: depth, entries per folder and folders in all are bounded, and what could not be looked at
is reported as such, so that nobody takes "not seen" for "deleted". Runs in the supervisor, and `ignored`,
`subfolders` and `names` also in the watcher's thread.
"""

import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from ..shared.errors import ConfigError
from .openat2 import BENEATH, NO_MAGICLINKS, NO_SYMLINKS, openat2

DEEPEST: Final = 32
"""Folders below one another. Deeper trees are real only in node_modules and in attacks on recursion."""
MOST_ENTRIES: Final = 20_000
"""Entries looked at in one folder: about 20 ms. A game with more single-file mods than that needs subfolders."""
MOST_FOLDERS: Final = 10_000
"""Folders looked at in one pass; each also costs a watch (about 1 KiB of kernel memory)."""
MOST_FOUND: Final = 10_000
"""Mods found in one look, about: twice as many as a supervisor can serve. Larger: what is done with all of them stops
the loop for longer."""

_ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
LINKLESS: Final = BENEATH | NO_SYMLINKS | NO_MAGICLINKS
FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK

_SCRATCH: Final = re.compile(
    r"""
      .*~                               # vim, emacs, gedit, kate, nano: the backup of what is being saved
    | \#.*\#                            # emacs: auto-save
    | .*\.sw[a-z]                       # vim: swap, where it is not hidden
    | .*___jb_(?:tmp|old|bak)___        # JetBrains: safe write
    | .*\.(?:tmp|temp|bak|part|partial|filepart|crdownload|vsctmp|save|pyc|pyo)
    | sed[A-Za-z0-9]{6}                 # sed -i
    | __pycache__ | node_modules
    """,
    re.VERBOSE | re.DOTALL,
)


def ignored(name: str) -> bool:
    """Whether a file or folder of this name never counts: hidden, or the scratch of an editor, git or Python.

    Hidden covers .git, .x.swp, .#x, .goutputstream-XXXXXX, .x.kate-swp, .sublXXX.tmp and rsync's .x.py.XXXXXX.
    """
    if name.startswith(".") or _SCRATCH.fullmatch(name):
        return True
    # vim asks whether it may write in a folder by making a file 4913, or 4913 + 123 n where that exists.
    return name.isascii() and name.isdigit() and len(name) < 6 and int(name) >= 4913 and (int(name) - 4913) % 123 == 0


def unusable(path: str) -> str:
    """Why no mod or file may have this path, or "". What cannot be shown or sent as it is, is refused by name.

    Backslashes too, so that an escaped name is never the key of another mod.
    """
    if "\\" in path:
        return "a name must not hold a backslash"
    if not path.isprintable():
        return "a name must hold printable characters only"
    return ""


@dataclass(frozen=True, slots=True)
class Root:
    """The watched folder, held open: what is read is read through this descriptor."""

    path: Path
    real: str
    """Without links, as it was when opened: what the poller is told."""
    fd: int
    device: int
    inode: int
    owner: int

    @classmethod
    def open(cls, path: Path) -> "Root":
        """Open the folder. Raises ConfigError naming it when it is missing, not a folder, or may not be read."""
        try:
            real = str(path.resolve(strict=True))
            fd = os.open(real, FOLDER_FLAGS | os.O_CLOEXEC)
        except FileNotFoundError:
            raise ConfigError(f"the mods folder does not exist: {path}") from None
        except NotADirectoryError:
            raise ConfigError(f"the mods folder is not a folder: {path}") from None
        except (OSError, RuntimeError) as error:  # RuntimeError: links that go round in a circle
            raise ConfigError(f"the mods folder cannot be opened: {path}: {error}") from None
        state = os.fstat(fd)
        return cls(path, real, fd, state.st_dev, state.st_ino, state.st_uid)

    def moved(self) -> bool:
        """Whether the path now leads to another folder, or to none."""
        try:
            state = self.path.stat()
        except OSError:
            return True
        return (state.st_dev, state.st_ino) != (self.device, self.inode)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.fd)


@dataclass(slots=True)
class Findings:
    """What one look below a folder gave."""

    mods: dict[str, bool] = field(default_factory=dict)
    """Key to whether it is a folder mod. A key may still be refused when it is read."""
    blind: dict[str, str] = field(default_factory=dict)
    """Folders that could not be looked at in full, and why: mods below may exist all the same."""


def look(root: Root, below: str = "", findings: Findings | None = None) -> Iterator[Findings]:
    """Find the mods in `below` (a path relative to the root, "" for all of it).

    A generator, so that the event loop can do other things: it yields the growing findings after each folder, and at
    least once. Raises nothing: what cannot be listed is in `blind`.
    """
    findings = findings or Findings()
    waiting = [below]
    folders = 0
    while waiting:
        at = waiting.pop()
        folders += 1
        if folders > MOST_FOLDERS:
            findings.blind[below] = f"more than {MOST_FOLDERS} folders"
            break
        if len(findings.mods) > MOST_FOUND:
            findings.blind[below] = f"more than {MOST_FOUND} mods"
            break
        try:
            fd = openat2(root.fd, at or ".", FOLDER_FLAGS, LINKLESS)
        except FileNotFoundError:
            continue
        except OSError as error:
            findings.blind[at] = error.strerror or str(error)
            continue
        try:
            waiting += _list(fd, at, findings)
        except OSError as error:
            findings.blind[at] = error.strerror or str(error)
        finally:
            os.close(fd)
        yield findings
    yield findings


def _list(fd: int, at: str, findings: Findings) -> list[str]:
    """Add what the open folder `at` holds; return its plain subfolders."""
    prefix = at + "/" if at else ""
    subfolders: list[str] = []
    with os.scandir(fd) as entries:
        listed = list(islice(entries, MOST_ENTRIES + 1))
        if len(listed) > MOST_ENTRIES:
            findings.blind[at] = f"more than {MOST_ENTRIES} entries"
        if at and (any(entry.name == "__init__.py" for entry in listed) or exists(fd, "__init__.py")):
            findings.mods[at] = True
            return []
        for entry in listed:
            name = entry.name
            if ignored(name):
                continue
            if entry.is_dir(follow_symlinks=False):
                if prefix.count("/") < DEEPEST:
                    subfolders.append(prefix + name)
                else:
                    findings.blind[prefix + name] = f"more than {DEEPEST} folders deep"
            elif name.endswith(".py"):
                if at or name != "__init__.py":  # the root is no mod, and an __init__.py there is somebody's tooling
                    findings.mods.setdefault(prefix + name[:-3], False)
            elif entry.is_symlink() and "." not in name:
                # A mod's folder, as likely as not. To see would be to follow it, and tell by the receipt what lies
                # elsewhere. Reading says that links are not followed.
                findings.mods[prefix + name] = True
    return subfolders


def found(fd: int, path: str) -> os.stat_result | None:
    """What is at `path` below the open folder, a link itself if it is one; None: nothing. Never through a link.

    Raises OSError where that cannot be told: ELOOP, a folder on the way is a link; EACCES, it may not be searched.
    """
    try:
        at = openat2(fd, path, os.O_PATH | os.O_NOFOLLOW, LINKLESS)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise
    try:
        return os.fstat(at)
    finally:
        os.close(at)


def exists(fd: int, path: str) -> bool:
    """Whether something is there, a link too. False also when that cannot be told."""
    try:
        return found(fd, path) is not None
    except OSError:
        return False


def subfolders(root: int, below: str = "") -> Iterator[tuple[str, int | OSError]]:
    """Yield `below` and every folder under it that counts, top down, without following links.

    Each as its path relative to the folder that is open as `root`, and a descriptor, good until the next one is asked
    for; or, also after that, why it cannot be opened or listed. By descriptors, since what was a folder a moment ago
    may be a link by now. Bounded like `look`. Runs in the watcher's thread.
    """
    waiting = [below]
    folders = 0
    while waiting and folders < MOST_FOLDERS:
        at = waiting.pop()
        folders += 1
        try:
            fd = openat2(root, at or ".", FOLDER_FLAGS, LINKLESS)
        except OSError as error:
            yield at, error
            continue
        try:
            yield at, fd
            prefix = at + "/" if at else ""
            if prefix.count("/") < DEEPEST:
                waiting += [prefix + name for name in _names(fd, folders=True)]
        except OSError as error:
            yield at, error
        finally:
            os.close(fd)
    if waiting:
        yield waiting[-1], OSError(errno.E2BIG, f"more than {MOST_FOLDERS} folders")


def names(root: int, path: str) -> list[str]:
    """What counts in a folder below the one that is open as `root`, its path free of links. Raises OSError.

    Bounded like `look`. Runs in the watcher's thread.
    """
    fd = openat2(root, path or ".", FOLDER_FLAGS, LINKLESS)
    try:
        return _names(fd)
    finally:
        os.close(fd)


def _names(fd: int, *, folders: bool = False) -> list[str]:
    with os.scandir(fd) as entries:
        return [
            entry.name
            for entry in islice(entries, MOST_ENTRIES)
            if not ignored(entry.name) and (not folders or entry.is_dir(follow_symlinks=False))
        ]
