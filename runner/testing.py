"""What a mod's tests say: the `fumehood` fixture, and the mods it loads. Real workers, confined as in a game.

::

    def test_it_rains(fumehood):
        fumehood.answers(tile=lambda x, y: "grass")
        weather = fumehood.load("weather.py")
        weather.emit("tick", 31.0)
        assert weather.intents() == [Intent("rain", strength=0.7)]

`runner.pytest_plugin` makes the fixture. Runs in the test's process; like a game it never executes what a mod made.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from ..shared.errors import ConfigError, FumehoodError, ModError, ModFailure, ModTimeout, QueryError, UsageError
from ..shared.messages import Diagnostic
from ..shared.policy import Confinement, Limits
from ..shared.states import Stage
from .api import Api
from .proving import MODS_LOGGER, PATIENCE, Ground, Grounds, LogLine, terms_for
from .records import LoadReport, Refusal
from .stand_in import StandIn, answered, known

if TYPE_CHECKING:
    from .game import Mods

TIMEOUT: Final = 5.0
"""Seconds that a handler is waited for. A hanging one is killed after `limits.hang_after`, which says more."""


class ModRefused(FumehoodError):
    """Raised when a mod does not go live: as in a game's log, with the place, the source line and a caret."""

    def __init__(self, name: str, verdict: str, diagnostic: Diagnostic | None) -> None:
        text = f"{name} was {verdict}: {diagnostic if diagnostic is not None else 'no reason is known'}"
        if diagnostic is not None and diagnostic.traceback and diagnostic.stage != Stage.COMPILE:
            text += f"\n{diagnostic.traceback}"
        super().__init__(text)
        self.diagnostic = diagnostic
        """`stage`, `kind`, `message`, `file`, `line`, `column`, `source`, `traceback`."""


class Intent:
    """Something a mod asked for: equal to another of that name with equal fields, whoever asked."""

    def __init__(self, name: str, /, **fields: Any) -> None:
        self.name = name
        self.fields = fields
        self.mod = ""
        """Who asked."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Intent) and (self.name, self.fields) == (other.name, other.fields)

    __hash__ = None  # type: ignore[assignment]  # fields may hold lists

    def __repr__(self) -> str:
        return f"Intent({', '.join([repr(self.name), *(f'{name}={value!r}' for name, value in self.fields.items())])})"


class LoadedMod:
    """One mod in a worker of its own, for one test."""

    def __init__(self, owner: "Fumehood", name: str, source: Path | None) -> None:
        self._owner = owner
        self.name = name
        self._source = source

    def call(self, event: str, /, *args: Any, timeout: float = TIMEOUT) -> Any:
        """The value of its handler of highest priority. Raises as `Mod.call`: ModError with the mod's traceback,
        ModTimeout, ModCrashed; and what an answer of the test's own raised."""
        __tracebackhide__ = True
        with self._owner._doing():
            return self._owner._mods[self.name].call(event, *args, timeout=timeout)

    def emit(self, event: str, /, *args: Any, timeout: float = TIMEOUT) -> list[Any]:
        """Send an event, as the game does, to every loaded mod; the values of this one's handlers.

        Raises UsageError: this mod has no handler of it; ModFailure for what became of any mod in it.
        """
        __tracebackhide__ = True
        if event not in self.events:
            handled = ", ".join(sorted(self.events)) or "none"
            raise UsageError(f"{self.name} has no handler of {event!r}; it handles: {handled}")
        return self._owner.emit(event, *args, timeout=timeout).get(self.name, [])

    def post(self, event: str, /, *args: Any) -> None:
        """Send an event to this mod alone and do not wait; a later `call` finds it handled."""
        __tracebackhide__ = True
        with self._owner._doing():
            self._owner._mods[self.name].post(event, *args)

    def intents(self) -> list[Intent]:
        """What it asked for since the last time, in its own order."""
        __tracebackhide__ = True
        return self._owner._take(self.name)

    def reload(self, path: str | Path | None = None, *, text: str | None = None) -> Self:
        """Save a new version, from a path, from `text`, or from where it was loaded, and wait until it is live.

        Its state is carried over. Raises ModRefused: the version before goes on.
        """
        __tracebackhide__ = True
        if path is None and text is None:
            path = self._source
            if path is None:
                raise UsageError(f"{self.name} was loaded from text: reload(text=…)")
        self._owner.load(path, text=text, name=self.name)
        return self

    @property
    def events(self) -> frozenset[str]:
        """The events it handles."""
        return self._owner._mods[self.name].events

    @property
    def version(self) -> int:
        """Number of the version that answers; 0: none."""
        return self._owner._mods[self.name].version

    @property
    def log(self) -> list[str]:
        """What it logged and printed in this test, a text a line."""
        return [line.text for line in self._owner.log if line.mod == self.name]

    def __repr__(self) -> str:
        return f"<LoadedMod {self.name}@{self.version}: handles {', '.join(sorted(self.events)) or 'nothing'}>"


