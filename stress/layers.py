"""Which layer stops which attack: the hostile corpus against confinement with each single layer removed.

    python stress/layers.py
    python stress/layers.py --only seccomp --only Landlock
    python stress/layers.py --attacks network/
    python stress/layers.py --json FILE
    python stress/layers.py --update

The table has a row for each layer: how many attacks it is the first to stop, how many end otherwise and how many get
what they want once it is gone, and what it costs a worker. Below it stands which attacks only that layer stops:
SECURITY.md lists them. One without which nothing succeeds is left out once more, together with what most attacks meet
first: so it shows what it stands behind another for. What an attack reaches then is what it was made for, a target of
its own. All of it takes a quarter of an hour.

Exit code: 0; 1 when an attack succeeds with every layer in its place, a layer could not be left out, or, with all of it
tried, SECURITY.md lists other attacks. It has a list of root's, and what an ordinary user has to add.
"""

import argparse
import contextlib
import ctypes
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import forks
import layers_listed
import layers_removed
import report
from fumehood.runner import corpus
from fumehood.runner.corpus import GOT, Attack
from fumehood.runner.trial import Trial, trial
from fumehood.shared.errors import FumehoodError
from fumehood.shared.policy import Confinement
from fumehood.worker.confine import namespaces, syscalls
from report import Report

BIRTHS: Final = 100
"""Workers that are made for the times of their steps. What a whole one takes without a layer cannot be seen: that
differs from run to run by more than any layer takes."""
ONCE: Final = 30
"""Times that each namespace is made anew, to see what that takes. More: a steadier figure; fewer: less waiting."""
AT_ONCE: Final = 4
"""Layers that are tried side by side. More: each takes longer, and attacks on time itself end otherwise."""
BEAT: Final = 0.004
"""Seconds from frame to frame: how the game fares is not asked here, and each attack waits for a few of them."""
PATIENCE: Final = 900.0
"""Seconds for all attacks without one layer."""
FRONT: Final = ("seccomp", "private root")
"""Layers that most attacks meet first. One that stops nothing alone is left out together with each of these: what
succeeds then, and not without the first alone, is what the second stands behind it for."""

_MADE_ONCE: Final = ("net", "ipc", "uts", "cgroup")

Gone = tuple[str, ...]
"""The names of the layers that were left out; () none of them."""


def judged_by_kernel(attack: Attack) -> bool:
    """Whether a layer of the kernel's can make a difference to it: those on the game's own decisions need none."""
    return attack.judged == "mod" and not attack.planted


def main() -> int:
    """Try every layer, print, and write what `--json` asks for."""
    options = report.parser(__doc__ or "")
    options.add_argument("--only", action="append", metavar="LAYER", help="this layer; may be given several times")
    options.add_argument("--attacks", default="", metavar="PREFIX", help="those whose name begins so")
    options.add_argument("--update", action="store_true", help="write into SECURITY.md what one layer alone stops")
    options.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = options.parse_args()
    chosen = [each for each in corpus.read() if judged_by_kernel(each) and each.name.startswith(arguments.attacks)]
    if arguments.child:
        return attack_all(chosen)
    if not chosen:
        options.error(f"no attack's name begins with {arguments.attacks!r}")
    whole, user = not (arguments.only or arguments.attacks), os.geteuid() != 0
    if arguments.update and not whole:
        options.error("--update is for a run with all attacks and all layers")
    busy = report.busy()
    names = [layer.name for layer in layers_removed.layers(Path("/")) if not (layer.root and user)]
    if unknown := set(arguments.only or ()) - set(names):
        options.error(f"no layer is called {unknown.pop()!r}: {', '.join(names)}")
    table = Ablation({attack.name: attack for attack in chosen}, arguments.only or names)
    table.try_all(arguments.attacks)
    if whole and not arguments.update:
        table.try_again([*itertools.chain(*layers_listed.differences(table.alone(), table.lacking(), user))])
    table.measure()
    made = Report("fumehood: which layer stops which attack", {})
    code = table.tell(made)
    lacking = table.lacking()
    if lacking:
        made.notes.append(f"this machine has not what they attack: {', '.join(sorted(lacking))}")
    if arguments.update and code == 0:
        layers_listed.write(table.alone(), lacking, user)
    elif whole and (differences := layers_listed.differences(table.alone(), lacking, user).lines()):
        made.notes += [f"not as in SECURITY.md: {each} (--update writes it there)" for each in differences]
        code = 1
    made.machine = report.machine(busy, report.busy())
    report.emit(made.document(), arguments.json, made.show)
    return code


