"""Whatever a mod, its files or a client may say, turned this way and that against the code that reads it, for a while.

    python stress/fuzz.py                              # every target, two minutes in all
    python stress/fuzz.py --target ring --seconds 600 --seed 7
    python stress/fuzz.py --replay fuzz-findings/ring-1a2b3c4d   # one finding again
    python stress/fuzz.py --plant letter-length        # a fault of which we know: has to end with status 1

The ring is built with the address and undefined-behaviour sanitizers for that, into a temporary copy of the installed
package, with a page that nobody may touch on either side of each mapping (fuzz_guard.h). Targets:

- ring: a peer that writes what it likes into every word, letter and frame between any calls of ours;
- race: the same while another process scribbles, at the same time;
- decoder: every message of every conversation, the weighing of replies, diagnostics made fit to show;
- letters: queries and intents, against a game's declarations;
- snapshot: a folder of links, FIFOs, giants and odd names that changes while it is read;
- manifest, config, savefile: the bytes of mod.toml and PEP 723 blocks, fumehood.toml and --limit, saves;
- control: a supervisor with mods; frames of any kind, with descriptors, on its socket. Without sanitizers: the zygote
  starts with a clean environment, and a worker's limits leave no room for them.

Each runs in processes of its own, first over the inputs that are kept in stress/fuzz_seeds, then over new ones drawn
from the seed. A crash, a case that takes longer than its deadline, an exception that is not the typed one, memory or
descriptors that stay: each is a finding, kept as a file with its input. Ends with status 1 if there is one, with 69 if
the machine cannot build the ring so.
"""

import base64
import contextlib
import hashlib
import json
import mmap
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

import fuzz_build
import report
from fumehood.shared.exits import Exit
from fuzz_child import HEAD, STATE_BYTES, TARGETS

HERE: Final = Path(__file__).resolve().parent
SEEDS: Final = HERE / "fuzz_seeds"
FINDINGS: Final = "fuzz-findings"
WEIGHTS: Final = {"ring": 3.0, "race": 2.0, "decoder": 2.0, "control": 2.0}
"""Shares of the time; of those not named: 1. What reads a worker's bytes in the game gets most."""
ALONE: Final = ("control",)
"""Targets that have processes of their own: two would fight for the cores."""
MOST_KINDS: Final = 5
"""Different findings after which a target is given up: one fault looks the same a thousand times."""
DEADLINE: Final = 10.0
"""Seconds one case may take; on a loaded machine a process may not run for one of them."""
SLOW: Final = {"control": 40.0}
"""Of targets whose cases wait for other processes."""
START: Final = 60.0
"""Seconds for a process to begin its first case."""
STACK: Final = 0.5
"""Seconds that a process which hangs gets to say where."""
PAUSE: Final = 0.05


@dataclass(frozen=True)
class Finding:
    """Something that may not be."""

    target: str
    kind: str
    """crash, hang, raised, or start."""
    what: str
    text: str
    data: bytes
    seed: str

    @property
    def name(self) -> str:
        return f"{self.target}-{hashlib.sha256(self.data).hexdigest()[:8]}"

    def document(self) -> dict[str, Any]:
        """As plain data; what `--replay` reads."""
        return {**self.__dict__, "data": base64.b64encode(self.data).decode()}


@dataclass
class Tally:
    """What became of one target."""

    target: str
    executions: int = 0
    seconds: float = 0.0
    """Of all its processes together."""
    findings: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """Once for each place: what differs in its numbers alone is the same."""
        if _place(finding) not in map(_place, self.findings):
            self.findings.append(finding)


def _place(finding: Finding) -> str:
    return finding.kind + re.sub(r"\d+", "0", finding.what)


