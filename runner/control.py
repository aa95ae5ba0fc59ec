"""The control socket between a game and its supervisor: small, pull-only, both ends trusted code.

::

    game                                supervisor
    Hello  ───────────────────────────▶
           ◀─────────────────────────── Welcome (switchboard read-only, game page, bell)   or Refusal
    Introductions(since) ─────────────▶
           ◀─────────────────────────── Introduce (8 descriptors) …, Done
    StatusRequest, ReceiptsRequest, Settle, FlushLog ▶
           ◀─────────────────────────── StatusItem …, ReceiptItem …, Done
    Publish (memory) ─────────────────▶
           ◀─────────────────────────── Done, once every worker was told
    Save, Load (1 descriptor) ────────▶
           ◀─────────────────────────── Saved (1 descriptor), LoadItem …, Done
    Provide (1 descriptor) ───────────▶
           ◀─────────────────────────── Done
    Abandon ──────────────────────────▶
    Accuse ───────────────────────────▶
    Bye    ───────────────────────────▶

Pull-only, so that a game which stalls costs the supervisor nothing: it never buffers what nobody asked for. One request
is outstanding at a time: a second one means that the first was given up. A game in an event loop says so in its Hello
and may have several; it says which it gives up, with Abandon. Each packet is one message.
"""

from typing import Final

import msgspec

from ..shared.messages import unpacker
from .config import Config
from .debounce import RELOAD_INTERVAL
from .records import LoadResult, ModStatus, Receipt

PROTOCOL: Final = 4
MOST_AT_ONCE: Final = 64
"""Requests that a game in an event loop may have outstanding. More: more is kept for one that never reads."""
PACKET_LIMIT: Final = 128 * 1024
MOST_SAVE: Final = 1 << 30
"""Bytes of a save, on its way to be loaded. More: a game's mistake takes that much memory here before it is told."""
MOST_HELPER: Final = 1024 * 1024
"""Bytes of one helper, pickled. More: it is data, and each worker that uses it holds a copy of its own."""


class Hello(msgspec.Struct, frozen=True, tag=True):
    """A game would like to attach. `contract`: what it declares, packed (shared.contract); empty: nothing."""

    protocol: int
    contract: bytes = b""
    loop: bool = False
    """It waits in an event loop: it gets eventfds, and may have several requests outstanding."""


class Welcome(msgspec.Struct, frozen=True, tag=True):
    """Attached. Descriptors: switchboard (read-only), game page, the bell that tells the supervisor of adoptions; for a
    game in an event loop an eventfd that says that the switchboard changed."""

    session: int
    ring_segment: int
    board_bytes: int
    page_bytes: int
    packages: list[str] = []
    """What mods may import beyond the standard library."""
    deterministic: bool = False
    """Whether clocks in mods show what the game says."""


class Refusal(msgspec.Struct, frozen=True, tag=True):
    """Not attached, or the start failed. `kind` is the name of a class in shared.errors."""

    kind: str
    message: str
    id: int = 0
    """Of the request that is refused; 0: of none in particular."""


class Introductions(msgspec.Struct, frozen=True, tag=True):
    """Tell me of the mods with an index of `since` or more."""

    id: int
    since: int


class Introduce(msgspec.Struct, frozen=True, tag=True):
    """One mod. Descriptors: four times `down`, then four times `up` read-only; for a game in an event loop the eventfd
    of the mod."""

    id: int
    index: int
    name: str


class StatusRequest(msgspec.Struct, frozen=True, tag=True):
    """One StatusItem per mod, then Done."""

    id: int


class StatusItem(msgspec.Struct, frozen=True, tag=True):
    id: int
    status: ModStatus


class ReceiptsRequest(msgspec.Struct, frozen=True, tag=True):
    """The receipts numbered above `since`, then Done; if there are none, wait up to `patience` seconds for one."""

    id: int
    since: int
    patience: float


class ReceiptItem(msgspec.Struct, frozen=True, tag=True):
    id: int
    receipt: Receipt


class FlushLog(msgspec.Struct, frozen=True, tag=True):
    """Done once every line that was logged so far is written, or half a second has passed."""

    id: int


class Settle(msgspec.Struct, frozen=True, tag=True):
    """Done (with `rest`) once no mod is between two roles: every one is live, down, or refused.

    Done without `rest`: it is the game's turn to adopt, or `patience` seconds are over. `look`: first see what is on
    disk, whether or not the watcher has told.
    """

    id: int
    patience: float
    look: bool


class Save(msgspec.Struct, frozen=True, tag=True):
    """The state of every mod at this point: Saved and Done. Done without `rest`: it is the game's turn to adopt, and it
    asks again, then without `begin`."""

    id: int
    begin: bool
    timeout: float
    """Seconds from its beginning."""


class Saved(msgspec.Struct, frozen=True, tag=True):
    """Descriptor: a sealed memfd of `size` bytes, a msgpack list of savefile.SavedMod."""

    id: int
    size: int


class Load(msgspec.Struct, frozen=True, tag=True):
    """Start every mod anew from a save: a LoadItem each, and Done, or as Save. Descriptor, if `begin`: as Saved's."""

    id: int
    begin: bool
    timeout: float
    size: int


class LoadItem(msgspec.Struct, frozen=True, tag=True):
    id: int
    result: LoadResult


class Provide(msgspec.Struct, frozen=True, tag=True):
    """A helper for all mods: Done once every one that is live has it, or after `patience` seconds. Descriptor: a sealed
    memfd of `size` bytes, its pickle."""

    id: int
    name: str
    size: int
    patience: float


class Accuse(msgspec.Struct, frozen=True, tag=True):
    """The mod's worker sent the game what no honest worker sends. Not answered."""

    index: int
    epoch: int
    reason: str


class Publish(msgspec.Struct, frozen=True, tag=True):
    """A view's new memory. Descriptor: the memory. Done once every worker has been told. See shared.messages.View."""

    id: int
    name: str
    place: int
    generation: int
    buffers: int
    stride: int


class Abandon(msgspec.Struct, frozen=True, tag=True):
    """Nobody waits for the answer to that request any more. Not answered."""

    id: int


class Done(msgspec.Struct, frozen=True, tag=True):
    """The end of an answer."""

    id: int
    rest: bool = True


class Setup(msgspec.Struct, frozen=True, tag=True):
    """`launch` to the supervisor it just started: what to serve, and how."""

    root: str
    config: Config
    contract: bytes = b""
    reload_interval: float = RELOAD_INTERVAL


class Bye(msgspec.Struct, frozen=True, tag=True):
    """The game leaves; under `launch` the supervisor ends with it. Answered with Done when all is cleared away."""

    id: int


Request = (
    Hello
    | Introductions
    | StatusRequest
    | ReceiptsRequest
    | Settle
    | FlushLog
    | Save
    | Load
    | Provide
    | Publish
    | Abandon
    | Accuse
    | Bye
    | Setup
)
Answer = Welcome | Refusal | Introduce | StatusItem | ReceiptItem | Saved | LoadItem | Done

unpack_request: Final = unpacker(Request, "the game")
unpack_answer: Final = unpacker(Answer, "the supervisor")
