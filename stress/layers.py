"""Which layer stops which attack: the hostile corpus against confinement with each single layer removed.

    python stress/layers.py
    python stress/layers.py --only seccomp --only Landlock
    python stress/layers.py --attacks network/
    python stress/layers.py --json FILE

The table has a row for each layer: how many attacks it is the first to stop, how many end otherwise and how many get
what they want once it is gone, and what it costs a worker. Below it stands which attacks only that layer stops:
SECURITY.md lists them. What an attack reaches then is what it was made for, a target of its own.

Exit code: 0; 1 when an attack succeeds with every layer in its place, or one could not be tried.
"""

import argparse
import contextlib
import ctypes
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import forks
import layers_removed
import report
from fumehood.runner import corpus
from fumehood.runner.corpus import GOT, Attack
from fumehood.runner.trial import trial
from fumehood.shared.errors import FumehoodError
from fumehood.shared.policy import Confinement
from report import Report

BIRTHS: Final = 40
AT_ONCE: Final = 4
"""Layers that are tried side by side. More: each takes longer, and attacks on time itself end otherwise."""
BEAT: Final = 0.004
"""Seconds from frame to frame: how the game fares is not asked here, and each attack waits for a few of them."""
PATIENCE: Final = 900.0
"""Seconds for all attacks without one layer."""
NONE: Final = "(none)"


def judged_by_kernel(attack: Attack) -> bool:
    """Whether a layer of the kernel's can make a difference to it: those on the game's own decisions need none."""
    return attack.judged == "mod" and not attack.planted


def main() -> int:
    """Try every layer, print, and write what `--json` asks for."""
    options = report.parser(__doc__ or "")
    options.add_argument("--only", action="append", metavar="LAYER", help="this layer; may be given several times")
    options.add_argument("--attacks", default="", metavar="PREFIX", help="those whose name begins so")
    options.add_argument("--child", choices=("attacks", "births"), help=argparse.SUPPRESS)
    arguments = options.parse_args()
    chosen = [each for each in corpus.read() if judged_by_kernel(each) and each.name.startswith(arguments.attacks)]
    if arguments.child:
        return attack_all(chosen) if arguments.child == "attacks" else make_workers()
    if not chosen:
        options.error(f"no attack's name begins with {arguments.attacks!r}")
    busy = report.busy()
    made = Report("fumehood: which layer stops which attack", {})
    names = [layer.name for layer in layers_removed.layers(Path("/")) if not layer.root or os.geteuid() == 0]
    if unknown := set(arguments.only or ()) - set(names):
        options.error(f"no layer is called {unknown.pop()!r}: {', '.join(names)}")
    found = without_each([NONE, *(arguments.only or names)], arguments.attacks)
    code = tell(made, {attack.name: attack for attack in chosen}, found)
    made.machine = report.machine(busy, report.busy())
    report.emit(made.document(), arguments.json, made.show)
    return code


# ── with one layer removed: a process of its own, in which `fumehood` is that copy ────────────────────────────────────


def without_each(names: list[str], prefix: str) -> dict[str, dict[str, Any]]:
    """What became of every attack without each of these layers, and what a worker costs then; or under "error" why
    not. The attacks wait more than they work: AT_ONCE go on side by side; what is measured goes on alone."""
    found: dict[str, dict[str, Any]] = {}
    for batch in [names[at : at + AT_ONCE] for at in range(0, len(names), AT_ONCE)]:
        print(f"without {', '.join(batch)} …", file=sys.stderr, flush=True)
        with contextlib.ExitStack() as stack:
            under_way = [stack.enter_context(Without(name, "attacks", prefix)) for name in batch]
            found |= {each.name: each.said() for each in under_way}
        for name in batch:
            if "error" not in found[name]:
                with Without(name, "births", prefix) as alone:
                    found[name] |= alone.said()
    return found


