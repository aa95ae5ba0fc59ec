"""One worker in the supervisor's eyes: its process, its slot, its state memory, and the conversation with it."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Any

import psutil

from ..shared import segment
from ..shared._ring import this_cpu
from ..shared.messages import (
    CLOCK_HEAD,
    MOST_CARRIED,
    Agree,
    Assign,
    Bound,
    Carried,
    Checkpoint,
    Checkpointed,
    Clock,
    Command,
    Diagnostic,
    Drained,
    Ready,
    Rehearse,
    Start,
    Stop,
    pack,
)
from ..shared.policy import Limits
from ..shared.saved import OURS
from . import checkpoints, filters
from .nursery import WorkerProcess
from .slots import Card, Slot
from .snapshot import Snapshot


def module_name(key: str) -> str:
    """The importable name of a mod, the same in every version: pickles refer to it. ``a/my-x`` → ``mods.a.my_2d_x``."""

    def part(text: str) -> str:
        name = "".join(c if c == "_" or c.isidentifier() or c.isdecimal() else f"_{ord(c):x}_" for c in text)
        return name if name.isidentifier() else f"_{name}"

    return ".".join(["mods", *map(part, key.split("/"))])


class Seat:
    """Who sits where: made for one attempt, closed when its worker is reaped. Never outlives its lane."""

    def __init__(self, attempt: int, snapshot: Snapshot, version: int, limits: Limits) -> None:
        self.attempt = attempt
        self.snapshot = snapshot
        self.version = version
        self.limits = limits
        self.worker: WorkerProcess | None = None
        self.slot: Slot | None = None
        self.state_fd = -1
        self.bound: Bound | None = None
        self.stages: dict[str, float] = {}
        self.build: asyncio.Task[None] | None = None
        self.inherited: list[bytes] = []
        """What it was given at Start."""
        self.inherited_seen = 0
        """How many of them it had begun when that was looked at last."""
        self.given: checkpoints.Checkpoint | None = None
        """Out of a save: it starts from this and not from what its predecessor hands over. None once it is live."""
        self.failure: Diagnostic | None = None
        """Why it failed, if it did."""
        self.resumed_from: checkpoints.Checkpoint | None = None
        self.resumed_age: float | None = None
        self.state_note = ""
        """Why it did not start from the newest state that there was, if so."""
        self.lost_effects: int | None = None
        """Messages its dead predecessors handled after the state it resumed from was taken; None: not known."""
        self.serial = 0
        """Of the last Checkpoint asked for."""
        self.asked = False
        """Its answer has not come. One answer each: reading a state costs time, and a worker could send thousands."""
        self._asked_at = self._saved_at = (0, 0)
        """Where it stood when its state was asked for last, and when the last one that was taken was: how many of the
        inherited messages it had begun, and how far it had begun its ring."""
        self._started_at = 0
        """How far it had begun its ring when it was started."""
        self.checked_done = -1
        """Its `done` when a checkpoint was asked for last."""
        self.times: dict[str, int] = {}
        """Monotonic nanoseconds of the moments that receipts speak of."""
        self.process: psutil.Process | None = None
        self.memory_base = 0
        """Its memory before any mod code ran, bytes: what it shares with the zygote is not its doing."""
        self.last_words: Diagnostic | None = None
        """Its latest error that escaped a handler: one that runs out of memory says in it where that was."""
        self.provided = self.equipped = 0
        """Generations of the game's helpers: what it was handed, and what it says that it took."""
        self.stopping = False
        """It was told to stop reading its ring, and is not started again."""
        self.handed_over = False
        """It was, and has handed its state over: one copy of that, however often it says so."""
        self.retired = False
        self._keeps_time = False
        """The game has a clock of its own."""
        self._policy = os.SCHED_BATCH
        """As its zygote has it."""
        self._expected: asyncio.Future[Any] | None = None
        self._card: Card | None = None
        self._askers: list[asyncio.Future[checkpoints.Checkpoint | str]] = []

    def assign(self, worker: WorkerProcess, slot: Slot, key: str, contract: bytes, seed: str = "") -> None:
        """Hand the worker its slot, the mod's files, its state memory and the game's contract. Raises OSError."""
        self.worker, self.slot, self._keeps_time = worker, slot, bool(seed)
        slot.prepare(self.attempt)
        worker.on_late = self._ring
        libraries = self.snapshot.libraries
        files = pack([self.snapshot.files, *(library.files for library in libraries)])
        fds: list[int] = []
        try:
            self.state_fd = segment.create("state", self.limits.state_bytes)
            fds.append(segment.read_only(slot.down_fd))
            fds.append(os.dup(slot.up_fd))
            fds.append(segment.frozen("snapshot", files))
            fds.append(os.dup(self.state_fd))
            if slot.alarm >= 0:
                fds.append(os.dup(slot.alarm))
            message = Assign(
                mod=key,
                module=module_name(key),
                folder=self.snapshot.folder,
                version=self.version,
                digest=self.snapshot.digest,
                limits=self.limits,
                ring_segment=slot.size,
                snapshot=len(files),
                contract=contract,
                seed=seed,
                libraries=[(each.key, module_name(each.key), each.folder) for each in libraries],
                alarm=slot.alarm >= 0,
            )
            worker.send(message, tuple(fds))
        finally:
            for fd in fds:
                os.close(fd)

    def _ring(self) -> None:
        """A command came late: after the bell that was rung for it."""
        if self.slot is not None:
            self.slot.announce_command()

    def agree(self, contract: bytes) -> None:
        """Tell the worker that another game has attached, with this contract."""
        if self.worker is not None and self.slot is not None:
            self.worker.send(Agree(contract), ())
            self.slot.announce_command()

    async def expect(self, kind: type[Any]) -> Any:
        """Wait for the worker's next `kind`. No deadline here: the lifecycle's kill the worker, and that cancels."""
        self._expected = asyncio.get_running_loop().create_future()
        answer = await self._expected
        if not isinstance(answer, kind):
            raise TypeError(f"the worker answered {type(answer).__name__} where {kind.__name__} was due")
        return answer

    async def answers(self, kind: type[Any], patience: float) -> bool:
        """Whether the worker's next answer is a `kind`, and comes within `patience` seconds."""
        try:
            # Not wait_for: before 3.12 it drops a cancellation that meets the answer, and the caller never ends.
            async with asyncio.timeout(patience):
                await self.expect(kind)
        except (TimeoutError, TypeError, asyncio.CancelledError) as error:  # TypeError: it answered anything else
            if isinstance(error, asyncio.CancelledError) and (task := asyncio.current_task()) and task.cancelling():
                raise
            return False  # or it died, which ends the wait too
        return True

    async def stop(self, patience: float) -> bool:
        """Tell one that drains for too long to hand over. It may only have much to do: then it answers between two
        messages. False: it does not within `patience` seconds, it hangs."""
        if self.worker is None or self.slot is None:
            return False
        self.stopping = True
        self.worker.send(Stop(), ())
        self.slot.announce_command()
        return await self.answers(Drained, patience)

    def listen(self) -> None:
        """Poll for the word of one that drains, unless that would keep it from the CPU it needs for that."""
        if self.worker is not None and self.slot is not None and self.slot.cpu() != this_cpu():
            self.worker.listen()

    def answer(self, report: Bound | Ready | Checkpointed | Drained) -> bool:
        """Give `expect` what it waits for; False: nobody waits."""
        if self._expected is None or self._expected.done():
            return False
        self._expected.set_result(report)
        return True

    def rehearse(self, state: checkpoints.Checkpoint | None) -> None:
        """Send a copy of the state for the rehearsal."""
        self._send_state(state, Rehearse, [])

    def start(
        self,
        epoch: int,
        state: checkpoints.Checkpoint | None,
        inheritance: Sequence[bytes],
        now: float,
        life: int = 0,
        clock: int = 0,
    ) -> None:
        """Send the real state and what predecessors were sent and never began. `life`: how many starts of the mod there
        were, with this one. `clock`: the game's own time when it adopted this one, ns."""
        self.hasten()
        self.inherited, self.inherited_seen = list(inheritance), 0
        self.resumed_from = state
        self.resumed_age = now - state.at if state else None
        frames = pack(self.inherited) if self.inherited else b""
        count = len(self.inherited)
        if self.slot is not None:
            self.slot.forget_inheritance()
            self._saved_at = self._stands_at()
            self._started_at = self._saved_at[1]
        self._send_state(state, lambda carried: Start(epoch, carried, count, len(frames), life, clock), [frames])
        os.sched_yield()  # it may have been woken on our CPU, and would wait for what we do next

    def serves(self) -> bool:
        """Whether it has begun a message of its ring since it was started: then it is live, said or not."""
        return self.slot is not None and self.slot.progress()[1] != self._started_at

    def hasten(self) -> None:
        """For the hand-over it has the ordinary scheduling policy, since calls wait for it: one first call in ten after
        a swap took 4 ms under SCHED_BATCH, which never preempts."""
        self.schedule(os.SCHED_OTHER)

    def schedule(self, policy: int) -> None:
        """Give the worker a scheduling policy. Its own filter lets it change none."""
        if policy != self._policy and self.worker is not None and self.worker.alive:
            self._policy = policy
            with contextlib.suppress(OSError):  # it just died, or the machine does not allow it: slower, not wrong
                os.sched_setscheduler(self.worker.pid, policy, os.sched_param(0))

    def _send_state(
        self, state: checkpoints.Checkpoint | None, message: Callable[[Carried], Command], blobs: list[bytes]
    ) -> None:
        worker = self.worker
        assert worker is not None, "a seat that is spoken to has a worker"
        data, version = (state.data, state.state_version) if state else (b"", 0)
        carried = Carried(len(data), version, data if len(data) <= MOST_CARRIED else b"")
        attached = [data] if carried.attached else []
        fds = [segment.frozen("handover", blob) for blob in (*attached, *blobs) if blob]
        try:
            worker.send(message(carried), tuple(fds))  # no bell: one that is not live waits at its socket
        finally:
            for fd in fds:
                os.close(fd)

    def ask_checkpoint(self) -> bool:
        """Ask for the state between two messages, if anything happened since the last time. False: nothing did."""
        assert self.worker is not None, "only live workers are asked"
        assert self.slot is not None, "and they have a slot"
        done, _ = self.slot.progress()
        begun = self.slot.inherited_begun()
        if done + begun == self.checked_done:
            return False
        self.checked_done = done + begun
        self._asked_at = self._stands_at()  # what it has in hand it finishes first
        self.serial += 1
        self.asked = True
        self.worker.send(Checkpoint(self.serial), ())
        self.slot.announce_command()
        return True

    def through(self) -> bool:
        """Whether it has handled all that it was sent, by its own account. Only while it serves."""
        assert self.slot is not None, "a worker that serves has a slot"
        return self.slot.progress()[0] == self.slot.end()

    def ask_state(self) -> "asyncio.Future[checkpoints.Checkpoint | str]":
        """Ask for the state as it is now, whether anything happened or not. Its next state, or why there is none."""
        answer: asyncio.Future[checkpoints.Checkpoint | str] = asyncio.get_running_loop().create_future()
        self._askers.append(answer)
        if not (self.asked and self._asked_at == self._stands_at()):  # else that very question is still open
            self.checked_done = -1
            self.ask_checkpoint()
        return answer

    def took(self, state: checkpoints.Checkpoint | str) -> None:
        """Tell whoever asked what came of it."""
        askers, self._askers = self._askers, []
        for answer in askers:
            if not answer.done():
                answer.set_result(state)

    def take_state(self, report: Drained | Checkpointed, now: float) -> checkpoints.Checkpoint | str:
        """Copy the state a worker wrote, bounded; or say why there is none to take."""
        if report.error:
            return report.error
        size, version, data = report.state.size, report.state.version, report.state.data
        if not 0 <= size <= self.limits.state_bytes:
            return f"it claims a state of {size} bytes {self.limits.cite('state_bytes')}"
        if not 0 <= version < 2**31:
            return f"it claims state version {version}"
        if data and len(data) != size:
            return f"it claims a state of {size} bytes and sends {len(data)}"
        data = data or segment.read_all(self.state_fd, size)
        if data and not data.startswith(OURS):
            # No successor could load it: it would be refused for what is not its own.
            return f"its {len(data)} bytes do not begin as a saved state does"
        self._saved_at = self._asked_at if isinstance(report, Checkpointed) else self._stands_at()
        return checkpoints.Checkpoint(data, version, self.snapshot.digest, now)

    def _stands_at(self) -> tuple[int, int]:
        assert self.slot is not None, "a seat that is spoken to has a slot"
        return self.slot.inherited_begun(), self.slot.progress()[1]

    def lost_effects_now(self) -> int | None:
        """Messages it handled after the last state that was taken of it, or since it was started; None: not known.

        Once it is dead. The worker's own words, but they speak of its own state. A message that it began between the
        question for its state and the answer is counted although its effect was saved.
        """
        assert self.slot is not None, "a seat with a ring has a slot"
        begun, position = self._saved_at
        handled = self.slot.handled(position)
        if handled is None:
            return None
        return max(0, min(self.slot.inherited_done(), len(self.inherited)) - begun) + handled

    def works_off(self) -> bool:
        """Whether it has begun more of what it inherited since it was asked last."""
        if self.slot is None:
            return False
        begun = min(self.slot.inherited_begun(), len(self.inherited))
        before, self.inherited_seen = self.inherited_seen, max(self.inherited_seen, begun)
        return begun > before

    def remaining(self) -> list[bytes]:
        """What it was sent or inherited and never began, in order, behind what time it was. Only once it is dead or has
        drained."""
        assert self.slot is not None, "a seat with a ring has a slot"
        begun = min(self.slot.inherited_begun(), len(self.inherited))
        left = self.inherited[begun:] + self.slot.unbegun()
        if left and self._keeps_time and not left[0].startswith(CLOCK_HEAD):
            told = [frame for frame in self.in_hand() if frame.startswith(CLOCK_HEAD)]
            left[:0] = told or [pack(Clock(self.slot.clock()))]
        return left

    def in_hand(self) -> list[bytes]:
        """The message it had begun and not finished, if any."""
        return self.slot.in_hand(self.inherited) if self.slot is not None else []

    def tell_game(self, forsaken: list[int]) -> None:
        """Write what the game must know about it, before it is offered. `forsaken`: epochs that were rolled back.
        Raises ValueError: it is too long, or no honest worker's."""
        assert self.slot is not None, "a seat that is offered has a slot"
        assert self.bound is not None, "and told which events it handles"
        events = [event for event, _ in self.bound.events]
        limits = self.limits
        most = limits.intents_per_frame, limits.queries_per_request
        wanted = filters.checked(self.bound.filters, events)
        card = Card(self.version, self.snapshot.digest, events, *most, wanted, forsaken)
        if card != self._card:  # the game may be reading the one there is
            self.slot.write_card(card)
            self._card = card

    def mark(self, moment: str, at: int) -> None:
        """Remember when something happened (monotonic ns)."""
        self.times[moment] = at

    def close(self) -> None:
        """Let go of the state memory and of whoever waits. The slot is freed by the lane, which knows when."""
        if self._expected is not None and not self._expected.done():
            self._expected.cancel()
        self._expected = self.build = None  # what was cancelled holds the frames it was in, and they this
        self.took("its worker ended before it had handed its state over")
        if self.state_fd >= 0:
            os.close(self.state_fd)
            self.state_fd = -1