# ── with layers removed: a process of its own, in which `fumehood` is that copy ───────────────────────────────────────


class Without:
    """One run in a copy without these layers. A context manager: at its end it is killed and cleared away."""

    def __init__(self, gone: Gone, prefix: str) -> None:
        self.gone = gone
        self._command = ["--child", "--attacks", prefix]

    def __enter__(self) -> "Without":
        self._folder = tempfile.TemporaryDirectory(prefix="fumehood-layers-")
        place = Path(self._folder.name)
        site = layers_removed.copy_without(
            [each for each in layers_removed.layers(place) if each.name in self.gone], place
        )
        python, bound = sys.executable, []
        if os.geteuid() == 0 and not _open_to_all(Path(sys.base_prefix)):
            # Without a private root, and as nobody in particular, workers could not read an interpreter in /root.
            python, bound = _environment(place)
        self._process = subprocess.Popen(
            [python, __file__, *self._command],
            env={**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: _bind(bound),
        )
        return self

    def said(self) -> dict[str, Any]:
        """What came of it, waited for."""
        try:
            out, err = self._process.communicate(timeout=PATIENCE)
            return dict(json.loads(out.splitlines()[-1]))
        except subprocess.TimeoutExpired:
            return {"error": f"it was not over within {PATIENCE:g} s"}
        except (ValueError, IndexError):
            return {"error": f"status {self._process.returncode}: {err.strip()[-1000:]}"}

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()  # what was bound below it was so for that process alone


def attack_all(attacks: list[Attack]) -> int:
    """In that process: try them all, each in a game that is sound. One that was let through may leave it broken for all
    that come later: the next game is a new one, and whoever showed it is tried there again."""
    endings, broke = {}, []
    with contextlib.ExitStack() as stack:

        def anew() -> Trial:
            stack.close()
            return stack.enter_context(trial(Confinement.FULL, beat=BEAT))

        it = anew()
        for attack in attacks:
            for again in (True, False):
                result = it.run(attack, Confinement.FULL, linger=True)
                endings[attack.name] = (result.ending, result.noticed)
                if result.ending in attack.full.endings or it.sound():
                    break
                it = anew()
                if not again:
                    broke.append(attack.name)
        if not it.sound():
            print(json.dumps({"error": "a mod that came after them all found the game broken, by whom is not known"}))
            return 1
    print(json.dumps({"endings": endings, "broke": broke}))
    return 0


def _environment(place: Path) -> tuple[str, list[tuple[str, str]]]:
    """A virtual environment like this one below `place`, of folders that are still to be bound there: its interpreter,
    and those folders."""
    bin_, home, packages = (place / "venv" / "bin"), (place / "python"), Path(forks.psutil.__file__).parent.parent
    site = place / "venv" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for folder in (bin_, home, site):
        folder.mkdir(parents=True)
    (place / "venv" / "pyvenv.cfg").write_text(f"home = {home}/bin\ninclude-system-site-packages = false\n")
    (bin_ / "python").symlink_to(home / "bin" / Path(sys.executable).resolve().name)
    return str(bin_ / "python"), [(sys.base_prefix, str(home)), (str(packages), str(site))]


def _open_to_all(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o005 == 0o005 for folder in (path, *path.parents))


def _bind(places: list[tuple[str, str]]) -> None:
    """Show folders at other paths, to this process and its children alone."""
    if not places:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in (
        (libc.unshare, 0x00020000),  # CLONE_NEWNS
        (libc.mount, None, b"/", None, 0x4000 | 0x40000, None),  # recursive, private
        *((libc.mount, of.encode(), to.encode(), None, 0x1000, None) for of, to in places),  # bind
    ):
        if arguments[0](*arguments[1:]) != 0:
            raise OSError(ctypes.get_errno(), "the interpreter cannot be shown at another path")


# ── the table ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Ablation:
    """What becomes of the attacks without each layer."""

    def __init__(self, attacks: dict[str, Attack], names: list[str]) -> None:
        self._attacks = attacks
        self._names = names
        self._found: dict[Gone, dict[str, Any]] = {}
        """How every attack ended without these layers, under "endings", or under "error" why nothing could be tried."""
        self._steps: dict[str, float] = {}
        self._once: dict[str, float] = {}
        self._fork_us = float("nan")

    def try_all(self, prefix: str) -> None:
        """Without none, without each, then without those that stop nothing alone and one they may stand behind."""
        self._try([(), *((name,) for name in self._names)], prefix)
        idle = [name for name, gained in self.alone().items() if not gained]
        fronts = [name for name in FRONT if name in self._names]
        self._try([(front, name) for front in fronts for name in idle if name != front], prefix)

    def try_again(self, unlike: list[tuple[str, str]]) -> None:
        """What is not as it was before, once more, with the machine to itself: some attacks depend on time."""
        for layer, name in unlike:
            if (layer,) not in self._tried():
                continue
            print(f"without {layer} once more: {name} …", file=sys.stderr, flush=True)
            with Without((layer,), name) as alone:
                self._found[layer,]["endings"] |= alone.said().get("endings", {})

    def measure(self) -> None:
        """What the layers cost: each worker, by its own steps, and once, beside the zygote."""
        births, _ = forks.measure(Confinement.FULL, BIRTHS)
        self._steps = {name: report.Spread.of(values).p50 for name, values in births.steps.items()}
        self._fork_us = report.Spread.of(births.microseconds).p50
        self._once = {f"{kind} namespace": _once(flag) for kind, flag in namespaces.KINDS.items() if kind in _MADE_ONCE}

    def _try(self, each_gone: list[Gone], prefix: str) -> None:
        """The attacks wait more than they work: AT_ONCE go on side by side."""
        for batch in [each_gone[at : at + AT_ONCE] for at in range(0, len(each_gone), AT_ONCE)]:
            print(f"without {', '.join(map(_called, batch))} …", file=sys.stderr, flush=True)
            with contextlib.ExitStack() as stack:
                under_way = [stack.enter_context(Without(gone, prefix)) for gone in batch]
                self._found |= {each.gone: each.said() for each in under_way}

    def alone(self) -> dict[str, list[str]]:
        """Layer to what succeeds without it, though every other is there."""
        return {name: sorted(self._succeed((name,))) for name in self._names if (name,) in self._tried()}

    def _tried(self) -> list[Gone]:
        return [gone for gone, result in self._found.items() if "error" not in result]

    def _endings(self, gone: Gone) -> dict[str, str]:
        return {name: ending for name, (ending, _) in self._found[gone].get("endings", {}).items()}

    def _succeed(self, gone: Gone) -> set[str]:
        found = {name for name, ending in self._endings(gone).items() if ending == GOT}
        return found - self._escapes() - self._told_on()

    def _told_on(self) -> set[str]:
        """What the supervisor ends a worker for when the kernel lets it pass. That may come after the attack has said
        that it succeeded: a race, and no question of this layer or that."""
        return {name for gone in self._tried() for name, end in self._endings(gone).items() if end == "ProtocolError"}

    def lacking(self) -> set[str]:
        """What nothing has to stop here: without its layer it ends as on a machine that has not what it attacks."""
        found = set()
        for name, attack in self._attacks.items():
            alone = (attack.full.layer,)
            ending = self._endings(alone)[name] if alone in self._tried() else ""
            if ending in attack.lacking and ending not in attack.full.endings:  # which might be the next layer's
                found.add(name)
        return found

    def _escapes(self) -> set[str]:
        return {name for name, ending in self._endings(()).items() if ending == GOT}

    def _behind(self, name: str) -> dict[str, list[str]]:
        """Which layers this one stands behind: to what succeeds only without both."""
        found = {}
        for front in FRONT:
            if (both := (front, name)) in self._tried():
                found[front] = sorted(self._succeed(both) - self._succeed((front,)) - self._succeed((name,)))
        return found

    def tell(self, made: Report) -> int:
        """Put it into the report. Returns the exit code."""
        for gone, result in self._found.items():
            if "error" in result:
                made.notes.append(f"without {_called(gone)} nothing could be tried: {result['error']}")
        if () not in self._tried():
            return 1
        layers = {layer.name: layer for layer in layers_removed.layers(Path("/")) if layer.name in self.alone()}
        behind = {name: self._behind(name) for name, gained in self.alone().items() if not gained}
        made.table(
            f"{len(self._attacks)} attacks, each layer removed by itself",
            (
                "layer removed",
                "first to stop",
                "end otherwise",
                "succeed",
                "behind another",
                "µs a worker",
                "µs once",
            ),
            [self._row(layer, behind.get(layer.name)) for layer in layers.values()],
        )
        for title, columns, rows in (
            (
                "stopped by one layer alone",
                ("layer", "attack"),
                [(name, attack) for name, attacks in self.alone().items() for attack in attacks],
            ),
            (
                "stopped by a second layer when the first is gone",
                ("first", "second", "attack"),
                [(front, name, each) for name, of in behind.items() for front, all_ in of.items() for each in all_],
            ),
        ):
            if rows:
                made.table(title, columns, rows)
        made.data = {
            "attacks": len(self._attacks),
            "succeed_without": self.alone(),
            "behind": behind,
            "endings": {_called(gone): self._endings(gone) for gone in self._tried()},
            "broke_the_game": {_called(gone): broke for gone in self._tried() if (broke := self._found[gone]["broke"])},
            "fork_to_confined_us": report.rounded(self._fork_us),
            "steps_us": {name: report.rounded(value) for name, value in self._steps.items()},
            "once_us": {name: report.rounded(value) for name, value in self._once.items()},
            "escapes": sorted(self._escapes()),
        }
        idle = [name for name, of in behind.items() if of and not any(of.values())]
        if idle:
            made.notes.append(f"nothing succeeds without one of these, alone or with one more gone: {', '.join(idle)}")
        made.notes += [f"{layer.name}: {layer.note}" for layer in layers.values() if layer.note]
        made.notes.append("the user namespace cannot be left out by itself: the others need it")
        if self._escapes():
            made.notes.append(f"with every layer in its place: {', '.join(sorted(self._escapes()))}")
        return 1 if self._escapes() or len(self._tried()) < len(self._found) else 0

    def _row(self, layer: layers_removed.Layer, behind: dict[str, list[str]] | None) -> report.Row:
        first = [each for each, attack in self._attacks.items() if attack.full.layer == layer.name]
        before, after = self._endings(()), self._endings((layer.name,))
        changed = [each for each, ending in after.items() if ending != before[each]]
        second = "-" if behind is None else len({each for all_ in behind.values() for each in all_})
        steps = [self._steps[step] for step in layer.steps if step in self._steps]
        once = self._once.get(layer.name, float("nan"))
        gained = len(self._succeed((layer.name,)))
        return layer.name, len(first), len(changed), gained, second, sum(steps) if steps else float("nan"), once


def _once(flag: int) -> float:
    """Microseconds (p50) that a new namespace takes, in a process that has a user namespace of its own."""
    took = []
    for _ in range(ONCE):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(OSError):
                syscalls.unshare(syscalls.CLONE_NEWUSER)
                began = time.perf_counter_ns()
                syscalls.unshare(flag)
                os.write(writer, str(time.perf_counter_ns() - began).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as said:
            took += [int(text) / 1e3 for text in said.read().split()]
        os.waitpid(pid, 0)
    return report.Spread.of(took).p50


def _called(gone: Gone) -> str:
    return " and ".join(gone) or "(none)"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (FumehoodError, layers_removed.Moved) as error:
        sys.exit(f"{error}")