class Without:
    """One run in a copy without that layer. A context manager: at its end it is killed and cleared away."""

    def __init__(self, name: str, what: str, prefix: str) -> None:
        self.name = name
        self._command = ["--child", what, "--attacks", prefix]

    def __enter__(self) -> "Without":
        self._folder = tempfile.TemporaryDirectory(prefix="fumehood-layers-")
        place = Path(self._folder.name)
        layer = next((each for each in layers_removed.layers(place) if each.name == self.name), None)
        site = layers_removed.copy_without(layer, place)
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
    """In that process: try them all."""
    endings = {}
    with trial(Confinement.FULL, beat=BEAT) as it:
        for attack in attacks:
            result = it.run(attack, Confinement.FULL, linger=True)
            endings[attack.name] = (result.ending, result.noticed)
    print(json.dumps({"endings": endings}))
    return 0


def make_workers() -> int:
    """In that process: measure what one costs."""
    births, _ = forks.measure(Confinement.FULL, BIRTHS)
    steps = {name: report.Spread.of(values).p50 for name, values in births.steps.items()}
    print(json.dumps({"fork_us": report.Spread.of(births.microseconds).p50, "steps_us": steps}))
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


# ── what it came to ───────────────────────────────────────────────────────────────────────────────────────────────────


def tell(made: Report, attacks: dict[str, Attack], found: dict[str, dict[str, Any]]) -> int:
    """Put it into the report. Returns the exit code."""
    baseline = found[NONE]
    broken = {name: result["error"] for name, result in found.items() if "error" in result}
    for name, why in broken.items():
        made.notes.append(f"without {name} nothing could be tried: {why}")
    if NONE in broken:
        return 1
    escapes = [name for name, (ending, _) in baseline["endings"].items() if ending == GOT]
    layers = {layer.name: layer for layer in layers_removed.layers(Path("/"))}
    rows: list[report.Row] = []
    only: dict[str, list[str]] = {}
    for name, result in found.items():
        if name == NONE or name in broken:
            continue
        gained = [each for each, (ending, _) in result["endings"].items() if ending == GOT and each not in escapes]
        first = [each for each, attack in attacks.items() if attack.full.layer == name]
        changed = [each for each, (ending, _) in result["endings"].items() if ending != baseline["endings"][each][0]]
        only[name] = gained
        steps = [baseline["steps_us"][step] for step in layers[name].steps if step in baseline["steps_us"]]
        cost = sum(steps) if steps else float("nan")
        saved = baseline["fork_us"] - result["fork_us"]
        rows.append((name, len(first), len(changed), len(gained), cost, saved))
    columns = ("layer removed", "first to stop", "end otherwise", "succeed", "its steps µs", "fork faster by µs")
    made.table(f"{len(attacks)} attacks, each layer removed by itself", columns, rows)
    made.table(
        "stopped by one layer alone", ("layer", "attack"), [(n, each) for n, all_ in only.items() for each in all_]
    )
    noticed = {name: dict(result.get("endings", {})) for name, result in found.items()}
    made.data = {
        "attacks": len(attacks),
        "succeed_without": only,
        "endings": {name: {each: ending for each, (ending, _) in of.items()} for name, of in noticed.items()},
        "fork_to_confined_us": {name: result.get("fork_us") for name, result in found.items()},
        "steps_us": baseline["steps_us"],
        "escapes": escapes,
    }
    idle = [name for name, gained in only.items() if not gained]
    if idle:
        made.notes.append(f"nothing succeeds without one of these alone, others stand behind: {', '.join(idle)}")
    made.notes += [f"{layer.name}: {layer.note}" for layer in layers.values() if layer.note and layer.name in only]
    made.notes.append("the user namespace cannot be left out by itself: the others need it")
    if escapes:
        made.notes.append(f"with every layer in its place: {', '.join(escapes)}")
    return 1 if escapes or broken else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (FumehoodError, layers_removed.Moved) as error:
        sys.exit(f"{error}")