class Child:
    """One process that tries inputs."""

    def __init__(self, target: str, environment: dict[str, str], folder: Path, seed: str, more: Sequence[str]) -> None:
        self.target = target
        self.seed = seed
        self.began = self._moved = time.monotonic()
        self._at = 0
        self._folder = Path(tempfile.mkdtemp(prefix=f"{target}-", dir=folder))
        file = self._folder / "state"
        file.write_bytes(bytes(STATE_BYTES))
        with file.open("r+b") as opened:
            self._state = mmap.mmap(opened.fileno(), STATE_BYTES)
        command = [sys.executable, str(HERE / "fuzz_child.py"), target, "--state", str(file), "--seeds", str(SEEDS)]
        scratch = self._folder / "tmp"
        scratch.mkdir()
        with (self._folder / "out").open("wb") as out, (self._folder / "err").open("wb") as err:
            self._process = subprocess.Popen(
                [*command, "--seed", seed, *more],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**environment, "TMPDIR": str(scratch), "XDG_RUNTIME_DIR": str(scratch)},
                cwd=scratch,
                start_new_session=True,
            )

    def look(self) -> bool:
        """Whether it is over; one that hangs is ended."""
        if self._process.poll() is not None:
            return True
        now, (at, _) = time.monotonic(), HEAD.unpack_from(self._state)
        if at != self._at:
            self._at, self._moved = at, now
        patience = SLOW.get(self.target, DEADLINE) if at else START
        if now - self._moved <= patience:
            return False
        self._hung = True
        if at:
            self._process.send_signal(signal.SIGUSR1)
            time.sleep(STACK)
        self.end()
        return True

    _hung = False

    def end(self) -> None:
        """End it, and what it started."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def result(self) -> tuple[int, list[Finding]]:
        """How many inputs it tried, and what it found. Once it is over."""
        said = [json.loads(line) for line in (self._folder / "out").read_text().splitlines() if line.startswith("{")]
        error = (self._folder / "err").read_text(errors="replace")
        count, length = HEAD.unpack_from(self._state)
        current = bytes(self._state[HEAD.size : HEAD.size + length])
        self._state.close()
        found = []
        for each in said:
            if each["kind"] != "done":
                data = base64.b64decode(each["input"])
                found.append(Finding(self.target, each["kind"], each["what"], each["text"], data, self.seed))
        if not any(each["kind"] == "done" for each in said):
            kind = "hang" if self._hung else "crash" if count else "start"
            found.append(Finding(self.target, kind, self._why(error), error[-6000:], current, self.seed))
        return count, found

    def _why(self, error: str) -> str:
        if self._hung:
            place = re.search(r'File "(?:.*/)?([^/"]+)", line (\d+)', error)
            return "a case took longer than its deadline" + (f", at {place[1]}:{place[2]}" if place else "")
        if found := re.search(r"runtime error: .*|AddressSanitizer: \S+", error):
            ours = re.search(r" in (\w+) \S*?(\w+/_\w+\.[ch]:\d+)", error)
            return found[0][:200] + (f", in {ours[1]} at {ours[2]}" if ours else "")
        last = error.strip().splitlines()[-1:] or ["no word"]
        return f"ended with status {self._process.returncode}: {last[0]}"[:200]


def fuzz(
    target: str, environment: dict[str, str], folder: Path, seconds: float, seed: int, jobs: int, most: int = MOST_KINDS
) -> Tally:
    """All processes of one target, for `seconds`; 0: the kept inputs alone. One that died is followed by another, until
    there are `most` findings."""
    tally = Tally(target)
    until = time.monotonic() + seconds
    jobs = 1 if target in ALONE or not seconds else jobs
    running: list[Child] = []
    started = 0
    try:
        while True:
            left = until - time.monotonic()
            if len(tally.findings) >= most:
                return tally
            more = started < jobs or left > 1
            if more and len(running) < jobs and (seconds or not started):
                given = (
                    ["--most", str(most)]
                    if not seconds
                    else ["--seconds", f"{max(left, 0.1):.2f}", "--most", str(most)]
                )
                running.append(Child(target, environment, folder, f"{seed}.{target}.{started}", given))
                started += 1
                continue
            if not running:
                return tally
            time.sleep(PAUSE)
            for child in [each for each in running if each.look()]:
                running.remove(child)
                count, findings = child.result()
                tally.executions += count
                tally.seconds += time.monotonic() - child.began
                for finding in findings:
                    tally.add(finding)
                if seconds and not findings:
                    jobs -= 1  # it came to its end
    finally:
        for child in running:
            child.end()


def replay(file: Path, folder: Path, plant: str) -> int:
    """Try the input of one finding, or a bare input below a folder called as its target. Prints what comes of it."""
    try:
        raw = file.read_bytes()
        if raw.startswith(b"{"):
            document = json.loads(raw)
            target, data = document["target"], base64.b64decode(document["data"])
        else:
            target, data = file.resolve().parent.name, raw
        if target not in TARGETS:
            raise ValueError(f"there is no target {target!r}")
    except (OSError, ValueError, KeyError) as error:
        print(f"fuzz: {file}: is neither a finding nor an input below fuzz_seeds/TARGET/: {error}", file=sys.stderr)
        return Exit.USAGE
    only = folder / "input"
    only.write_bytes(data)
    child = Child(target, environment_of(target, folder, plant), folder, "replay", ["--only", str(only)])
    try:
        while not child.look():
            time.sleep(PAUSE)
    finally:
        child.end()
    _, findings = child.result()
    for finding in findings:
        print(f"{target}: {finding.kind}: {finding.what}\n{finding.text}")
    if not findings:
        print(f"{target}: nothing wrong with these {len(data)} bytes")
    return Exit.FAILED if findings else Exit.OK


def environment_of(target: str, folder: Path, plant: str) -> dict[str, str]:
    """What a target's processes run in; built when it is first needed. Raises fuzz_build.Missing."""
    plain = target in ALONE
    where = folder / ("plain" if plain else "sanitized")
    if where not in _built:
        where.mkdir()
        _built[where] = fuzz_build.build(where, plant, sanitized=not plain)
    return _built[where]


