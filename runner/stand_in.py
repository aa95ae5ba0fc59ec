"""An `Api` whose queries a test answers, in place of the game: of a game's own Api, or of none.

Of a game's Api everything is checked as in the game, the answers too. Without one the contract is *open*: the queries
that the test names are asked, everything else is taken as by a game that declares nothing. Runs in the test's process.
"""

import copy
from collections.abc import Callable, Iterable
from typing import Any, Final

from ..shared.contract import Contract, Declared
from ..shared.errors import NotDeclared, QueryError, UsageError
from .api import Api, Entry

NAME: Final = "this test"

Ask = Callable[[str, tuple[Any, ...], dict[str, Any]], Any]
"""(query, values, values by name) → the answer; may raise QueryError."""


class StandIn(Api):
    """What a game in a test declares. `ask` is looked up at each query, so that each test answers for itself."""

    def __init__(self, api: Api | None, names: Iterable[str] = ()) -> None:
        """`names`: of the queries, where there is no `api`. Raises UsageError: one cannot be written as game.NAME."""
        super().__init__(api.name if api is not None else NAME, version=api.version if api is not None else 1)
        self.ask: Ask = _nobody
        self.open = api is None
        self.vetoing = False
        """Whether the next event of an open one is asked for a veto: there is no declaration to tell."""
        self._any: dict[tuple[str, bool], Entry] = {}
        if api is not None:
            self.events, self.intents = dict(api.events), dict(api.intents)
            self.queries = {name: self._asked(entry) for name, entry in api.queries.items()}
            self._contract = api.contract()
            return
        for name in names:
            if not name.isidentifier() or name.startswith("_") or name == "send":
                raise UsageError(f"answers({name}=…): mods cannot write game.{name}() for a query")
            self.queries[name] = _AnyQuery(name, self)
        self._contract = Contract(
            self.name, self.version, [], [each.declared for each in self.queries.values()], open=True
        )

    def event_named(self, event: str) -> Entry:
        """As the Api's own; of an open one, an event with any arguments."""
        if not self.open:
            return super().event_named(event)
        key = event, self.vetoing
        if key not in self._any:
            self._any[key] = _AnyEvent(*key)
        return self._any[key]

    def _asked(self, entry: Entry) -> Entry:
        """The same query, put to the test."""
        name, asked = entry.name, copy.copy(entry)

        def ask(*values: Any, **named: Any) -> Any:
            return self.ask(name, values, named)

        asked.function, asked.wants_mod = ask, False
        return asked


class _AnyQuery(Entry):
    """A query with any arguments."""

    def __init__(self, name: str, owner: StandIn) -> None:
        def function(args: Any, named: Any) -> Any:
            return owner.ask(name, tuple(args), named)

        super().__init__(function, "query")
        self.declared = Declared(name, [])
        self.tuples = {}  # so that every query of it goes through `bound`

    def bound(self, args: list[Any], named: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """For `function`, which takes them as they are."""
        return {"args": args, "named": named}, ""


class _AnyEvent(Entry):
    """An event with any arguments, which mods may refuse or not."""

    def __init__(self, name: str, veto: bool) -> None:
        def function() -> None: ...

        super().__init__(function, "event")
        self.declared = Declared(name, [], "", veto)

    def arguments(self, args: tuple[Any, ...], where: str) -> None:
        """Nothing is declared of them."""


def _nobody(name: str, _values: tuple[Any, ...], _named: dict[str, Any]) -> Any:
    raise QueryError(f"nobody answers game.{name}() now")


def answered(api: Api, name: str, answer: object, values: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """What a test's `answer` is, checked against what `api` declares: a function's value, an exception raised, or any
    other value as it stands. Raises UsageError: its type is another one; and what the function raises."""
    __tracebackhide__ = True
    if isinstance(answer, BaseException):
        raise answer
    value = answer(*values, **named) if callable(answer) else answer
    entry = api.queries[name]
    if entry.returns is not None:
        try:
            entry.checked(value)
        except ValueError as error:
            raise UsageError(
                f"answers({name}=…): {entry.declared.spelled()} returns {entry.declared.returns}, "
                f"and the test's answer is {error}"
            ) from None
    return value


def known(api: Api, names: Iterable[str]) -> None:
    """Raises NotDeclared: the Api has no such query; names the nearest."""
    from ..shared.contract import nearest

    for name in names:
        if name not in api.queries:
            raise NotDeclared(f"answers({name}=…): {api.name} has no query {name!r}{nearest(name, list(api.queries))}")
