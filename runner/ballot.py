"""One question that mods may refuse, from the asking to the verdict; how it waits in between is the caller's. Game."""

from typing import TYPE_CHECKING, Any

from ..shared import payload
from ..shared.messages import Veto, Vetoed, pack
from . import vetoes
from .audience import with_absent
from .records import FrameReport, Refusal

if TYPE_CHECKING:
    from .game import Mods
    from .mod import Mod


class Ballot:
    """Whom it is put to, as what, and what they answered."""

    def __init__(self, mods: "Mods", event: str, args: tuple[Any, ...]) -> None:
        """Takes a number of `mods`. Raises NotDeclared, PayloadError, UsageError (no event for vetoes)."""
        self._mods = mods
        self._entry = mods._declared(event, args, "veto") if mods._api is not None else None
        mods._look_if_changed()
        self.asked, self._args = mods._audience.of(event, args)
        mods._requests = self.number = mods._requests + 1
        try:
            self.data = pack(Veto(self.number, event, self._args))
        except payload.UNPACKABLE:
            raise payload.refused(list(self._args), f"veto({event!r}): args") from None
        self._answers: dict[str, Vetoed] = {}

    def take(self, mod: "Mod", reply: Any, event: str, report: FrameReport) -> None:
        """One mod's reply."""
        if type(reply) is Vetoed:
            self._answers[mod.name] = reply
        else:
            report.failed[mod.name] = mod._error(reply, event)

    def verdict(self, report: FrameReport) -> Refusal | None:
        """What it came to. `report`: who failed. Where silence refuses, a mod that is down is silent."""
        entry, asked = self._entry, self.asked
        refuse = entry is not None and entry.default == "refuse"
        if entry is not None and refuse:
            asked = with_absent(self._mods._order, asked, entry, self._args, report.failed)
        return vetoes.decide([mod.name for mod in asked], self._answers, report.failed, refuse_by_default=refuse)
