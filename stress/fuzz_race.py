"""Fuzz target `race`: the same calls as in `ring` while another process scribbles on the peer's segment, really at the
same time: lengths, cursors and letters change between two loads of one call.

A case says what the game does; the attacker goes on with its own chance. So a finding need not come again at once.
"""

import contextlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from fumehood.shared import _ring, segment
from fumehood.shared._ring import CorruptRing, Port, Segment, format_segment
from fuzz_mutate import NUMBERS
from fuzz_ring import MESSAGES, USES, WORDS, Channel, Program, Ring

CAPACITY: Final = 1024
SIZE: Final = segment.ring_segment_size(CAPACITY)
WAYS_IN: Final = 200
"""Tries to begin a case in spite of what the attacker is doing at that moment."""
BURST: Final = 5000
"""Strokes of the attacker between two looks whether its game is still there."""


class Race(Ring):
    """The target. `LIVE` in `down` tells the attacker to go on."""

    name = "race"
    steady = False

    def __init__(self) -> None:
        super().__init__()
        self._channels = [self._shared(number) for number in range(2)]
        fds = [fd for channel in self._channels for fd in channel.fds]
        command = [sys.executable, str(Path(__file__)), *map(str, fds)]
        self._attacker = subprocess.Popen(command, pass_fds=fds, stdin=subprocess.DEVNULL)

    @staticmethod
    def _shared(number: int) -> "SharedChannel":
        return SharedChannel(number)

    def close(self) -> None:
        self._attacker.kill()
        self._attacker.wait()
        super().close()

    def run(self, data: bytes) -> None:
        assert self._attacker.poll() is None, "the attacker died"
        program = Program(data)
        orders, spin_ns = bool(program.byte() & 1), 2000 * (program.byte() & 1)
        for channel in self._channels:
            channel.begin(orders=orders, spin_ns=spin_ns)
        first, second = self._channels
        first.port.hear(lambda query, _: query[:100], 1000)
        try:
            for _ in self.steps(program):
                choice = program.byte()
                step = CALLS[(choice >> 1) % len(CALLS)]
                channel, other = (first, second) if choice & 1 else (second, first)
                self._do(step, channel, other, program)
            for channel in self._channels:
                channel.check()
        finally:
            for channel in self._channels:
                channel.down.store32(_ring.LIVE, 0)
                with contextlib.suppress(ValueError):
                    channel.port.beside(())
                channel.port.close()


class SharedChannel(Channel):
    """One whose `up` another process holds."""

    def __init__(self, number: int) -> None:
        super().__init__(number, CAPACITY, CAPACITY, orders=False, spin_ns=0)
        self.port.close()
        fds = []
        pairs = []
        for name in ("down", "up"):
            fd = segment.create(name, SIZE)
            segment.allocate(fd, SIZE)
            fds.append((fd, segment.read_only(fd)))
            pairs.append((Segment(fd, SIZE, writable=True), Segment(fds[-1][1], SIZE, writable=False)))
        self.down, (self.up, self.theirs) = pairs[0][0], pairs[1]
        self.fds = (fds[0][1], fds[1][0])
        """`down` to read, `up` to write: the attacker's."""

    def begin(self, *, orders: bool, spin_ns: int) -> None:
        """A new game, in an empty channel."""
        self.options = {"orders": orders, "spin_ns": spin_ns}
        self.sent.clear()
        self.written = 0
        self.certain = True
        for _ in range(WAYS_IN):
            for each in (self.down, self.up):
                each.write(0, bytes(SIZE))
                format_segment(each)
            try:
                self.port = Port(self.down, self.theirs, **self.options)
                break
            except CorruptRing:
                time.sleep(0)
        else:
            raise AssertionError("the attacker does not stand still")
        self.down.store32(_ring.LIVE, 1)


CALLS: Final = tuple(step for step in USES if step not in (Ring.serve, Ring.again, Ring.copied))
"""serve() is the worker's, whose peer is the game; `again` makes the peer's words right, and `copied` is for rings that
nobody writes any more."""


def attack(fds: list[int]) -> None:
    """The other process: strokes without end."""
    sides = []
    for down_fd, up_fd in zip(fds[::2], fds[1::2], strict=True):
        sides.append((Segment(down_fd, SIZE, writable=False), Segment(up_fd, SIZE, writable=True)))
    rng = random.Random(SIZE)
    while os.getppid() != 1:
        for _ in range(BURST):
            down, up = rng.choice(sides)
            if down.load32(_ring.LIVE) == 0:
                continue
            stroke(rng, down, up)


def stroke(rng: random.Random, down: Segment, up: Segment) -> None:
    """One lie, or something that is almost true."""
    position = down.load64(_ring.STARTED)
    match rng.randrange(8):
        case 0:
            up.store64(
                rng.choice(WORDS), rng.choice((rng.getrandbits(64), rng.choice(NUMBERS), rng.getrandbits(11) & ~7))
            )
        case 1:
            up.write(rng.randrange(_ring.CARD, SIZE - 64), rng.randbytes(64))
        case 2:
            up.nudge()
        case 3 | 4 | 5:
            message = rng.choice(MESSAGES)
            length = rng.choice((len(message), len(message), rng.choice(NUMBERS) & 0xFFFF_FFFF))
            check = (position ^ _ring.CHECK) & 0xFFFF_FFFF
            at = _ring.RING + position % CAPACITY
            up.store64(at, check << 32 | length)
            up.write(at + 8, message[: SIZE - at - 8])
            up.store64(_ring.HEAD, position + 8 + (len(message) + 7) // 8 * 8 + rng.choice((0, 0, 0, 8, 1024)))
        case 6:
            number = down.load64(_ring.ANSWERED) >> 32
            length = rng.choice((0, 5, 100, rng.choice(NUMBERS) & 0xFFFF_FFFF))
            up.store64(_ring.ASKED, (number + 1 & 0xFFFF_FFFF) << 32 | length)
            up.store64(_ring.ANSWERED, down.load64(_ring.ASKED) >> 32 << 32 | length)
        case 7:
            head = down.load64(_ring.HEAD)
            up.store64(_ring.STARTED, head)
            up.store64(_ring.TAIL, head)


if __name__ == "__main__":
    attack([int(text) for text in sys.argv[1:]])
