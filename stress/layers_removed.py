"""Confinement without one of its layers: a copy of the installed package in which the lines that make it are gone.

A copy, and not a switch: what fumehood ships has no way to leave a layer out. Each removal names the text that it takes
out; one that is not there once, because the code has moved on, is an error and not a layer that "stops nothing".
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import fumehood


class Change(NamedTuple):
    """`old` in `file` becomes `new`."""

    file: str
    old: str
    new: str = ""


class Layer(NamedTuple):
    """One layer, and how to do without it."""

    name: str
    changes: tuple[Change, ...]
    steps: tuple[str, ...] = ()
    """Those of the confinement list that it takes in each worker."""
    note: str = ""
    root: bool = False
    """Whether only root's supervisor has it."""


_BOOTSTRAP: Final = "worker/bootstrap.py"
_ZYGOTE: Final = "worker/zygote.py"
_NAMES: Final = '    socket.sethostname("fumehood")\n    syscalls.setdomainname("fumehood")\n'
_ENTER_ROOT: Final = "    root.enter(root.take(visible) if taken is None else taken, hidden)\n"


def _namespace(kind: str, more: Sequence[Change] = ()) -> Layer:
    constant = {"net": "CLONE_NEWNET", "ipc": "CLONE_NEWIPC", "uts": "CLONE_NEWUTS", "cgroup": "CLONE_NEWCGROUP"}[kind]
    gone = Change("worker/confine/namespaces.py", f'    "{kind}": syscalls.{constant},\n')
    return Layer(f"{kind} namespace", (gone, *more), note="made once, with the zygote: workers share it")


def layers(place: Path) -> list[Layer]:
    """Every layer that can be left out by itself. `place`: a folder for the scratch of workers without a root."""
    own = f"{place}/own"
    no_root = "    for fd in (taken or {}).values():\n        os.close(fd)\n"
    return [
        Layer("seccomp", (Change(_BOOTSTRAP, "        *prepared.filter.install(),\n"),), ("seccomp",)),
        Layer("Landlock", (Change(_BOOTSTRAP, "        *landlock.restrict(*rulesets),\n"),), ("landlock",)),
        Layer(
            "private root",
            (
                Change(_ZYGOTE, _ENTER_ROOT, no_root),
                Change("worker/confine/root.py", 'OWN: Final = "/fumehood"\n', f"OWN: Final = {own!r}\n"),
            ),
            ("scratch",),
            note="with the zygote's mount namespace, which does nothing else; its step mounts the worker's own scratch",
        ),
        Layer("pid namespace", (Change("worker/forks.py", "syscalls.CLONE_NEWPID if self._full else 0", "0"),)),
        _namespace("net"),
        _namespace("ipc"),
        _namespace("uts", [Change("worker/confine/namespaces.py", _NAMES)]),
        _namespace("cgroup"),
        Layer(
            "capabilities",
            (
                Change(_BOOTSTRAP, "        *capabilities.drop_all(),\n"),
                Change(_ZYGOTE, "        capabilities.lock()\n        fds.give", "        fds.give"),
                Change("worker/confine/capabilities.py", "    if bounding:\n        _drop_bounding()\n"),
            ),
            ("capabilities",),
            note="all sets, the bounding set and the securebits; no_new_privs stays, which Landlock and seccomp need",
        ),
        Layer(
            "unprivileged user",
            (
                Change(
                    _ZYGOTE,
                    "            taken = None  # root without CAP_SYS_ADMIN: as an ordinary user then, in the "
                    "user namespace\n        identity.drop_root()\n",
                    "            taken = None\n",
                ),
            ),
            root=True,
        ),
        Layer("rlimits", (Change(_BOOTSTRAP, "        *rlimits.lower(limits, prepared.base),\n"),), ("rlimits",)),
        Layer(
            "scratch limits",
            (
                Change(
                    "worker/confine/root.py",
                    'f"mode=0700,size={limits.scratch_bytes},nr_inodes={inodes}"',
                    'f"mode=0700,size={1 << 30},nr_inodes={inodes * 1000}"',
                ),
            ),
            note="a gibibyte in their place; the scratch itself is the worker's only folder",
        ),
        Layer(
            "descriptors",
            (Change("worker/confine/fds.py", "COMMANDS + 1, 0xFFFFFFFF, 0)", "COMMANDS + 1, COMMANDS + 2, 0)"),),
            ("descriptors",),
            note="only two are closed, which the pipe's ends come to lie in; the zygote's stay open",
        ),
        Layer(
            "clean environment",
            (Change("runner/zygote_process.py", 'return {"LC_CTYPE"', 'return {**os.environ, "LC_CTYPE"'),),
        ),
        Layer(
            "patrol",
            (Change("runner/supervisor.py", "            lane.patrol(time.monotonic())\n", "            pass\n"),),
        ),
        Layer(
            "die with parent",
            (Change(_BOOTSTRAP, "        *namespaces.die_with(prepared.zygote),\n"),),
            ("die with parent",),
            note="for supervisors that are killed; attacks do not need it",
        ),
        Layer(
            "process group",
            (Change(_BOOTSTRAP, '        call("process group", "setpgid", 0, 0),\n'),),
            ("process group",),
        ),
        Layer(
            "batch scheduling",
            (Change(_BOOTSTRAP, '        call("batch", "sched_setscheduler", 0, os.SCHED_BATCH, _NO_PRIORITY),\n'),),
            ("batch",),
            note="for the game's frame rate, which is not asked for here",
        ),
    ]


class Moved(Exception):
    """The code is no longer what a removal expects."""


def copy_without(gone: Sequence[Layer], place: Path) -> Path:
    """A copy of the installed package below `place`, without these layers. Returns the folder to import it from.

    Raises Moved, naming file and text.
    """
    target = place / "site" / "fumehood"
    shutil.copytree(Path(fumehood.__file__).parent, target, ignore=shutil.ignore_patterns("__pycache__"))
    for change in (each for layer in gone for each in layer.changes):
        file = target / change.file
        text = file.read_text()
        if text.count(change.old) != 1:
            raise Moved(f"{change.file} has not once, but {text.count(change.old)} times: {change.old.strip()!r}")
        file.write_text(text.replace(change.old, change.new))
    own = place / "own" / "scratch"
    own.mkdir(parents=True)
    for folder in (place, place / "own", own):
        os.chmod(folder, 0o755)  # noqa: PTH101 (one line for three)
    return target.parent
