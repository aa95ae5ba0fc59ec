"""The messages, as typed and tagged msgpack. Decoding is total: any bytes give a message or one `ProtocolError`.

Four conversations::

    game ──request ring──▶ worker        Call, Post, Emit, Veto, Clock               (array-like: short and fast)
    game ◀──reply ring── worker          Value, Failed, Emitted, Intent, Vetoed
    game ◀──letters────▶ worker          Query, Answered                             (one at a time, see _query.h)
    supervisor ──socket──▶ worker        View, Helpers, Assign, Rehearse, Start, Checkpoint, Stop, Agree, Retire
    supervisor ◀──socket── worker        Confined, Entered, Bound, Ready, Unfit, Live, Drained, Checkpointed,
                                         LogLine, Fault, Equipped
    supervisor ──socket──▶ zygote        Fork
    supervisor ◀──socket── zygote        ZygoteUp, Forked, ForkFailed, Exited

The zygote is ours; whatever comes from a worker is hostile input. (The game's control socket has its own module,
`runner.control`: both its ends are trusted code.)
"""

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any, Final, TypeVar

import msgspec

from .errors import ProtocolError
from .policy import Limits

SOCKET_LIMIT: Final = 64 * 1024
"""Longest datagram on a worker's socket, bytes. Larger would let a worker make the supervisor buffer more."""


CALL_TAG: Final = 1
VALUE_TAG: Final = 1
"""First item of a packed Call and of a packed Value. The hot paths pack a tuple with it, which gives the same bytes
35 ns sooner than making the struct first."""


class Call(msgspec.Struct, frozen=True, array_like=True, tag=CALL_TAG, gc=False):
    """One handler, one answer. `id` is unique for the life of the ring: session << 40 | count."""

    id: int
    event: str
    args: Sequence[Any]


