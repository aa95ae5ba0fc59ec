"""The private root: a read-only tmpfs with read-only, noexec binds at their usual absolute paths, and nothing else.

The sources are taken first, as detached clones of mounts (open_tree), and attached later. So the order of privilege
does not matter: root clones them before it drops its uid (an interpreter in a 0700 home works), an ordinary user after
it has entered its user namespace; and a source that lies under the very folder where the root is put together is not
covered by it.

Rejected: bind mounts made by root before the drop and inherited. A mount namespace owned by a lesser user locks every
inherited mount, and the staging tree had to be bound onto itself before pivot_root would take it.
"""

import errno
import os
from pathlib import Path
from typing import Final

from ...shared.policy import Limits
from . import LayerMissing, syscalls
from .calls import Call, call
from .namespaces import why_not

OWN: Final = "/fumehood"
"""Folder of the scratch's mount point. The Landlock rule stands here: one on the mount point would not reach a tmpfs
mounted later on it."""
SCRATCH: Final = f"{OWN}/scratch"

NOT_FOR_OTHERS: Final = "Run: chmod -R o+rX {0}, and chmod o+x for each folder above it; or install it elsewhere."
"""For a path that whoever confines itself cannot reach. (For want of a privilege it would be EPERM.)"""

_QUIET: Final = (
    syscalls.MOUNT_ATTR_RDONLY | syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV | syscalls.MOUNT_ATTR_NOEXEC
)
_TMPFS_FLAGS: Final = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC


def take(paths: list[str]) -> dict[str, int]:
    """Clone the mount at each path, read-only, nosuid, nodev, noexec. Returns a descriptor for each.

    Needs CAP_SYS_ADMIN over the present mount namespace: root's, or that of the user namespace just entered.
    """
    taken = {}
    for path in paths:
        try:
            taken[path] = syscalls.open_tree(os.path.realpath(path))
            syscalls.mount_setattr(taken[path], "", _QUIET)
        except OSError as error:
            remedy = NOT_FOR_OTHERS.format(path) if error.errno == errno.EACCES else why_not(error)
            raise LayerMissing("private root", f"{path}: {error.strerror}", remedy) from error
    return taken


def enter(taken: dict[str, int], hidden: list[str]) -> None:
    """In the zygote, in its own mount namespace: put the root together, move in, let the old one go.

    `hidden`: folders inside the binds to be covered by an empty one (the site-packages in a standard library).
    Descriptors of `taken` are closed.
    """
    try:
        syscalls.mount("", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
        staging = next(path for path in ("/tmp", "/mnt", "/var", "/") if Path(path).is_dir())  # noqa: S108 (any folder)
        syscalls.mount("fumehood", staging, "tmpfs", _TMPFS_FLAGS, "mode=0755,size=1m,nr_inodes=4096")
        covers = sorted({*taken, *hidden}, key=lambda path: path.count("/"))
        for path in covers:
            _attach(staging, path, taken.get(path))
        for path in (SCRATCH, "old"):
            Path(staging, path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        os.chdir(staging)
        syscalls.pivot_root(".", "old")
        os.chdir("/")
        syscalls.umount("/old", syscalls.MNT_DETACH)
        Path("/old").rmdir()
        syscalls.mount_setattr(syscalls.AT_FDCWD, "/", _QUIET)
    except OSError as error:
        raise LayerMissing("private root", error.strerror or error, why_not(error)) from error


def _attach(staging: str, path: str, source: int | None) -> None:
    """Make the mount point for one path and mount its source, or an empty folder, there."""
    target = Path(staging, path.lstrip("/"))
    if source is None:
        if not target.is_dir():
            return
        syscalls.mount("fumehood", str(target), "tmpfs", _TMPFS_FLAGS, "mode=0755,size=1m,nr_inodes=1024")
        return
    if _is_folder(source):
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    syscalls.move_mount(source, str(target))
    os.close(source)


def _is_folder(fd: int) -> bool:
    try:
        os.close(os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd))
    except OSError as error:
        if error.errno == errno.ENOTDIR:
            return False
        raise
    return True


def unreadable(paths: list[str]) -> list[str]:
    """Those of `paths` that the present user cannot read: asked once inside, while an answer still helps."""
    return [path for path in paths if not os.access(path, os.R_OK | (os.X_OK if os.path.isdir(path) else 0))]  # noqa: PTH112 (Path.is_dir raises for what it may not see)


def enter_scratch(path: str, limits: Limits, *, mount: bool) -> list[Call]:
    """In a worker: go to its own folder. `mount`: in a mount namespace of its own, as a tmpfs that only it can see.

    Without one (reduced mode) `path` is a folder on the host's disk, and nothing bounds its size as a whole.
    """
    step, place = "scratch", os.fsencode(path)
    enter = call(step, "chdir", place)
    if not mount:
        return [enter]
    inodes = limits.scratch_inodes + 1  # its root counts too
    options = f"mode=0700,size={limits.scratch_bytes},nr_inodes={inodes}".encode()
    return [
        call(step, "unshare", syscalls.CLONE_NEWNS),
        call(step, "mount", b"scratch", place, b"tmpfs", _TMPFS_FLAGS, options),
        enter,
    ]
