"""The native contract of the ring: every argument, return value, exception and what happens to the GIL.

Two segments make a channel. Each is written by one party (`mine`) and read by the other (`theirs`), so the layout is
the same for both::

    game ── writes ──▶ down: [control words | card | request ring] ── read-only ──▶ worker
    game ◀── read-only ── up: [control words | card | reply ring]  ◀── writes ──── worker

Control words, one to a cache line, at these byte offsets of *every* segment:

===============  ====  ========================================================================================
MAGIC            u64   b"FUMEHD\\x00\\x01" little-endian: layout version; checked when a Port is made
HEAD             u64   bytes ever pushed into this segment's ring (8-byte aligned)
ASKED            u64   (up) number << 32 | length of the last query, or 0xFFFF_FFFF in place of a length: it is not
                       waited for any more; in HEAD's line, which a waiting game polls anyway
ANSWERED         u64   (down) number << 32 | length of the last answer to one
TAIL             u64   bytes ever consumed of the *other* segment's ring; a worker's TAIL is its ``done``
STARTED          u64   end position in the other ring of the message being handled; == TAIL when idle
BELL             u32   futex word: whoever has news for this segment's reader adds 1 and wakes all
PARKED           u32   while this segment's owner sleeps on the other segment's BELL: 1 for a message, 2 for room, 3 for
                       an answer, 4 for a query while it waits for another peer's message
CPU              u32   where this segment's owner last ran; the high bit: it sleeps there (0xFFFFFFFF: unknown)
END              u64   position at which the owner ended this ring; 0xFFFF_FFFF_FFFF_FFFF: it goes on
COMMANDS         u32   (down) commands the supervisor has sent over the worker's socket
LIVE             u32   (down) 1 once the supervisor knows that the worker took its state in and reads its ring
SESSION          u64   (down) number of the game's session; calls ids begin with it
INHERITED_START  u64   (up) how many inherited messages were begun
INHERITED_DONE   u64   (up) how many inherited messages were finished
===============  ====  ========================================================================================

The card (down, CARD .. LETTER) is a supervisor-written msgpack blob, length first (u32), about the worker in the slot.
The letter (LETTER .. RING) is the query that ASKED speaks of (up), or the answer that ANSWERED speaks of (down).
The ring's data begins at RING; its capacity is ``size - RING`` bytes, a power of two.

A frame in a ring: u32 length, u32 check (= low 32 bits of the frame's position ^ CHECK), the bytes, zero padding to 8.
A frame may wrap round the end of the ring; it is always copied out before anyone looks at it.

Everything read from `theirs` is a hint from a possibly hostile peer: loaded once and compared with our own copy. A HEAD
or a frame that cannot be true raises ``CorruptRing``, since it decides what we read; a TAIL or STARTED that cannot be
true is clamped to be monotonic and within what we published, since it decides only about the peer's own mail.

The extension is Linux only; elsewhere importing it raises ImportError. A Segment or a Port cannot be subclassed.
"""

from collections.abc import Callable, Sized
from typing import Any, Final, final

MAGIC: Final[int]
HEAD: Final[int]
TAIL: Final[int]
STARTED: Final[int]
BELL: Final[int]
PARKED: Final[int]
CPU: Final[int]
END: Final[int]
COMMANDS: Final[int]
LIVE: Final[int]
SESSION: Final[int]
INHERITED_START: Final[int]
INHERITED_DONE: Final[int]
CARD: Final[int]
"""Where the card begins; it may be LETTER - CARD - 4 bytes long (about 6 KiB)."""
ASKED: Final[int]
ANSWERED: Final[int]
LETTER: Final[int]
"""Where a query or an answer lies; it may be RING - LETTER bytes long (16 KiB)."""
RING: Final[int]
CHECK: Final[int]
OPEN_END: Final[int]
"""The value of END of a ring that goes on."""

TIMEOUT: Final = 0
MESSAGE: Final = 1
COMMAND: Final = 2
ENDED: Final = 3
DEAD: Final = 4
QUERY: Final = 8
"""Of Port.rest() alone."""

class CorruptRing(Exception):
    """Raised when the peer's cursors or a frame of theirs cannot be true. The peer's fault; the channel is finished."""

