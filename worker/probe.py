"""For the doctor: tries every layer on this machine, each in a process of its own, and prints what came of it as JSON.

Run like the zygote, `python -I -S worker/start.py probe - PLAN`. Nothing is guessed from version numbers, and a layer
counts as given only when the thing that it should stop was tried and was stopped. Changes nothing on the machine.
"""

import ctypes
import json
import os
import platform
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from ..shared.plan import Plan
from ..shared.policy import Confinement, Limits
from . import zygote
from .confine import LayerMissing, calls, capabilities, identity, landlock, namespaces, rlimits, root, seccomp, syscalls

FULL: Final = (Confinement.FULL,)
BOTH: Final = (Confinement.FULL, Confinement.REDUCED)


class Layer(NamedTuple):
    """One row of the doctor's table."""

    name: str
    needed_by: tuple[Confinement, ...]
    stops: str
    attempt: Callable[[Plan], str]
    """Runs in a fork; returns a detail worth showing. Raises LayerMissing or OSError when it is not given."""


def unprivileged_user(_: Plan) -> str:
    if os.geteuid() != 0:
        return f"uid {os.geteuid()}, as it is"
    identity.drop_root()
    return f"root becomes uid {os.geteuid()}" if os.geteuid() else "root of a user namespace with no other uid"


def user_namespace(_: Plan) -> str:
    if os.geteuid() == 0:
        identity.drop_root()
    namespaces.enter_user(os.geteuid(), os.getegid())
    return ""


def one_namespace(kind: str) -> Callable[[Plan], str]:
    def attempt(plan: Plan) -> str:
        user_namespace(plan)
        try:
            if kind == "pid":
                child = calls.fork(syscalls.CLONE_NEWPID).pid
                if child == 0:
                    os._exit(0 if os.getpid() == 1 else 1)
                if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
                    raise OSError(0, "the child was not pid 1")
            else:
                syscalls.unshare(namespaces.KINDS[kind])
        except OSError as error:
            raise LayerMissing(f"{kind} namespace", error.strerror, namespaces.why_not(error)) from error
        return ""

    return attempt


def private_root(plan: Plan) -> str:
    stdlib = [path for path in sys.path if path not in plan.search and os.path.exists(path)]  # noqa: PTH110 (strings)
    visible = zygote.visible_paths(plan, stdlib)
    zygote.enter_private_root(visible, zygote.hidden_paths(stdlib))
    if Path("/proc/self").exists() or Path("/etc/passwd").exists():
        raise LayerMissing("private root", "paths of the host are still there", "Please report this.")
    return f"{len(visible)} folders and files are visible inside"


def scratch(plan: Plan) -> str:
    private_root(plan)
    child = calls.fork(syscalls.CLONE_NEWPID).pid
    if child == 0:
        status = 1
        try:
            calls.run(root.enter_scratch(root.SCRATCH, Limits(), mount=True))
            Path("file").write_text("it can be written")
            status = 0
        finally:
            os._exit(status)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise LayerMissing("scratch", "a tmpfs cannot be mounted in the user namespace", "Use Linux 5.13 or later.")
    return "a tmpfs for each worker, with its own limits"


def landlock_(plan: Plan) -> str:
    capabilities.forbid_new(bounding=False)
    calls.run(landlock.restrict(landlock.build([], [plan.fumehood])))
    try:
        os.listdir("/")  # noqa: PTH208 (whether it is allowed is all that is asked)
    except PermissionError:
        return f"version {landlock.abi()}" + landlock.describe().removeprefix("on").replace(", without", ", without:")
    raise LayerMissing("Landlock", "it let a forbidden folder be read", "Please report this.")


def seccomp_(_: Plan) -> str:
    program = seccomp.compile_program(Confinement.FULL)
    capabilities.forbid_new(bounding=False)
    try:
        calls.run(program.install())
    except OSError as error:
        raise LayerMissing("seccomp", error.strerror, "Needs a kernel with CONFIG_SECCOMP_FILTER.") from error
    try:
        socket.socket(socket.AF_UNIX).close()
    except PermissionError:
        return f"libseccomp {libseccomp_version()}, {len(program)} instructions"
    raise LayerMissing("seccomp", "it let a socket be made", "Please report this.")


