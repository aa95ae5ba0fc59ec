"""What a storm changes, when and how; and what must be live once it is over. Pure: no file, no clock.

A mod's code carries the number of the save it came from, so that an answer says which save is answering. Every save of
a mod is made by the same writer, so the plan alone knows what its disk holds in the end.

What is live when the disk is broken: the last good save *that was live*. A good save that was followed by a broken one
at once need never have been live; one that stood for `CALM` seconds must have been. So a mod whose disk is broken may
be live on that one or on any good save after it, and the journal's last word says on which. The calm rounds at the end
leave no such choice: a good save, rest, a broken one, rest.
"""

import hashlib
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

CALM: Final = 6.0
"""Seconds after which a good save that nobody wrote over must have been live. The supervisor may be seconds behind."""
BULK: Final = 12
"""Mods renamed into place at once by a bulk change, as a git checkout does."""
MOST_LOOPS: Final = 3
"""Saves in one storm that loop for ever at import. Each holds up others that want to be built for the load timeout."""

GOOD: Final = "good"
BROKEN: Final = {
    "syntax": "def broken(:\n",
    "import": "import there_is_no_such_module\n",
    "selftest": "def selftest():\n    raise AssertionError('the storm says no')\n",
    "segfault": "import ctypes\nctypes.string_at(0)\n",
    "loop": "while True:\n    pass\n",
}
WEIGHTS: Final = {GOOD: 72, "syntax": 9, "import": 9, "selftest": 6, "segfault": 4}
WAYS: Final = ("rename", "truncate", "recreate")

BODY: Final = """\
from fumehood.worker import on, state

@on("post")
def post(number):
    state["count"] = state.get("count", 0) + 1
    state["sum"] = state.get("sum", 0) + number
    if number <= state.get("last", 0):
        state["disorder"] = state.get("disorder", 0) + 1
    state["last"] = number

@on("audit")
def audit():
    return SAVE, state.get("count", 0), state.get("sum", 0), state.get("disorder", 0)
"""
TICK: Final = """
@on("tick")
def tick(dt):
    return SAVE
"""


@dataclass(frozen=True, slots=True)
class Change:
    """One save of one mod."""

    at: float
    """Seconds after the writers begin."""
    mod: str
    save: int
    kind: str
    """GOOD or a key of BROKEN."""
    way: str
    """One of WAYS, or "bulk": everything of that writer's due at this instant is renamed into place together."""


def names(count: int) -> list[str]:
    """The mods of a storm."""
    return [f"m{number:03}" for number in range(count)]


def is_folder(mod: str) -> bool:
    """Whether it is a folder mod, whose changing part is a file of its own."""
    return int(mod[1:]) % 8 == 7


def hears_tick(mod: str) -> bool:
    """Whether it has a handler of the event that goes to all."""
    return int(mod[1:]) % 10 == 0


def changing_file(mod: str) -> str:
    """The path, below the root, of what a change writes."""
    return f"{mod}/part.py" if is_folder(mod) else f"{mod}.py"


def files(mod: str, save: int, kind: str) -> dict[str, str]:
    """All files of a mod after a save, by their path in the mod."""
    body = BODY + (TICK if hears_tick(mod) else "")
    changing = f'SAVE = int("{save:06}")\n'  # of one length: a plant may write over it in place
    broken = BROKEN.get(kind, "")
    if is_folder(mod):
        return {"__init__.py": f"from .part import *\n{body}", "part.py": changing + broken}
    return {f"{mod}.py": changing + body + broken}


def written(mod: str, save: int, kind: str) -> str:
    """What a change writes into `changing_file`."""
    made = files(mod, save, kind)
    return made["part.py"] if is_folder(mod) else made[f"{mod}.py"]


def digest(contents: dict[str, bytes]) -> str:
    """A snapshot's digest, written a second time from its definition: a checker must not borrow what it checks."""
    hashed = hashlib.sha256(b"fumehood snapshot 1\n")
    for path in sorted(contents):
        for part in (path.encode(), contents[path]):
            hashed.update(len(part).to_bytes(8, "little") + part)
    return hashed.hexdigest()


def digest_of(mod: str, save: int, kind: str) -> str:
    """The digest a save of a mod has."""
    return digest({path: text.encode() for path, text in files(mod, save, kind).items()})


def storm(mods: list[str], changes: int, seconds: float, writers: int, rng: random.Random) -> list[list[Change]]:
    """Plan `changes` saves over `seconds`, one list per writer, each in order of time. Saves are numbered from 2 on."""
    owned = share_out(mods, writers)
    plans: list[list[Change]] = [[] for _ in range(writers)]
    saves = dict.fromkeys(mods, 1)
    loops = 0
    left = changes
    while left:
        writer = rng.randrange(writers)
        at = rng.uniform(0, seconds)
        chosen, way = [rng.choice(owned[writer])], rng.choice(WAYS)
        if rng.random() < 0.03:
            chosen, way = rng.sample(owned[writer], min(BULK, len(owned[writer]))), "bulk"
        for mod in chosen[:left]:
            kind = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            if loops < MOST_LOOPS and rng.random() < 2 * MOST_LOOPS / changes:
                kind, loops = "loop", loops + 1
            plans[writer].append(Change(at, mod, 0, kind, way))
            left -= 1
    for plan in plans:
        plan.sort(key=lambda change: change.at)
        for index, change in enumerate(plan):
            saves[change.mod] += 1
            plan[index] = Change(change.at, change.mod, saves[change.mod], change.kind, change.way)
    return plans


def everywhere(saves: dict[str, int], kinds: dict[str, str], writers: int) -> list[list[Change]]:
    """Plan one bulk change: the next save of each mod in `kinds`. `saves`: each mod's last number."""
    owned = share_out(list(saves), writers)
    return [[Change(0.0, mod, saves[mod] + 1, kinds[mod], "bulk") for mod in own if mod in kinds] for own in owned]


def share_out(mods: list[str], writers: int) -> list[list[str]]:
    """Which writer owns which mods."""
    return [mods[writer::writers] for writer in range(writers)]


@dataclass(frozen=True, slots=True)
class Saved:
    """A save that was made."""

    save: int
    kind: str
    at: float
    """Monotonic seconds at which it stood on the disk."""


class Model:
    """What the disk holds and what may be live, from what the writers say they did."""

    def __init__(self, mods: Iterable[str], at: float) -> None:
        """Every mod begins with save 0, which is good, and was live at `at`."""
        self._history = {mod: [Saved(0, GOOD, at - CALM)] for mod in mods}

    def wrote(self, mod: str, save: Saved) -> None:
        """A writer made a save."""
        self._history[mod].append(save)

    def rested(self, at: float) -> None:
        """Everything came to rest: what is good on a disk is live now, whatever came before."""
        for history in self._history.values():
            if history[-1].kind == GOOD:
                history[:] = [Saved(history[-1].save, GOOD, at - CALM)]

    def on_disk(self, mod: str) -> Saved:
        """The last save of a mod."""
        return self._history[mod][-1]

    def saves(self) -> dict[str, int]:
        """The number of each mod's last save."""
        return {mod: history[-1].save for mod, history in self._history.items()}

    def may_be_live(self, mod: str) -> list[int]:
        """The saves of a mod of which one must be live: one alone where the disk is good or a good one stood calm."""
        history = self._history[mod]
        if history[-1].kind == GOOD:
            return [history[-1].save]
        found: list[int] = []
        until = float("inf")
        for saved in reversed(history):
            if saved.kind == GOOD:
                found.append(saved.save)
                if until - saved.at >= CALM:
                    break
            until = saved.at
        return found