@final
class Segment:
    """A shared mapping of a memfd. Size is fixed.

    Every access is checked: ValueError when it is out of bounds, not aligned, or the segment is closed; OverflowError
    when a value does not fit its word. Nothing but wait32() gives the GIL away.
    """

    def __init__(self, fd: int, size: int, *, writable: bool) -> None:
        """Map `size` bytes of `fd` (MAP_SHARED). The descriptor may be closed afterwards.

        Raises OSError from fstat or mmap, ValueError when the file is not exactly `size` bytes or when size seals
        (F_SEAL_SHRINK and F_SEAL_GROW) are missing: without them the peer could truncate it and kill us with SIGBUS.
        """

    @property
    def size(self) -> int: ...
    @property
    def writable(self) -> bool: ...
    @property
    def closed(self) -> bool: ...
    def load32(self, offset: int, /) -> int:
        """One acquire load of a u32."""

    def load64(self, offset: int, /) -> int:
        """One acquire load of a u64."""

    def store32(self, offset: int, value: int, /) -> None:
        """One release store. ValueError on a read-only segment (all four writers)."""

    def store64(self, offset: int, value: int, /) -> None: ...
    def add32(self, offset: int, value: int = 1, /) -> int:
        """Sequentially consistent fetch-add, wrapping; returns the new value."""

    def read(self, offset: int, length: int, /) -> bytes: ...
    def write(self, offset: int, data: bytes, /) -> None:
        """Copy bytes in, in no particular order: publish them with a store32 or store64 after."""

    def wake(self, offset: int, /) -> int:
        """FUTEX_WAKE all waiters on the u32 at offset; also through a read-only mapping. Returns how many woke."""

    def nudge(self, /) -> None:
        """add32(BELL) and wake(BELL): what the supervisor does after a command or a death."""

    def wait32(self, offset: int, expected: int, timeout_ns: int, /) -> bool:
        """FUTEX_WAIT while the u32 equals `expected`; GIL released. True: woken or changed; False: timed out.

        `timeout_ns` <= 0 only looks. Several threads may wait at once; until they are back close() raises BufferError.
        A signal runs its Python handler (which may raise); the wait then goes on with what is left of the time.
        """

    def close(self) -> None:
        """Unmap. Idempotent. Raises BufferError while a Port or a wait32() uses the segment."""

