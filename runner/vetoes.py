"""Which of many answers to one veto counts. Pure.

The refusal of highest priority wins, of equals the one that loads first. A mod that gives no answer, because it is
late, dead, or its handler raised, counts as the event's default. Where that is a refusal it ranks below all that were
given: a reason says more than a silence.
"""

from collections.abc import Iterable, Mapping

from ..shared.errors import ModFailure
from ..shared.messages import Vetoed
from .records import Refusal
from .text import escape

LONGEST_REASON = 1000
"""Characters of a reason that a game shows. A mod's words."""


def decide(
    asked: Iterable[str],
    answers: Mapping[str, Vetoed],
    failures: Mapping[str, ModFailure],
    *,
    refuse_by_default: bool,
) -> Refusal | None:
    """The refusal that counts; None: nobody refuses. `asked`: mods in load order; who is in neither map is late."""
    best: Refusal | None = None
    silent: Refusal | None = None
    for name in asked:
        answer = answers.get(name)
        if answer is not None and answer.refused:
            if best is None or answer.priority > best.priority:
                best = Refusal(name, escape(answer.reason, LONGEST_REASON), answer.priority)
        elif refuse_by_default and silent is None and (answer is None or answer.errors):
            silent = Refusal(name, escape(_why(name, answer, failures), LONGEST_REASON), by_default=True)
    return best or silent


def _why(name: str, answer: Vetoed | None, failures: Mapping[str, ModFailure]) -> str:
    if answer is not None:
        kind, message, _ = answer.errors[0]
        return f"{name} raised {kind}: {message}"
    failure = failures.get(name)
    return f"{name}: no answer in time" if failure is None else str(failure)
