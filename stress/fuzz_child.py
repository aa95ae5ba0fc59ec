"""One fuzz target in a process of its own, started by fuzz.py: it may crash, hang, or run out of memory.

Each input stands in the file `state` before it is tried, so that whoever finds this process dead or hanging knows which
it was. What is found otherwise goes to stdout, one JSON document a line. What a case may cost besides time: memory and
descriptors are looked at as well.
"""

import argparse
import base64
import faulthandler
import json
import mmap
import random
import resource
import signal
import struct
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

from fuzz_mutate import LONGEST, havoc

HEAD: Final = struct.Struct("<QI")
"""In front of the input in the state file: which case it is, counted from 1, and how long."""
STATE_BYTES: Final = 1 << 16
TARGETS: Final = {
    "ring": ("fuzz_ring", "Ring"),
    "race": ("fuzz_race", "Race"),
    "decoder": ("fuzz_decoder", "Decoder"),
    "letters": ("fuzz_letters", "Letters"),
    "snapshot": ("fuzz_snapshot", "Snapshots"),
    "manifest": ("fuzz_settings", "Manifests"),
    "config": ("fuzz_settings", "Configs"),
    "savefile": ("fuzz_settings", "Saves"),
    "control": ("fuzz_control", "Control"),
}
MOST_GROWTH: Final = 96 << 10
"""KiB that the largest resident size may grow by after the first cases. The sanitizer keeps 16 MiB of freed memory,
and twice 10 MB are what one legitimate case takes."""
LOOK_EVERY: Final = 200
"""Cases between two looks at descriptors and memory; the first look is what later ones are compared with."""


class Target(Protocol):
    """What is fuzzed."""

    name: str
    dictionary: tuple[bytes, ...]

    def fresh(self, rng: random.Random) -> bytes:
        """A new input."""

    def run(self, data: bytes) -> None:
        """Try one input. Raises whatever is wrong."""

    def close(self) -> None:
        """Clear away."""


def target(name: str) -> Target:
    """Make one. Only here is its module imported."""
    module, kind = TARGETS[name]
    made: Target = getattr(import_module(module), kind)()
    return made


def seeds(folder: Path, name: str) -> list[bytes]:
    """The inputs that are kept for a target, in order of their names."""
    return [file.read_bytes() for file in sorted((folder / name).glob("*")) if file.is_file()]


class Run:
    """All cases of one process."""

    def __init__(self, tried: Target, state: mmap.mmap, most: int) -> None:
        """`most`: different findings after which it is over."""
        self._most = most
        self._target = tried
        self._state = state
        self.count = 0
        self._kinds: set[str] = set()
        self._memory = 0
        self._descriptors = 0

    def case(self, data: bytes) -> bool:
        """Try one. False: this target has shown enough."""
        data = data[:LONGEST]
        self.count += 1
        self._state[HEAD.size : HEAD.size + len(data)] = data
        self._state[: HEAD.size] = HEAD.pack(self.count, len(data))
        try:
            self._target.run(data)
            if self.count % LOOK_EVERY == 0:
                self._look()
        except Exception as error:  # noqa: BLE001  # that is what is looked for
            place = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
            if kind not in self._kinds:
                self._kinds.add(kind)
                tell(kind="raised", what=f"{kind}: {error}"[:300], text=traceback.format_exc()[-4000:], data=data)
        return len(self._kinds) < self._most

    def _look(self) -> None:
        open_now = sum(1 for _ in Path("/proc/self/fd").iterdir())
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if not self._memory:
            self._descriptors, self._memory = open_now, memory
        assert open_now <= self._descriptors, (
            f"{open_now - self._descriptors} descriptors more than after the first cases"
        )
        assert memory <= self._memory + MOST_GROWTH, f"{memory - self._memory} KiB more than after the first cases"


def tell(*, data: bytes = b"", **words: Any) -> None:
    """One line for fuzz.py."""
    print(json.dumps({**words, "input": base64.b64encode(data).decode()}), flush=True)


def main() -> None:
    """The seeds first, then what is drawn, until time is up."""
    options = argparse.ArgumentParser()
    options.add_argument("target")
    options.add_argument("--state", type=Path, required=True)
    options.add_argument("--seeds", type=Path, required=True)
    options.add_argument("--seed", default="")
    options.add_argument("--seconds", type=float, default=0.0)
    options.add_argument("--most", type=int, default=1)
    options.add_argument("--only", type=Path)
    given = options.parse_args()
    rng = random.Random(given.seed)
    faulthandler.register(signal.SIGUSR1, all_threads=True)  # so that a hang has a place
    with given.state.open("r+b") as file, mmap.mmap(file.fileno(), STATE_BYTES) as state:
        tried = target(given.target)
        run = Run(tried, state, given.most)
        corpus = [given.only.read_bytes()] if given.only else seeds(given.seeds, given.target)
        going = all(map(run.case, corpus))
        until = time.monotonic() + given.seconds
        while going and given.seconds and time.monotonic() < until:
            draw = rng.random()
            data = rng.choice(corpus) if corpus and draw < 0.4 else tried.fresh(rng)
            if draw < 0.7:
                data = havoc(rng, data, tried.dictionary, corpus)
            going = run.case(data)
        tried.close()
        tell(kind="done", count=run.count)


if __name__ == "__main__":
    main()
