"""Supervisors for tests of mods, kept from test to test: a start takes half a second, a fresh mod ten milliseconds.

Between two tests every file goes, and with it every state and every intent. A supervisor that saw a refusal, a crash or
a rollback is not used again: what it holds against those bytes would count in the next test. In the test's process.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..shared.errors import FumehoodError, MachineError
from ..shared.policy import Confinement, Limits
from . import savefile
from .api import Api
from .launch import launch
from .stand_in import StandIn, known

if TYPE_CHECKING:
    from .game import Mods

KEPT: Final = 2
"""Supervisors that wait for the next test. More: memory, about 60 MiB each; fewer: tests of two games that take turns
start one every time."""
PATIENCE: Final = 20.0
"""Seconds that a verdict is waited for: each stage of a load has its own deadline, this is the last one."""
MODS_LOGGER: Final = "fumehood.mods"


class Terms(NamedTuple):
    """What a supervisor was started with; a test that wants the same may have it."""

    api: Api | None = None
    names: frozenset[str] = frozenset()
    """Queries that are answered where there is no api; None there and none here: nothing is declared."""
    packages: tuple[str, ...] = ()
    confinement: Confinement = Confinement.FULL
    limits: Limits | None = None


class LogLine(NamedTuple):
    """One line that a mod logged or printed."""

    mod: str
    level: str
    """debug, info, warning, error, critical."""
    text: str

    def __str__(self) -> str:
        return f"{self.mod}: {self.text}"


class Ground:
    """One supervisor over a folder of its own, for one test after the other."""

    def __init__(self, terms: Terms, folder: Path) -> None:
        """Raises what `launch` raises."""
        self.root = folder / "mods"
        self.root.mkdir()
        self._aside = folder
        self._log = folder / "log"
        self._read = 0
        self.stand_in = StandIn(terms.api, terms.names) if terms.api is not None or terms.names else None
        self.spoilt = False
        """No other test is to have it."""
        self._seen = 0
        with self._log.open("wb") as sink:
            try:
                self.mods: Mods = launch(
                    self.root,
                    api=self.stand_in,
                    packages=terms.packages,
                    confinement=terms.confinement,
                    limits=terms.limits,
                    log_format="json",
                    log_to=sink.fileno(),
                    reload_interval=0.0,
                )
            except MachineError as error:
                if terms.confinement is Confinement.REDUCED:
                    raise
                raise MachineError(
                    f"{error}; or test in the weaker mode: pytest --fumehood-confinement=reduced"
                ) from None

    def put(self, name: str, files: dict[str, bytes]) -> None:
        """Make these the mod's files, at once. `files`: by their path in the mod's folder; of a single file by ""."""
        target = self.root / (name if "" not in files else f"{name}.py")
        new = self._aside / "new"
        for path, data in files.items():
            file = new / path if path else new
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        target.parent.mkdir(parents=True, exist_ok=True)
        for before in (self.root / name, self.root / f"{name}.py"):
            if before.is_dir():
                shutil.rmtree(before)
            elif before != target:
                before.unlink(missing_ok=True)
        new.rename(target)

    def told(self) -> Iterator[dict[str, Any]]:
        """The supervisor's log since the last time, a document a line. What mods said before this is in it."""
        self.mods._link.flush_log()
        with self._log.open("rb") as file:
            file.seek(self._read)
            for line in file:
                self._read += len(line)
                yield json.loads(line)

    def clear(self) -> None:
        """Make it as good as new, or spoilt. Raises nothing of ours."""
        try:
            if self._marred():
                return
            for each in self.root.iterdir():
                shutil.rmtree(each) if each.is_dir() else each.unlink()
            if not self.mods.settle(PATIENCE) or len(self.mods):
                self.spoilt = True
            if self._marred():  # what a post led to is told of only now
                return
            self.mods.load(savefile.packed([]))  # nobody is there: forgets what the next mod of a name would begin with
            self.mods._take_intents()
            for _ in self.told():
                pass
            self._seen = max((receipt.number for receipt in self.mods.receipts(self._seen)), default=self._seen)
        except FumehoodError:
            self.spoilt = True

    def _marred(self) -> bool:
        good = all(receipt.verdict in ("live", "superseded") for receipt in self.mods.receipts(self._seen))
        self.spoilt = self.spoilt or not good
        return self.spoilt

    def close(self) -> None:
        """End it, and everything below it, and its folder."""
        try:
            self.mods.close()
        finally:
            shutil.rmtree(self._aside, ignore_errors=True)


class Grounds:
    """Those of a test session."""

    def __init__(self, make_folder: Any) -> None:
        """`make_folder()` gives a new empty folder."""
        self._make_folder = make_folder
        self._idle: list[tuple[Terms, Ground]] = []

    def take(self, terms: Terms) -> Ground:
        """One that keeps these terms, for a test that gives it back. Raises what `launch` raises."""
        for place, (kept, ground) in enumerate(self._idle):
            if kept == terms:
                del self._idle[place]
                return ground
        return Ground(terms, self._make_folder())

    def give_back(self, terms: Terms, ground: Ground) -> None:
        """The test is over."""
        ground.clear()
        if ground.spoilt:
            ground.close()
            return
        self._idle.append((terms, ground))
        while len(self._idle) > KEPT:
            self._idle.pop(0)[1].close()

    def close(self) -> None:
        """The session is over."""
        while self._idle:
            self._idle.pop()[1].close()


def terms_for(
    api: Api | None, names: Sequence[str], packages: Sequence[str], confinement: Confinement, limits: Limits | None
) -> Terms:
    """Raises NotDeclared: the test answers a query that the api does not have."""
    if api is not None:
        known(api, names)
    return Terms(api, frozenset() if api is not None else frozenset(names), tuple(packages), confinement, limits)
