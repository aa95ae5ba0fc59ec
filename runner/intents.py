"""What mods asked for, checked against what the game declares, and done. Runs in the game, between frames.

Nothing a mod says gets to a function of the game's unless its name is declared and its values have the declared types.
Nothing that happens here is raised: a mod cannot make `apply` raise, and one function's fault does not stop the others.

Events that mods send each other come this way too: the game approves each, and posts it to all others that handle it.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..shared.errors import ModFailure, UsageError
from .api import Api, Entry
from .queries import LOGGED
from .rate import TokenBucket
from .records import Applied, Intent, RefusedIntent
from .text import escape, said

if TYPE_CHECKING:
    from .game import Mods
    from .mod import Mod

MOST_LISTED: Final = 100
"""Refused and failed intents that a report lists; past it they are only counted. More: a hostile mod makes reports
longer."""
MOST_RELAYED: Final = 100
"""Events of one mod that are passed on in one `apply`; more are refused. Each is posted to every mod that handles it:
more of them cost the game's frame, and the queues of others."""

MOST_REFUSED: Final = 100
"""Intents of one mod in one look that are found not to be as declared, after which no more of its are read: each costs
a check that fails, and its words. Honest mods have none: their own `game` refuses these."""

log = logging.getLogger("fumehood.game")


class Gate:
    """What of one look's intents gets to the game."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._refused: Counter[str] = Counter()

    def admit(self, intent: Intent) -> tuple[Entry | None, dict[str, Any], str]:
        """What is declared under that name, and the values as declared; or why it is refused."""
        if self._refused[intent.mod] >= MOST_REFUSED:
            return None, {}, f"it sent more than {MOST_REFUSED} that are not as declared"
        entry = self._api.wanted(intent.name)
        if entry is None:
            why = f"no intent {intent.name[:100]!r}"  # what it may have meant, its own `game` has said
        else:
            fields, why = entry.bound([], intent.fields)
            if not why:
                return entry, fields, ""
        self._refused[intent.mod] += 1
        return None, {}, escape(why)


def checked(api: Api, intents: Iterable[Intent]) -> Iterator[Intent]:
    """Those that are as declared, with their values as declared."""
    gate = Gate(api)
    for intent in intents:
        entry, fields, _ = gate.admit(intent)
        if entry is not None:
            yield msgspec.structs.replace(intent, fields=fields)


def apply(mods: "Mods", api: Api, mod_named: Callable[[str], Any]) -> Applied:
    """Take what mods asked for, and do it in order. What is no Exception, as Ctrl-C, ends it: those not begun yet are
    given back, for the next look."""
    gate, doing = Gate(api), _Applying(mods, mod_named)
    taken = mods._take_intents()
    for number, intent in enumerate(taken, 1):
        entry, fields, why = gate.admit(intent)
        if entry is None:
            doing.refuse(intent, why)
            continue
        try:
            if entry.declared.relay:
                doing.relay(intent, entry, fields)
            else:
                doing.do(intent, entry, fields)
        except Exception as error:  # noqa: BLE001  # the game's own fault does not end its frame
            doing.fail(intent, error)
        except BaseException:
            for name in {each.mod for each in taken[number:]}:
                mods._by_name[name]._inbox.give_back([each for each in taken[number:] if each.mod == name])
            raise
    return doing.report()


class _Applying:
    def __init__(self, mods: "Mods", mod_named: Callable[[str], Any]) -> None:
        self._mod_named = mod_named
        self._heard_by: Callable[[str], list[Mod]] = mods._audience.handling
        self._logged = mods._failures_logged
        self._counts: Counter[str] = Counter()
        self._relayed_of: Counter[str] = Counter()
        self._refused: list[RefusedIntent] = []
        self._failed: list[RefusedIntent] = []

    def do(self, intent: Intent, entry: Entry, fields: dict[str, Any]) -> None:
        entry.run(*([self._mod_named(intent.mod)] if entry.wants_mod else []), fields=fields)
        self._counts["count"] += 1

    def relay(self, intent: Intent, entry: Entry, fields: dict[str, Any]) -> None:
        self._relayed_of[intent.mod] += 1
        if self._relayed_of[intent.mod] > MOST_RELAYED:
            self.refuse(intent, f"it sent other mods more than {MOST_RELAYED} events at a time")
            return
        args = tuple(fields[name] for name in entry.parameters)
        if entry.approve is not None and not entry.approve(self._mod_named(intent.mod), *args):
            self.refuse(intent, "the game did not approve of it")
            return
        self._counts["relayed"] += 1
        for mod in self._heard_by(intent.name):
            if mod.name == intent.mod:
                continue
            try:
                mod.post(intent.name, *args)
            except (ModFailure, UsageError):  # no room, nobody there; or larger than its queue takes
                self._counts["undelivered"] += 1

    def refuse(self, intent: Intent, why: str) -> None:
        self._counts["refusals"] += 1
        if len(self._refused) < MOST_LISTED:
            self._refused.append(RefusedIntent(intent.mod, escape(intent.name, 200), why))

    def fail(self, intent: Intent, error: Exception) -> None:
        self._counts["failures"] += 1
        if len(self._failed) < MOST_LISTED:
            self._failed.append(RefusedIntent(intent.mod, intent.name, f"{type(error).__name__}: {said(error)}"))
        if self._logged.setdefault(intent.mod, TokenBucket(LOGGED, LOGGED)).take(time.monotonic()):
            log.error("the game's %s() failed for an intent of %s", intent.name, intent.mod, exc_info=error)

    def report(self) -> Applied:
        names = ("refusals", "failures", "relayed", "undelivered")
        counts = [self._counts[name] for name in names]
        return Applied(self._counts["count"], self._refused, self._failed, *counts)