class Post(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """Every handler of the event, no answer."""

    event: str
    args: Sequence[Any]


class Emit(msgspec.Struct, frozen=True, array_like=True, tag=3, gc=False):
    """Every handler of the event, one answer for all of them."""

    id: int
    event: str
    args: Sequence[Any]


class Veto(msgspec.Struct, frozen=True, array_like=True, tag=4, gc=False):
    """Every handler of the event, until one refuses; one answer."""

    id: int
    event: str
    args: Sequence[Any]


class Clock(msgspec.Struct, frozen=True, array_like=True, tag=5, gc=False):
    """No event: what clocks show from here on, in a game that keeps its own time. Nanoseconds."""

    at: int


Request = Call | Post | Emit | Veto | Clock

_packer = msgspec.msgpack.Encoder()
pack: Final[Callable[[Any], bytes]] = _packer.encode
"""Encode any of our own messages. Raises TypeError for what msgpack does not carry: see `payload.explain`."""

CALL_HEAD: Final = pack(Call(0, "", []))[:2]
POST_HEAD: Final = pack(Post("", []))[:2]
EMIT_HEAD: Final = pack(Emit(0, "", []))[:2]
VETO_HEAD: Final = pack(Veto(0, "", []))[:2]
CLOCK_HEAD: Final = pack(Clock(0))[:2]
"""How a packed request begins, an array of so many and its tag: told by it even if the rest does not decode."""


class Value(msgspec.Struct, frozen=True, array_like=True, tag=VALUE_TAG, gc=False):
    """The answer to a Call."""

    id: int
    value: Any


VALUE_HEAD: Final = pack(Value(0, None))[:2]
"""How a packed Value begins. A Call and a Value hold the id right behind these two bytes, as Port.serve expects."""


class Failed(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """A Call's handler raised (or there is none: kind "NoHandler")."""

    id: int
    kind: str
    message: str
    traceback: str


class Emitted(msgspec.Struct, frozen=True, array_like=True, tag=3, gc=False):
    """The answers to an Emit in the handlers' priority order; of those that raised, (kind, message, traceback)."""

    id: int
    values: list[Any]
    errors: list[tuple[str, str, str]]


class Intent(msgspec.Struct, frozen=True, array_like=True, tag=4, gc=False):
    """Something a mod would like the game to do: `game.rain(strength=0.7)`."""

    name: str
    fields: dict[str, Any]


class Vetoed(msgspec.Struct, frozen=True, array_like=True, tag=5, gc=False):
    """The answer to a Veto: whether a handler of that priority refused, and why; of those that raised before it, as in
    Emitted."""

    id: int
    refused: bool
    priority: int
    reason: str
    errors: list[tuple[str, str, str]]


Reply = Value | Failed | Emitted | Intent | Vetoed


class Query(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A worker asks in the middle of a handler: `game.tile(3, 4)`. Arguments by position, then those by name."""

    name: str
    args: msgspec.Raw
    named: dict[str, Any] = {}


ANSWERED: Final = 0
"""First item of the answer to a Query that worked: [0, value]. Any other: [1, kind, message], of an exception."""


class Assign(msgspec.Struct, frozen=True, tag=True):
    """To a spare: become a candidate. Descriptors, in this order: down (read-only), up, snapshot, state, and with
    `alarm` the mod's eventfd.

    `module` is the importable name, the same in every version, so that pickled classes go by reference.
    """

    mod: str
    module: str
    folder: bool
    version: int
    digest: str
    limits: Limits
    """Held by the kernel and the supervisor. A worker spares them the excess, and names them to the mod."""
    ring_segment: int
    """Size of each of the two segments, bytes."""
    snapshot: int
    """Length of the snapshot memfd: a msgpack list of maps of relative path to bytes, its own and one a library."""
    contract: bytes = b""
    """What the game declared, packed (shared.contract); empty: it declared nothing, and anything goes."""
    seed: str = ""
    """What chance begins with, in a game that is to be repeatable; empty: it is chance."""
    libraries: list[tuple[str, str, bool]] = []
    """Of each mod that it requires, in load order: its key, its importable name, whether it is a folder."""
    alarm: bool = False
    """Whether there is an eventfd to write to when the game waits in an event loop (see _loop.h)."""


class Carried(msgspec.Struct, frozen=True):
    """A saved state on its way from or to a worker: within the message, or in a memfd. That of a command comes as its
    first descriptor; that of a report is the one the worker was assigned."""

    size: int = 0
    """Bytes; 0: there is none."""
    version: int = 0
    """The mod's STATE_VERSION when it was saved."""
    data: bytes = b""
    """All of it, when it is no longer than MOST_CARRIED."""

    @property
    def attached(self) -> bool:
        """Whether it is in a memfd."""
        return self.size > len(self.data)


MOST_CARRIED: Final = 16 * 1024
"""Bytes of state within a message. A memfd costs the hand-over 0.1 ms, a call that waits for it too; a packet may be no
longer than SOCKET_LIMIT."""


class Rehearse(msgspec.Struct, frozen=True, tag=True):
    """To a bound candidate: load a copy of the state, then say Ready."""

    state: Carried = Carried()


class Start(msgspec.Struct, frozen=True, tag=True):
    """The game adopted you: take the state in, run on_load, handle what you inherit, then read your ring.

    Descriptors: the state's, then the inheritance's if `inherited` > 0: a msgpack list of frames that a predecessor was
    sent and never began.
    """

    epoch: int
    state: Carried
    inherited: int
    inherited_size: int
    life: int = 0
    """How many starts of this mod there were, with this one."""
    clock: int = 0
    """What clocks show from here on, in a game that keeps its own time: what it was when the game adopted you, ns."""


class Checkpoint(msgspec.Struct, frozen=True, tag=True):
    """Save the state between two messages; answer Checkpointed with the same `serial`."""

    serial: int


class Stop(msgspec.Struct, frozen=True, tag=True):
    """To a live worker: hand over after the message in hand, as if the ring ended there; answer Drained. What it leaves
    unread is its successor's, and it is not started again."""


class Agree(msgspec.Struct, frozen=True, tag=True):
    """Another game has attached, with another contract: go by that from now on. Not answered."""

    contract: bytes


class Retire(msgspec.Struct, frozen=True, tag=True):
    """Run on_unload if live, save the state a last time, answer Drained, then end."""


class View(msgspec.Struct, frozen=True, tag=True):
    """To any worker, before its Assign too: the game publishes this. Descriptor: its memory, read-only.

    It replaces the view of the same name. Taken in the midst of a handler, too: see `shared.views` for the memory.
    """

    name: str
    place: int
    """Which of its pin words is for this view."""
    generation: int
    """session << 16 | count: of one memory among all that a supervisor ever hears of. 32 bits."""
    buffers: int
    stride: int
    """Bytes from one buffer to the next."""


class Helpers(msgspec.Struct, frozen=True, tag=True):
    """What the game provides by value, in place of what it did before; answer Equipped. Between two messages, or before
    Assign. Descriptor: a sealed memfd."""

    generation: int
    entries: list[tuple[str, int, int, int]]
    """Name, the generation in which it was provided, and offset and length of its pickle."""


class Equipped(msgspec.Struct, frozen=True, tag=True):
    """Answer to Helpers: they are what the mod finds from now on."""

    generation: int


Command = View | Helpers | Assign | Rehearse | Start | Checkpoint | Stop | Agree | Retire


class Diagnostic(msgspec.Struct, frozen=True):
    """What went wrong, where, in a mod's own words; `str()` of it is what a person reads.

    Made in the worker: hostile text until `runner.text` escapes it, as it is in every receipt and status.
    """

    stage: str
    """Where in its life the version was: snapshot, compile, import, bind, selftest, rehearse, on_load, run, drain …"""
    kind: str
    """Type of the exception, or what happened: LimitExceeded, Exited, the name of a signal."""
    message: str
    file: str = ""
    """Relative to the mod's folder."""
    line: int = 0
    column: int = 0
    """1-based; 0: unknown."""
    end_column: int = 0
    source: str = ""
    """The line's text."""
    traceback: str = ""

    @property
    def place(self) -> str:
        """``file:line``, as far as it is known; "" when it is about no file."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file

    @property
    def headline(self) -> str:
        """``kind: message``; just the kind where there is no message."""
        return f"{self.kind}: {self.message}" if self.message else self.kind

    def excerpt(self) -> list[str]:
        """The source line without its indent, and a line with carets under what is wrong; empty without source."""
        indent = len(self.source) - len(self.source.lstrip())
        lines = [self.source[indent:]] if self.source.strip() else []
        if lines and indent < self.column <= len(self.source) + 1:  # a worker may claim any
            width = max(1, min(self.end_column, len(self.source) + 1) - self.column)
            lines.append(" " * (self.column - 1 - indent) + "^" * width)
        return lines

    def __str__(self) -> str:
        """What a person reads: the place, what is wrong, the source line, and a caret under it."""
        above = f"{self.place}: {self.headline}" if self.place else self.headline
        return "\n    ".join([above, *self.excerpt()])


NANOSECONDS: Final = Struct("q")
"""A time of CLOCK_MONOTONIC as `worker.confine` notes it: signed, in the machine's order."""


class Confined(msgspec.Struct, frozen=True, tag=True):
    """A worker's first words, sent by its confinement list itself: it is confined and may be assigned."""

    steps: list[str]
    """Names, in order; one may take several calls in a row."""
    times: bytes
    """NANOSECONDS, one after the other: when the zygote took the request, when each step began but the first, and when
    the last ended."""


class Entered(msgspec.Struct, frozen=True, tag=True):
    """A candidate begins a stage, so that a hang can be named; each stage may be entered once, in order."""

    stage: str


class Bound(msgspec.Struct, frozen=True, tag=True):
    """Compiled, imported, handlers bound, selftest passed."""

    events: list[tuple[str, int]]
    """Event name and highest priority, one entry an event."""
    filters: dict[str, list[dict[str, Any]]]
    """Of an event whose handlers all filter: what each of them asks for, by parameter."""
    state_version: int
    stages: dict[str, float]
    """Microseconds per stage."""
    has_selftest: bool


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The rehearsal with a copy of the state passed: this candidate may be offered."""

    rehearse_us: float


class Unfit(msgspec.Struct, frozen=True, tag=True):
    """A stage failed: before Ready the candidate is refused; after Start it is rolled back."""

    diagnostic: Diagnostic


class Live(msgspec.Struct, frozen=True, tag=True):
    """State taken in, on_load done, inheritance handled: reading its ring since `at`. Said once a call that waited for
    that has its answer."""

    at: int
    """Nanoseconds of CLOCK_MONOTONIC."""
    restore_us: float
    on_load_us: float


class Drained(msgspec.Struct, frozen=True, tag=True):
    """Reached the ring's end, with this state. `error`: why there is none."""

    state: Carried
    error: str


class Checkpointed(msgspec.Struct, frozen=True, tag=True):
    """Answer to Checkpoint; as Drained."""

    serial: int
    state: Carried
    error: str


class LogLine(msgspec.Struct, frozen=True, tag=True):
    """`log.info(...)` or a line that the mod printed. `level` as in logging."""

    level: int
    text: str
    dropped: int = 0
    """Lines the worker dropped before this one."""


class Fault(msgspec.Struct, frozen=True, tag=True):
    """A handler raised. `count`: how many since the last Fault message (they are merged when they come fast)."""

    event: str
    count: int
    diagnostic: Diagnostic


Report = Confined | Entered | Bound | Ready | Unfit | Live | Drained | Checkpointed | LogLine | Fault | Equipped


class Fork(msgspec.Struct, frozen=True, tag=True):
    """To the zygote: one more worker. Descriptors: its command socket, its stderr pipe's write end."""

    serial: int
    limits: dict[str, Any]


class ZygoteUp(msgspec.Struct, frozen=True, tag=True):
    """The zygote is confined itself and ready to fork."""

    layers: dict[str, str]
    """Layer name to "on", or why it is off (reduced mode)."""
    unimportable: dict[str, str]
    """Standard-library and named modules that would not preload, and why."""
    address_space: int
    """Its own VmSize in bytes: workers' memory limits count from here."""


class Forked(msgspec.Struct, frozen=True, tag=True):
    """A worker was forked; its pidfd is attached."""

    serial: int


class ForkFailed(msgspec.Struct, frozen=True, tag=True):
    serial: int
    error: str


class Exited(msgspec.Struct, frozen=True, tag=True):
    """A worker was reaped: `status` as os.waitstatus_to_exitcode gives it (negative: killed by that signal); `cpu`: CPU
    seconds of its whole life."""

    serial: int
    status: int
    cpu: float = 0.0


ZygoteReport = ZygoteUp | Forked | ForkFailed | Exited

T = TypeVar("T")

DECODE_ERRORS: Final = (msgspec.MsgspecError, RecursionError, ValueError, OverflowError)
"""What decoding hostile bytes raises. msgspec lets RecursionError (deep nesting) and UnicodeDecodeError, a ValueError
(bad text), out beside its own errors, and OverflowError for integers past 64 bits."""


def unpacker(kind: Any, what: str) -> Callable[[bytes], Any]:
    """Return a decoder for `kind` that raises `ProtocolError` alone. `what` names the sender in its message."""
    decode = msgspec.msgpack.Decoder(kind).decode

    def unpack(data: bytes) -> Any:
        try:
            return decode(data)
        except (*DECODE_ERRORS, MemoryError) as error:
            raise ProtocolError(f"{what} sent {len(data)} bytes that are no message: {error}") from None

    return unpack
