"""What mods asked for, checked against what the game declares, and done. Runs in the game, between frames.

Nothing a mod says gets to a function of the game's unless its name is declared and its values have the declared types.
Nothing that happens here is raised: a mod cannot make `apply` raise, and one function's fault does not stop the others.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec

from ..shared.contract import nearest
from .api import Api, Entry
from .records import Applied, Intent, RefusedIntent
from .text import escape

MOST_LISTED: Final = 100
"""Refused and failed intents that a report lists; past it they are only counted. More: a hostile mod makes reports
longer."""

log = logging.getLogger("fumehood.game")


def admit(api: Api, intent: Intent) -> tuple[Entry | None, dict[str, Any], str]:
    """The declared intent and its values, as declared; or why it is refused."""
    entry = api.intents.get(intent.name)
    if entry is None:
        return None, {}, escape(f"no intent {intent.name!r:.200}{nearest(intent.name, list(api.intents))}")
    fields, why = entry.bound([], intent.fields)
    return (None, {}, escape(why)) if why else (entry, fields, "")


def checked(api: Api, intents: Iterable[Intent]) -> Iterator[Intent]:
    """Those that are as declared, with their values as declared."""
    for intent in intents:
        entry, fields, _ = admit(api, intent)
        if entry is not None:
            yield msgspec.structs.replace(intent, fields=fields)


def apply(api: Api, intents: Iterable[Intent], mod_named: Callable[[str], Any]) -> Applied:
    """Call the declared function of each intent, in order."""
    count = refusals = failures = 0
    refused: list[RefusedIntent] = []
    failed: list[RefusedIntent] = []
    for intent in intents:
        entry, fields, why = admit(api, intent)
        if entry is None:
            refusals += 1
            if len(refused) < MOST_LISTED:
                refused.append(RefusedIntent(intent.mod, escape(intent.name, 200), why))
            continue
        try:
            if entry.wants_mod:
                entry.function(mod_named(intent.mod), **fields)
            else:
                entry.function(**fields)
        except Exception as error:
            failures += 1
            if len(failed) < MOST_LISTED:
                failed.append(RefusedIntent(intent.mod, intent.name, f"{type(error).__name__}: {error}"))
                log.exception("the game's %s() failed for an intent of %s", intent.name, intent.mod)
        else:
            count += 1
    return Applied(count, refused, failed, refusals, failures)
