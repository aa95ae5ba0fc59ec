"""What becomes of one request: the decisions, over real slots and a real switchboard. This process is all three."""

import os
import socket
import time
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from fumehood.runner import control
from fumehood.runner.game import Mods
from fumehood.runner.link import Link
from fumehood.runner.mod import Mod
from fumehood.runner.requests import INHERITED, ON_PORT, Request
from fumehood.runner.slots import Card, Slots
from fumehood.runner.switchboard import BOARD_BYTES, PAGE_BYTES, Switchboard
from fumehood.shared import segment
from fumehood.shared._ring import DEAD, MESSAGE, TIMEOUT, Port
from fumehood.shared.errors import ModCrashed, ModTimeout, ModUnavailable, QueueFull
from fumehood.shared.messages import Call, Value, pack

LONG = 60 * 10**9


class Stage:
    """A supervisor's board and slots, a game's Mods, and the workers' ends of the rings."""

    def __init__(self) -> None:
        self.board = Switchboard()
        self.slots = Slots(4096)
        self.board.add_mod()
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        fds = [os.dup(self.board.board_read_only), os.dup(self.board.page_fd), os.eventfd(0, os.EFD_NONBLOCK)]
        welcome = control.Welcome(1, self.slots.size, BOARD_BYTES, PAGE_BYTES)
        self.mods = Mods(Link(self.ours), welcome, fds)
        downs = [os.dup(slot.down_fd) for slot in self.slots.slots]
        ups = [segment.read_only(slot.up_fd) for slot in self.slots.slots]
        self.mods._meet_one(control.Introduce(1, 0, "m"), [*downs, *ups])
        self.mod: Mod = self.mods._table[0]
        self.workers: dict[int, Port] = {}
        self.epoch = 0
        self.number = 0

    def offer(self, slot: int, *, live: bool = True) -> Port:
        """A new worker in that slot is what the game is to find."""
        chosen = self.slots.slots[slot]
        down, up = chosen.prepare(1)
        chosen.write_card(Card(self.epoch + 1, "d", ["echo"], 10))
        chosen.set_live(live)
        self.epoch = self.board.next_epoch()
        worker = self.workers[slot] = Port(up, down)
        self.board.publish(0, self.epoch, slot)
        return worker

    def adopt(self) -> None:
        self.mods._look()

    def kill(self, slot: int) -> None:
        self.board.mark_dead(0, slot, self.mod._epochs[slot])

    def ask(self, within: int = LONG) -> tuple[Request, Generator[int, Any, Any]]:
        self.number += 1
        self.mod._inbox.wanted[self.number] = None
        data = pack(Call(self.number, "echo", [1]))
        request = Request(self.mod, self.number, data, "echo", time.monotonic_ns() + within, within / 1e9)
        return request, request.steps()

    def answer(self, worker: Port, value: object) -> None:
        worker.take()
        worker.finish()
        assert worker.push(pack(Value(self.number, value)))

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()
        self.mods.close()
        self.slots.close()
        self.board.close()
        self.theirs.close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    it = Stage()
    it.offer(0)
    it.adopt()
    yield it
    it.close()


def result(steps: Generator[int, Any, Any], news: object) -> Any:
    with pytest.raises(StopIteration) as ended:
        steps.send(news)
    return ended.value.value.value


def test_it_is_sent_waits_and_has_its_answer(stage: Stage) -> None:
    request, steps = stage.ask()
    assert next(steps) == ON_PORT
    assert request.position == 0
    assert steps.send(TIMEOUT) == ON_PORT
    stage.answer(stage.workers[0], "yes")
    assert result(steps, MESSAGE) == "yes"


def test_in_hand_when_the_worker_dies_it_crashed(stage: Stage) -> None:
    _, steps = stage.ask()
    next(steps)
    stage.workers[0].take()
    stage.kill(0)
    with pytest.raises(ModCrashed):
        steps.send(DEAD)