_built: Final[dict[Path, dict[str, str]]] = {}


def keep(findings: list[Finding], where: str | None) -> list[str]:
    """Write each into a file of its own; returns their names."""
    if where is None and not findings:
        return []
    folder = Path(where if where is not None else FINDINGS)
    folder.mkdir(parents=True, exist_ok=True)
    for finding in findings:
        (folder / finding.name).write_text(json.dumps(finding.document(), indent=1) + "\n")
    return [str(folder / finding.name) for finding in findings]


def make_report(tallies: list[Tally], arguments: Any, kept: list[str], busy: float) -> report.Report:
    """The table, and the same as data."""
    made = report.Report(f"fuzzing, seed {arguments.seed}", report.machine(busy, report.busy()))
    rows = []
    for tally in tallies:
        kinds = [sum(each.kind == kind for each in tally.findings) for kind in ("crash", "hang", "raised", "start")]
        rate = tally.executions / tally.seconds if tally.seconds else 0.0
        rows.append((tally.target, tally.executions, rate, *kinds, f"{arguments.seed}.{tally.target}.*"))
    made.table("", ("target", "executions", "a second", "crashes", "hangs", "exceptions", "no start", "seed"), rows)
    findings = [finding for tally in tallies for finding in tally.findings]
    for finding, file in zip(findings, kept, strict=True):
        made.notes.append(f"{finding.target}: {finding.kind}: {finding.what}; again with: --replay {file}")
    if not findings:
        made.notes.append("nothing found: no crash, no hang, no exception but the typed ones, nothing left open")
    made.data = {
        "seed": arguments.seed,
        "ok": not findings,
        "targets": [
            {
                "target": tally.target,
                "executions": tally.executions,
                "a_second": report.rounded(tally.executions / tally.seconds) if tally.seconds else 0.0,
                "findings": len(tally.findings),
            }
            for tally in tallies
        ],
        "findings": [
            {"target": f.target, "kind": f.kind, "what": f.what, "file": file}
            for f, file in zip(findings, kept, strict=True)
        ],
    }
    return made


def main() -> int:
    """Build, fuzz, print. Returns the exit status."""
    options = report.parser(__doc__ or "")
    options.add_argument("--seconds", type=float, default=120.0, help="of all targets together (default: %(default)g)")
    options.add_argument("--seed", type=int, default=1, help="of all that is drawn at random (default: %(default)d)")
    options.add_argument("--target", action="append", choices=TARGETS, help="only this one; may be given again")
    options.add_argument("--kept-only", action="store_true", help="only the inputs in stress/fuzz_seeds, each once")
    options.add_argument("--keep", metavar="FOLDER", help=f"where findings go (default: {FINDINGS}, if there are any)")
    options.add_argument("--replay", metavar="FILE", type=Path, help="try one finding again, and nothing else")
    options.add_argument("--plant", choices=fuzz_build.PLANTS, default="", help="build one fault in on purpose")
    arguments = options.parse_args()
    if not arguments.seconds > 0:
        options.error("--seconds has to be more than 0")
    targets = arguments.target or ([fuzz_build.PLANTS[arguments.plant].target] if arguments.plant else list(TARGETS))
    tallies: list[Tally] = []
    with tempfile.TemporaryDirectory(prefix="fumehood-fuzz-") as name:
        try:
            if arguments.replay is not None:
                return replay(arguments.replay, Path(name), arguments.plant)
            environments = {target: environment_of(target, Path(name), arguments.plant) for target in targets}
        except fuzz_build.Missing as error:
            print(f"fuzz: {error}", file=sys.stderr)
            return Exit.UNAVAILABLE
        busy = report.busy()
        whole = sum(WEIGHTS.get(target, 1.0) for target in targets)
        jobs, most = max(1, len(os.sched_getaffinity(0))), 1 if arguments.plant else MOST_KINDS
        for target in targets:
            share = 0.0 if arguments.kept_only else arguments.seconds * WEIGHTS.get(target, 1.0) / whole
            tallies.append(fuzz(target, environments[target], Path(name), share, arguments.seed, jobs, most))
    kept = keep([finding for tally in tallies for finding in tally.findings], arguments.keep)
    made = make_report(tallies, arguments, kept, busy)

    def show(to: TextIO) -> None:
        made.show(to)

    report.emit(made.document(), arguments.json, show)
    return Exit.FAILED if kept else Exit.OK


if __name__ == "__main__":
    sys.exit(main())