@final
class Port:
    """One party's end of a channel: push into `mine`, take from `theirs`. Holds both segments.

    For one thread. While that thread waits in it, a call from another raises RuntimeError; a signal handler that
    interrupts the wait may use the port, and close it. After close() every call raises ValueError.
    """

    def __init__(self, mine: Segment, theirs: Segment, *, spin_ns: int = 100_000, orders: bool = True) -> None:
        """Check magic and capacity of both, take this party's cursors over from `mine` (HEAD, TAIL, STARTED).

        A message that the holder before us took and did not finish counts as taken: it is not read again.
        `commands_seen` begins at 0, so commands announced before the Port was made are announced by wait().

        `spin_ns`: how long wait() polls before it parks, and only while the peer runs on another CPU (or was just woken
        there), and in full only while polling has been paying. Smaller: a slower answer from a peer that is awake;
        larger: more burnt CPU when it is not. 0: never.
        `orders`: whether wait() heeds the COMMANDS and END words of `theirs`. The game passes False: what stands in
        `up` is written by the worker, who could make every wait() of the game return at once.
        Raises ValueError (not writable, size, `mine` was never formatted), CorruptRing (theirs lies, or overwrote its
        magic), and TypeError for what is no Segment.
        """

    def watch(self, board: Segment, offset: int, epoch: int, /) -> None:
        """From now on wait() and wait_room() return DEAD when the u64 at `offset` of `board` equals `epoch`.

        Replaces what was watched before. Whoever stores the word must nudge() `theirs` after it.
        """

    def push(self, data: bytes, /) -> bool:
        """Copy `data` in, publish it, wake the peer if it is parked. False: no room now. Never blocks. What is
        staged is published in either case.

        Raises ValueError when `data` is longer than `limit`, or after end() until reopen().
        """

    def stage(self, data: bytes, /) -> bool:
        """push() without publishing: the peer sees nothing until publish(), push(), wait_room() or end().

        Staged messages take room, and nobody can make any by reading them: publish when it returns False.
        """

    def restage(self, data: bytes, /) -> bool:
        """stage(), in the place of all that is staged. When it returns False, nothing is."""

    def publish(self) -> None:
        """Publish everything staged with one release store and at most one wake."""

    def pop(self) -> bytes | None:
        """take() and finish() in one. None: nothing there. Raises CorruptRing."""

    def peek(self) -> int | None:
        """Length of the next message, which stays where it is. None: nothing there. Raises CorruptRing."""

    def take(self) -> bytes | None:
        """Copy the next message out and store STARTED; its room is given back by finish(). Raises CorruptRing.

        None: nothing there. A CorruptRing changes nothing on our side: the next call looks again.
        """

    def finish(self) -> None:
        """Store TAIL = STARTED: everything taken is done. Wakes a peer that is parked for room."""

    def wait(self, timeout_ns: int, spin: bool = True, /) -> int:
        """Spin or yield (see spin_ns), then park on the peer's BELL. Returns, by priority:

        DEAD (see watch), MESSAGE (one can be taken), COMMAND (the peer's COMMANDS word differs from `commands_seen`),
        ENDED (the peer's END equals our position), TIMEOUT. `timeout_ns` <= 0 only looks; huge ones are clamped to 146
        years. A corrupt peer: CorruptRing. Signals as in Segment.wait32.

        The GIL is held for the first 2 us of polling, then given away. With `spin` False it parks at once: right for
        who waits for several peers that may need this CPU to answer.
        """

    def exchange(
        self, data: bytes, timeout_ns: int, generation: int = ..., value_head: bytes = ..., /
    ) -> bytes | tuple[bytes] | int | None:
        """A caller's whole round in one call: push(), wait(), pop().

        Returns the next message there is (perhaps not the answer), what wait() said if that was not MESSAGE, or None
        when there was no room to push. With `generation` and `value_head`, the two bytes that a Value begins with: the
        packed value alone when the message is the Value that answers this call and the u32 at offset 0 of the watched
        board is `generation`; any other message in a tuple. So one type check tells the plain case.
        Raises as those three; RuntimeError in another thread than the one that made the port, or after disown().
        """

    def hear(self, answer: Callable[[bytes, int], bytes] | None, most: int, /) -> None:
        """From now on wait() and exchange() answer the peer's queries by `answer(query, deadline)`, then go on waiting.

        `deadline`: when the wait ends, ns of CLOCK_MONOTONIC. What `answer` raises leaves the wait, and the query is
        never answered. At most `most` queries are heard until the peer begins the next message that it was sent; more
        wait. If `answer` took a message of this port's, the wait ends with TIMEOUT.
        None: nobody answers. Holds `answer` until close().
        """

    def beside(self, others: tuple[Port, ...], /) -> None:
        """From now on wait() and exchange() hear the queries of these ports too; closed ones and this one count for
        nothing. Holds the tuple until close() or the next beside(): a port that is in its own tuple is never freed
        before that."""

    def answer(self, deadline: int, /) -> bool:
        """Answer a query that waits, as wait() does. False: none does."""

    def ask(self, query: bytes, timeout_ns: int, /) -> bytes | None:
        """Ask the peer, and wait for its answer: spin, then park. None: it did not come in time; it is not taken later.

        Raises ValueError when `query` is longer than RING - LETTER. Signals as in Segment.wait32.
        """

    def alarm(self, fd: int, /) -> None:
        """From now on a peer that is parked in an event loop is woken by writing to this eventfd, which stays the
        caller's and must be non-blocking. -1: by nothing, as at first. Raises ValueError for what is no descriptor."""

    def rest(self) -> int:
        """Park in an event loop: set PARKED to 5, "in a loop", look once more, and return what there is: DEAD, MESSAGE,
        QUERY (one may be answered, see answer()), COMMAND, ENDED, or TIMEOUT for nothing. Never waits.

        Whatever the peer publishes after that it announces at its alarm(), until rise(), wait() or exchange() ends the
        parking. Raises CorruptRing.
        """

    def rise(self) -> None:
        """No longer parked: the peer need not announce anything."""

    def disown(self) -> None:
        """From now on exchange() raises RuntimeError: the port's owner is another process."""

    @property
    def asked_at(self) -> int:
        """time.monotonic_ns() when the last exchange() began: its timeout counts from there."""

    @property
    def asked_from(self) -> int:
        """`head` when the last exchange() began: the position of what it pushed."""

    def serve(
        self,
        reply: bytes | None,
        timeout_ns: int,
        plain: tuple[
            bytes,
            bytes,
            dict[str, Callable[..., Any]],
            Callable[[bytes], list[Any]],
            Callable[[Any], bytes],
            Sized,
            Sized,
            Sized,
        ]
        | tuple[Any, ...],
        /,
    ) -> bytes | int | tuple[Any, ...] | None:
        """A server's rounds in one call: finish(), push(reply) unless that is None, wait(), take(); and again, as long
        as what came is a plain call, which is answered within: one whose handler returns what can be sent.

        `plain`: the two bytes that a Call and a Value begin with; the handlers by event; what decodes a call's
        arguments and what packs a value; and three or four containers, one of which is no longer empty when the caller
        has something to do between two messages: then TIMEOUT is returned.
        Returns the next message that is not plain; what wait() said if that was not MESSAGE; None when there was no
        room for `reply` (the message before it is finished all the same). COMMAND comes before MESSAGE here: a full
        ring does not keep commands from being heard. A tuple where a plain call was begun and not finished: (message,
        handler, exception) of the handler, (message, handler, exception, value) of packing, (message, handler, None,
        length) when the answer would be too long, and (None, answer) when all is done and there was no room for the
        answer. Handlers may use this port.
        Raises as those four; MemoryError of a handler's; TypeError and ValueError for a `plain` that is something else.
        """

    def wait_room(self, length: int, timeout_ns: int, /) -> int:
        """Park until a message of `length` bytes fits: MESSAGE (it fits now), DEAD, COMMAND, TIMEOUT; GIL released.

        Publishes what is staged. Sets PARKED to 2, "parked for room", so that the peer's pop() and finish() wake us;
        no spinning. `timeout_ns` <= 0 only looks.
        Raises ValueError when `length` is over `limit`.
        """

    def seen(self) -> bool:
        """Acknowledge the peer's COMMANDS word; True if it had changed since the last seen()."""

    def end(self) -> int:
        """Publish what is staged, store END = HEAD into `mine`, ring the bell and wake; returns the end position."""

    def reopen(self) -> None:
        """Store END = OPEN_END again: a rollback goes on in this ring."""

    @property
    def head(self) -> int:
        """Bytes pushed (staged included)."""

    @property
    def tail(self) -> int:
        """Bytes consumed of the peer's ring."""

    @property
    def peer_done(self) -> int:
        """The peer's TAIL, clamped: monotonic and never past what we published."""

    @property
    def peer_started(self) -> int:
        """The peer's STARTED, clamped between peer_done and what we published."""

    @property
    def limit(self) -> int:
        """The longest message: half the ring's capacity less the frame header."""

    def close(self) -> None:
        """Let go of all segments (does not unmap them). Idempotent."""

