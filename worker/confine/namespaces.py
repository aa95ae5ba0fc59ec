"""Namespaces: what the zygote and its workers can name at all.

Made once, in the zygote; each worker is born into a pid namespace of its own and adds a mount namespace.
"""

import errno
import os
import select
import signal
import socket
import struct
from pathlib import Path
from typing import Final

from . import LayerMissing, syscalls
from .calls import Call, call

INSIDE: Final = 1000
"""The uid and gid seen inside. Not 0: programs treat root specially, and the kernel's rules for it at exec are odd."""

KINDS: Final = {
    "user": syscalls.CLONE_NEWUSER,
    "mount": syscalls.CLONE_NEWNS,
    "pid": syscalls.CLONE_NEWPID,
    "net": syscalls.CLONE_NEWNET,
    "ipc": syscalls.CLONE_NEWIPC,
    "uts": syscalls.CLONE_NEWUTS,
    "cgroup": syscalls.CLONE_NEWCGROUP,
}


def die_with_parent(parent: int) -> None:
    """In the zygote: SIGKILL this process when its parent thread ends. `parent`: its pid; if it is gone, end at once.

    A change of credentials takes the setting back: call it again after each.
    """
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def die_with(zygote: int) -> list[Call]:
    """In a worker: the same. `zygote`: its pidfd, since a parent outside the pid namespace has no number here."""
    step = "die with parent"
    watched = bytearray(struct.pack("ihh", zygote, select.POLLIN, 0))
    at_once = bytes(16)  # a timespec of nothing
    return [
        call(step, "prctl", syscalls.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0),
        call(step, "ppoll", watched, 1, at_once, 0, 0, zero=True),
    ]


def outlive_parent() -> None:
    """Take `die_with_parent` back, for a process that has to clear up after everybody."""
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, 0)


def enter_all() -> None:
    """In the zygote, unprivileged: new namespaces of every kind but pid, which each worker is born into; ids mapped."""
    uid, gid = os.geteuid(), os.getegid()
    enter_user(uid, gid)
    for kind, flag in KINDS.items():
        if kind in ("user", "pid"):
            continue
        try:
            syscalls.unshare(flag)
        except OSError as error:
            raise LayerMissing(f"{kind} namespace", error.strerror, why_not(error)) from error
    socket.sethostname("fumehood")
    syscalls.setdomainname("fumehood")


def enter_user(uid: int, gid: int) -> None:
    """Enter a user namespace and map this one uid and gid. Raises LayerMissing with this machine's remedy."""
    try:
        syscalls.unshare(syscalls.CLONE_NEWUSER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{INSIDE} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{INSIDE} {gid} 1")
    except OSError as error:
        raise LayerMissing("user namespace", error.strerror, why_not(error)) from error


def why_not(error: OSError) -> str:
    """The remedy for a refused namespace, from what this machine's sysctls say."""
    if error.errno == errno.EINVAL and len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208 (names are all we need)
        return "A preloaded package started a thread; take it off the list or tell it to use none."
    if _sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            "Ubuntu's AppArmor forbids unprivileged user namespaces: sysctl -w "
            "kernel.apparmor_restrict_unprivileged_userns=0, or choose the reduced mode."
        )
    if _sysctl("kernel/unprivileged_userns_clone") == "0":
        return "sysctl -w kernel.unprivileged_userns_clone=1, or choose the reduced mode."
    if _sysctl("user/max_user_namespaces") == "0":
        return "sysctl -w user.max_user_namespaces=15000, or choose the reduced mode."
    if error.errno == errno.ENOSPC:
        return "The limit on nested or counted namespaces is reached: raise user.max_*_namespaces."
    return (
        "A container runtime usually forbids this: start the container with --security-opt seccomp=unconfined "
        "(or --privileged), or choose the reduced mode."
    )


def _sysctl(name: str) -> str:
    try:
        return Path("/proc/sys", name).read_text().strip()
    except OSError:
        return ""