class Fumehood:
    """The fixture: loads mods, answers their queries, and takes what they ask for.

    `api`: the game's Api, or None; `packages`: what mods may import beyond the standard library; `limits`. Set them
    before the first `load`.
    """

    def __init__(self, grounds: Grounds, folders: Sequence[Path], confinement: Confinement) -> None:
        """For the plugin. `folders`: where a path is looked for, in that order."""
        self.api: Api | None = None
        self.packages: Sequence[str] = ()
        self.limits: Limits | None = None
        self._confinement = confinement
        self._grounds = grounds
        self._folders = folders
        self._ground: Ground | None = None
        self._terms = terms_for(None, (), (), confinement, None)
        self._answers: dict[str, object] = {}
        self._faults: list[BaseException] = []
        self._intents: list[Intent] = []
        self._log: list[LogLine] = []
        self._files: dict[str, dict[str, bytes]] = {}

    # ── before and while mods run ─────────────────────────────────────────────────────────────────────────────────────

    def answers(self, **answers: Any) -> None:
        """Answer queries in this test: `answers(tile=lambda x, y: "grass", hour=12)`. A function is called with what
        the mod asks; anything else is the answer itself; a QueryError is raised in the mod, as a game's no.

        With an `api` answers are checked against it. Without one the names have to be known before the first `load`,
        and their answers may change later. What a function raises, or a wrong type, is raised again in the test.

        Raises NotDeclared, UsageError.
        """
        __tracebackhide__ = True
        if self.api is not None:
            known(self.api, answers)
        elif self._ground is not None and (late := sorted(set(answers) - self._terms.names)):
            raise UsageError(f"answers({late[0]}=…) comes after load(): say before it what this test answers")
        self._answers.update(answers)

    def load(self, path: str | Path | None = None, *, text: str | None = None, name: str | None = None) -> LoadedMod:
        """Load a mod in a real, confined worker, and wait until it is live.

        `path`: its NAME.py, or its folder with an __init__.py; relative to the test's file, or to where pytest runs.
        A copy is run: what the test reloads changes nothing there. `text`: its source instead; then `name` (default
        "mod") is what it is called. A mod that `requires` others is loaded after them.

        Raises ModRefused with its diagnostic; ConfigError (path); UsageError; MachineError, when a layer is missing.
        """
        __tracebackhide__ = True
        source = None
        if (path is None) == (text is None):
            raise UsageError("load(path) or load(text=…): one of the two")
        if path is not None:
            source = self._find(Path(path))
            name = name or source.name.removesuffix(".py")
            files = _read(source)
        else:
            name, files = name or "mod", {"": str(text).encode()}
        if any(not part or part.startswith(".") for part in name.split("/")):
            raise UsageError(f"load(name={name!r}): a mod is called as its file, without .py")
        ground = self._begin()
        with self._doing():
            before = self._files.get(name)
            if before != files or name not in ground.mods:
                since = max((receipt.number for receipt in ground.mods.receipts()), default=0)
                ground.put(name, files)
                self._files[name] = files
                self._await_verdict(ground, name, since)
        return LoadedMod(self, name, source)

    def emit(self, event: str, /, *args: Any, timeout: float = TIMEOUT) -> dict[str, list[Any]]:
        """Send an event to every loaded mod; the values of each one's handlers. Raises the ModFailure of the first that
        failed or was late."""
        __tracebackhide__ = True
        with self._doing():
            report = self._mods.emit(event, *args, budget=timeout)
            for failure in report.failed.values():
                raise failure
            for name in report.late:
                raise ModTimeout(f"{name} did not handle {event!r} within {timeout:g} s", mod=name, event=event)
            return report.results

    def veto(self, event: str, /, *args: Any, timeout: float = TIMEOUT) -> Refusal | None:
        """Ask every loaded mod whether it refuses; None: nobody does."""
        __tracebackhide__ = True
        with self._doing() as ground:
            if ground.stand_in is None:
                return self._mods.veto(event, *args, budget=timeout)
            ground.stand_in.vetoing = True
            try:
                return self._mods.veto(event, *args, budget=timeout)
            finally:
                ground.stand_in.vetoing = False

    def intents(self) -> list[Intent]:
        """What all mods asked for since the last time, in load order, each one's in its own; `mod` says who."""
        __tracebackhide__ = True
        return self._take(None)

    def save(self) -> bytes:
        """Every mod's state, as for a save slot."""
        __tracebackhide__ = True
        with self._doing():
            return self._mods.save()

    def restore(self, data: bytes) -> LoadReport:
        """Start every mod anew from what `save` gave. Raises ModRefused: one does not take it."""
        __tracebackhide__ = True
        with self._doing():
            report = self._mods.load(data)
            for name, diagnostic in report.refused.items():
                raise ModRefused(name, "not restored", diagnostic)
            return report

    def publish(self, name: str, array: Any) -> int:
        """Publish a view for mods to read; as `Mods.publish`."""
        __tracebackhide__ = True
        with self._doing() as ground:
            ground.spoilt = True  # a view stays for as long as the supervisor
            return ground.mods.publish(name, array)

    def provide(self, name: str, helper: object) -> None:
        """Ship a function into every mod; as `Mods.provide`."""
        __tracebackhide__ = True
        with self._doing() as ground:
            ground.spoilt = True
            ground.mods.provide(name, helper)

    @property
    def log(self) -> list[LogLine]:
        """What mods logged and printed in this test, oldest first: `mod`, `level`, `text`."""
        if self._ground is not None:
            for document in self._ground.told():
                if document["logger"] == MODS_LOGGER and "verdict" not in document:
                    name, version = str(document["mod"]), document["version"]
                    text = str(document["message"]).removeprefix(f"{name}@{version}: ")
                    self._log.append(LogLine(name, str(document["level"]), text))
        return list(self._log)

    def __repr__(self) -> str:
        return f"<fumehood fixture: {', '.join(sorted(self._files)) or 'no mod is loaded'}>"

    # ── what the plugin does ──────────────────────────────────────────────────────────────────────────────────────────

    def close(self) -> None:
        """The test is over."""
        ground, self._ground = self._ground, None
        if ground is not None:
            if ground.stand_in is not None:
                ground.stand_in.ask = StandIn(None, ()).ask
            self._grounds.give_back(self._terms, ground)

    # ── the inside ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self) -> Ground:
        __tracebackhide__ = True
        terms = terms_for(self.api, list(self._answers), self.packages, self._confinement, self.limits)
        if self._ground is None:
            self._terms = terms
            self._ground = self._grounds.take(terms)
            if self._ground.stand_in is not None:
                self._ground.stand_in.ask = self._ask
        elif terms != self._terms:
            raise UsageError("fumehood.api, packages and limits are set before the first load()")
        return self._ground

    @property
    def _mods(self) -> "Mods":
        __tracebackhide__ = True
        if self._ground is None:
            raise UsageError("no mod is loaded: begin with fumehood.load(…)")
        return self._ground.mods

    def _doing(self) -> "_Doing":
        return _Doing(self)

    def _ask(self, name: str, values: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Within a wait of the game's: what fails here is told to the mod, and raised in the test when that is over."""
        __tracebackhide__ = True
        given = [*map(repr, values), *(f"{key}={value!r}" for key, value in named.items())]
        asked = f"game.{name}({', '.join(given)})"
        try:
            assert self._ground is not None, "a query comes within a wait of its supervisor's"
            assert self._ground.stand_in is not None, "without one nothing is a query"
            if name not in self._answers:
                raise UsageError(f"a mod asked {asked}, and this test has no answer: fumehood.answers({name}=…)")
            return answered(self._ground.stand_in, name, self._answers[name], values, named)
        except QueryError:
            raise
        except Exception as error:  # noqa: BLE001  # the test's own function may raise anything, and it is told
            self._faults.append(error)
            raise QueryError(f"{asked}: the test's answer failed: {type(error).__name__}: {error}") from None

    def _take(self, name: str | None) -> list[Intent]:
        with self._doing() as ground:
            unchecked = ground.stand_in is None or ground.stand_in.open
            for each in ground.mods._take_intents() if unchecked else ground.mods.intents():
                intent = Intent(each.name, **each.fields)
                intent.mod = each.mod
                self._intents.append(intent)
        taken = [intent for intent in self._intents if name in (None, intent.mod)]
        self._intents = [intent for intent in self._intents if name not in (None, intent.mod)]
        return taken

    def _await_verdict(self, ground: Ground, name: str, since: int) -> None:
        __tracebackhide__ = True
        while True:
            receipt = ground.mods.wait(name, verdict=None, since=since, timeout=PATIENCE)
            since = receipt.number
            if receipt.verdict == "live":
                return
            if receipt.verdict in ("refused", "rolled back", "down"):
                raise ModRefused(name, receipt.verdict, receipt.diagnostic)

    def _find(self, path: Path) -> Path:
        tried = [folder / path for folder in self._folders]
        for candidate in tried:
            if candidate.is_file() and candidate.suffix == ".py":
                return candidate
            if (candidate / "__init__.py").is_file():
                return candidate
            if candidate.is_dir():
                raise ConfigError(
                    f"{candidate}: a folder without an __init__.py is no mod: load those in it one by one"
                )
            if candidate.is_file():
                raise ConfigError(f"{candidate}: a mod is a NAME.py, or a folder with an __init__.py")
        raise ConfigError(f"there is no mod {path}; looked for {', '.join(dict.fromkeys(map(str, tried)))}")


class _Doing:
    """Around all that mods may ask in: a fault of the test's own answers goes before what the mod made of it, and
    an error of a mod's shows the mod's traceback."""

    def __init__(self, owner: Fumehood) -> None:
        self._owner = owner

    def __enter__(self) -> Ground:
        owner = self._owner
        assert owner._mods is not None
        assert owner._ground is not None
        return owner._ground

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        __tracebackhide__ = True
        faults, self._owner._faults = self._owner._faults, []
        if isinstance(error, ModFailure) and not isinstance(error, ModError) and self._owner._ground is not None:
            self._owner._ground.spoilt = (
                True  # the game may know of a death before the supervisor has told what it held
            )
        if faults and (error is None or isinstance(error, ModFailure)):
            raise faults[0] from None
        if isinstance(error, ModError) and error.traceback:
            error.add_note(f"in the mod:\n{error.traceback}")
        if isinstance(error, FumehoodError):
            raise error.with_traceback(None) from None  # where the test stands; our own frames say nothing to it


def _read(source: Path) -> dict[str, bytes]:
    """A mod's files by their path in it; of a single file by ""."""
    if source.is_file():
        return {"": source.read_bytes()}
    return {
        str(file.relative_to(source)): file.read_bytes()
        for file in sorted(source.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    }
