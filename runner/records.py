"""What a game is given to read: outcomes, frame reports, intents, the status of a mod, receipts of reloads."""

from enum import StrEnum
from typing import Any

import msgspec

from ..shared.errors import ModFailure
from ..shared.messages import Diagnostic


class Outcome(msgspec.Struct, frozen=True):
    """How one call ended: exactly one of `value` and `error` counts; `error` None means it has a value.

    Fields: `value`, `error` (a ModFailure), `epoch` and `version` (who answered), `seconds`; `ok`: there is a value.
    """

    value: Any
    error: ModFailure | None
    epoch: int
    """The epoch that answered, or on which the caller gave up; 0: no version was live."""
    version: int
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return self.error is None


class FrameReport(msgspec.Struct, frozen=True):
    """What came of one emit, by mod name.

    Fields: `results` (mod to the list of its handlers' values, in priority order), `late` (mods without an answer
    within the budget), `failed` (mod to its ModFailure).
    """

    results: dict[str, list[Any]]
    """The values of each mod's handlers that did not raise, in priority order. A mod without a handler is not here."""
    late: list[str]
    """No answer within the budget. Its handlers still run; what they return is thrown away, intents are kept."""
    failed: dict[str, ModFailure]
    """ModError (the first handler that raised), ModCrashed or QueueFull."""


class Intent(msgspec.Struct, frozen=True):
    """Something a mod would like the game to do. Its fields are the mod's words: check them before use."""

    mod: str
    name: str
    fields: dict[str, Any]
    epoch: int
    """Under which the version that asked for it served."""


class Refusal(msgspec.Struct, frozen=True):
    """A mod's no to `mods.veto`.

    Fields: `mod`, `reason` (its own words, control characters escaped; empty: it gave none), `priority` (of its
    handler), `by_default` (it gave no answer, and the event counts that as a refusal).
    """

    mod: str
    reason: str
    priority: int = 0
    by_default: bool = False


class RefusedIntent(msgspec.Struct, frozen=True):
    """An intent that was not done, and why: it was not declared so, or the game's function raised."""

    mod: str
    name: str
    reason: str


class Applied(msgspec.Struct, frozen=True):
    """What `mods.apply()` did.

    Fields: `count` (intents done), `refused` and `failed` (the first 100 of each, as RefusedIntent), `refusals` and
    `failures` (how many there were), `relayed` (events passed on to other mods), `undelivered` (how often one of them
    found no room in a mod's queue).
    """

    count: int
    refused: list[RefusedIntent]
    """What mods sent that the game does not declare, or with other types: no function saw it."""
    failed: list[RefusedIntent]
    """The game's own function raised; logged with its traceback by the logger "fumehood.game"."""
    refusals: int
    failures: int
    relayed: int = 0
    undelivered: int = 0


class ModStatus(msgspec.Struct, frozen=True):
    """One mod as the supervisor sees it.

    Fields: `name`; of what is live `version`, `epoch`, `digest`, `role`, `pid`; `standby` (the version to go back to),
    `target` (digest of what is on disk), `down` (why nobody serves), `diagnostic` (why what is on disk is not live),
    `reloads`, `rollbacks`, `handler_errors`, `lost_posts`, `lost_effects`, `state_bytes`, `resident`, `state_error`.
    """

    name: str
    version: int
    """0: nothing is live."""
    epoch: int
    digest: str
    role: str
    """Of the worker that serves or is about to; "down" when there is none."""
    pid: int
    standby: int
    """Version of the way back; 0: none."""
    target: str
    """Digest of what is on disk; empty: its files are gone."""
    down: str
    """Why nobody serves, if so."""
    diagnostic: Diagnostic | None
    """Why what is on disk is not what is live, if so."""
    reloads: int
    rollbacks: int
    handler_errors: int
    lost_posts: int
    """Posts a worker had begun when it died, and those dropped because nobody was left to take them."""
    state_bytes: int
    resident: int
    """Bytes of memory of the worker's process, as sampled last; 0: not sampled yet."""
    state_error: str = ""
    """Why its state could not be taken when that was last tried; the next version would get an older one."""
    lost_effects: int = 0
    """Messages that were handled and whose effects on `state` died with a worker; those that could be counted."""


class Receipt(msgspec.Struct, frozen=True):
    """The record of one reload.

    Fields: `number`; `mod`, `version`, `digest`, `cause`, `verdict`, `diagnostic` (what it is about, and how it ended);
    `epoch`, `live_version`, `live_digest` (what is live now); `stages`, `save_to_live_ms`, `state_age_ms`,
    `state_note`, `lost_effects`, `worst_frame_ms`, `at`.
    """

    number: int
    """1, 2, 3 … over all mods of one supervisor."""
    mod: str
    cause: str
    """startup, save, deleted; retry: no worker could be had before; recovery: the last good version, loaded anew;
    standby: likewise, as the way back; renewal: a fresh worker of the same version, for one near `cpu_total`; load:
    likewise, with the state of a save."""
    verdict: str
    """live, refused, rolled back (also when the same bytes were started again: `live_digest` is `digest` then),
    unloaded, superseded, down."""
    version: int
    """The version this is about: the one that went live, was refused, or failed."""
    digest: str
    epoch: int
    """The epoch that is live now; 0: none."""
    live_version: int
    live_digest: str
    stages: dict[str, float]
    """Microseconds per stage: begun, assigned, compile, import, … ready, offered, drained, restore, on_load, live."""
    save_to_live_ms: float | None
    """From the write to the new version reading its ring; None where no write caused it or it did not go live."""
    state_age_ms: float | None
    """How old the state was that a rollback resumed from."""
    worst_frame_ms: float
    """The game's longest emit since the receipt before this one."""
    at: float
    """Wall clock, seconds since the epoch of Unix."""
    diagnostic: Diagnostic | None
    state_note: str = ""
    """Why what went live did not start from the newest state: that could not be taken, or did not load."""
    lost_effects: int | None = None
    """Of a rollback: messages handled after the state that it resumed from was taken; their effects on `state` are
    lost, apart from lost posts. None: more than can be counted, or no rollback."""


class LoadOutcome(StrEnum):
    """What became of one mod when a save was loaded."""

    RESTORED = "restored"
    MIGRATED = "migrated"
    STATELESS = "stateless"
    MISSING = "missing"
    NEWER = "newer"
    REFUSED = "refused"


class LoadResult(msgspec.Struct, frozen=True):
    """The same with its reason, as the supervisor tells it."""

    name: str
    outcome: LoadOutcome
    note: str = ""
    diagnostic: Diagnostic | None = None
    epoch: int = 0
    """Under which it serves with the loaded state; 0: it was not started anew."""


class LoadReport(msgspec.Struct, frozen=True):
    """What became of each mod when a save was loaded; every one is in one field.

    Fields: `restored` (names: the save's state is in), `migrated` (likewise, through the mod's `migrate`), `stateless`
    (started empty, and why: the save holds nothing of it), `missing` (in the save, and nothing of it is live), `newer`
    (its state is of a higher STATE_VERSION than the mod's), `refused` (why, a Diagnostic). Those in `newer` and
    `refused` go on with what they had.
    """

    restored: list[str]
    migrated: list[str]
    stateless: dict[str, str]
    missing: dict[str, str]
    newer: dict[str, str]
    refused: dict[str, Diagnostic]

    @property
    def ok(self) -> bool:
        """Whether every mod in the save has its state."""
        return not (self.missing or self.newer or self.refused)