def rlimits_(_: Plan) -> str:
    calls.run(rlimits.lower(Limits(memory=64 << 20), rlimits.address_space()))
    try:
        bytearray(128 << 20)
    except MemoryError:
        return ""
    raise LayerMissing("rlimits", "more memory than the limit was given", "Please report this.")


def capabilities_(_: Plan) -> str:
    if os.geteuid() == 0:
        identity.drop_root()
    else:
        capabilities.forbid_new(bounding=False)
    calls.run(capabilities.drop_all())
    status = Path("/proc/self/status").read_text()
    if "CapEff:\t0000000000000000" not in status:
        raise LayerMissing("capabilities", "some are left", "Please report this.")
    return ""


LAYERS: Final = (
    Layer("unprivileged user", BOTH, "whatever only root may do, should all else fail", unprivileged_user),
    Layer("user namespace", FULL, "nothing by itself: the others need it", user_namespace),
    Layer("mount namespace", FULL, "seeing or changing what the host has mounted", one_namespace("mount")),
    Layer("pid namespace", FULL, "seeing, signalling or tracing any other process", one_namespace("pid")),
    Layer("net namespace", FULL, "every network, localhost and abstract sockets", one_namespace("net")),
    Layer("ipc namespace", FULL, "System V and POSIX message queues of others", one_namespace("ipc")),
    Layer("uts namespace", FULL, "reading the host's name", one_namespace("uts")),
    Layer("cgroup namespace", FULL, "learning where in the host's cgroups it runs", one_namespace("cgroup")),
    Layer("private root", FULL, "naming or reading any path of the host", private_root),
    Layer("scratch", FULL, "filling disks, reading another mod's files", scratch),
    Layer("Landlock", BOTH, "opening files that are not its own; TCP; signals", landlock_),
    Layer("seccomp", BOTH, "exec, fork, threads, sockets, new machine code", seccomp_),
    Layer("rlimits", BOTH, "eating the machine's memory, descriptors, CPU", rlimits_),
    Layer("capabilities", BOTH, "privileged operations, in its namespaces too", capabilities_),
)


def try_layer(layer: Layer, plan: Plan) -> dict[str, Any]:
    """Try one layer in a fork, so that it leaves no trace here."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = {"given": True, "detail": layer.attempt(plan), "remedy": ""}
        except LayerMissing as error:
            answer = {"given": False, "detail": error.reason, "remedy": error.remedy}
        except BaseException as error:  # noqa: BLE001 (a fork must not return; the doctor shows whatever it was)
            answer = {"given": False, "detail": f"{type(error).__name__}: {error}", "remedy": "Please report this."}
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        data = file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    fallback = {"given": False, "detail": f"the attempt ended with status {status}", "remedy": "Please report this."}
    answer = json.loads(data) if data else fallback
    return {"name": layer.name, "needed_by": list(layer.needed_by), "stops": layer.stops, **answer}


def libseccomp_version() -> str:
    """Its own words; "" when the library has no such function."""

    class Version(ctypes.Structure):
        _fields_ = (("major", ctypes.c_uint), ("minor", ctypes.c_uint), ("micro", ctypes.c_uint))

    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_version.restype = ctypes.POINTER(Version)
    version = library.seccomp_version().contents
    return f"{version.major}.{version.minor}.{version.micro}"


def main(_: int, raw_plan: dict[str, Any]) -> None:
    """In a process of the doctor's: print one JSON document on stdout."""
    plan = msgspec.convert(raw_plan, Plan)
    os.chdir("/")
    layers = [try_layer(layer, plan) for layer in LAYERS]
    document = {"layers": layers, "kernel": platform.release(), "machine": platform.machine(), "uid": os.geteuid()}
    sys.stdout.write(json.dumps(document))