def format_segment(segment: Segment, /) -> None:
    """Zero the control words and the card's length, set MAGIC, END = OPEN_END, CPU = unknown.

    For the supervisor, before a slot is used. Ports made before that are stale. ValueError: read-only, too small.
    """

def frames(segment: Segment, start: int, stop: int, /) -> list[bytes]:
    """Copy out the frames in [start, stop) of a ring that nobody writes any more.

    Raises ValueError when that is no range of such a ring (order, alignment, longer than its capacity, no magic),
    CorruptRing when the bytes there are no frames, as when `start` is a worker's lie or they were overwritten.
    """

def words(segments: list[Segment], offset: int, /) -> list[int]:
    """The u64 at `offset` of each segment, by an acquire load, in order and without those that are 0: 400 in 3 µs.

    Raises TypeError, ValueError as Segment.load64 does.
    """

def weigh(data: bytes, /) -> int:
    """About how many nanoseconds msgspec takes to decode this msgpack message into Python's own types; GIL held.

    -1: a map in it has a key that is a list, a map or an extension: as a tuple its hash could be chosen, so that a dict
    takes time quadratic in its length. -2: nested deeper than 512. Malformed data is weighed as far as it goes.
    """

def this_cpu() -> int:
    """The CPU the caller runs on; 0xFFFFFFFF when the kernel does not tell."""