def test_not_begun_when_the_worker_dies_the_heir_answers_it(stage: Stage) -> None:
    request, steps = stage.ask()
    next(steps)
    stage.kill(0)
    assert steps.send(DEAD) >= 0, "it waits for the switchboard"
    heir = stage.offer(1, live=False)
    assert steps.send(TIMEOUT) == ON_PORT
    assert steps.send(DEAD) >= 0
    assert request.position == INHERITED
    assert heir.push(pack(Value(stage.number, "heir")))
    assert result(steps, TIMEOUT) == "heir"


def test_an_heir_that_is_live_without_having_answered_did_not_get_it(stage: Stage) -> None:
    _, steps = stage.ask()
    next(steps)
    stage.kill(0)
    steps.send(DEAD)
    stage.offer(1)
    assert steps.send(TIMEOUT) == ON_PORT
    with pytest.raises(ModCrashed):
        steps.send(DEAD)


@pytest.mark.parametrize("live", [False, True])
def test_left_behind_by_a_swap_it_is_answered_where_it_was_sent(stage: Stage, live: bool) -> None:
    _, steps = stage.ask()
    next(steps)
    old = stage.workers[0]
    stage.offer(1, live=False)
    stage.adopt()
    assert steps.send(TIMEOUT) >= 0
    stage.answer(old, "old")
    if live:
        stage.slots.slots[1].set_live(True)
    assert result(steps, TIMEOUT) == "old"


def test_left_behind_and_left_unread_the_successor_answers_it(stage: Stage) -> None:
    _, steps = stage.ask()
    next(steps)
    new = stage.offer(1, live=False)
    stage.adopt()
    assert steps.send(TIMEOUT) >= 0
    assert new.push(pack(Value(stage.number, "new")))
    stage.slots.slots[1].set_live(True)
    stage.mods._look_if_changed()  # a plain call may look first, and let go of the old ring
    assert result(steps, TIMEOUT) == "new"


def test_left_behind_and_answered_by_nobody_it_crashed(stage: Stage) -> None:
    _, steps = stage.ask()
    next(steps)
    stage.offer(1, live=False)
    stage.adopt()
    steps.send(TIMEOUT)
    stage.slots.slots[1].set_live(True)
    with pytest.raises(ModCrashed):
        steps.send(TIMEOUT)


def test_left_behind_in_hand_of_one_that_died_it_crashed(stage: Stage) -> None:
    _, steps = stage.ask()
    next(steps)
    stage.workers[0].take()
    stage.kill(0)
    stage.offer(1, live=False)
    stage.mod._look()  # another request's doing, before this one was told
    with pytest.raises(ModCrashed):
        steps.send(TIMEOUT)


def test_where_nobody_serves_and_nobody_is_about_to_it_is_unavailable(stage: Stage) -> None:
    stage.board.publish_nobody(0, stage.board.next_epoch(), gone=True)
    _, steps = stage.ask()
    stage.adopt()
    with pytest.raises(ModUnavailable, match="files are gone"):
        next(steps)


def test_past_its_deadline_it_is_late_but_an_answer_that_lies_there_is_taken(stage: Stage) -> None:
    _, steps = stage.ask(within=0)
    assert next(steps) == ON_PORT
    with pytest.raises(ModTimeout, match="no answer within 0 s") as late:
        steps.send(TIMEOUT)
    assert not late.value.handing_over
    stage.workers[0].pop()
    _, steps = stage.ask(within=0)
    next(steps)
    stage.answer(stage.workers[0], "just")
    assert result(steps, MESSAGE) == "just"


def test_past_its_deadline_between_two_versions_it_says_so(stage: Stage) -> None:
    stage.offer(1, live=False)
    stage.adopt()
    _, steps = stage.ask(within=0)
    next(steps)
    with pytest.raises(ModTimeout, match="handing over") as late:
        steps.send(TIMEOUT)
    assert late.value.handing_over


def test_a_full_queue_is_an_error_at_once(stage: Stage) -> None:
    assert stage.mod._port is not None
    while stage.mod._port.push(b"x"):
        pass
    _, steps = stage.ask()
    with pytest.raises(QueueFull):
        next(steps)
