"""The supervisor's end of a game's control socket, over a real socket pair."""

import asyncio
import os
import socket
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from fumehood.runner import control
from fumehood.runner.attachment import Attachment, fitted
from fumehood.runner.journal import Journal
from fumehood.runner.link import Link
from fumehood.runner.records import ModStatus, Receipt
from fumehood.runner.terms import Terms
from fumehood.shared.errors import ProtocolError
from fumehood.shared.messages import Diagnostic, pack
from hypothesis import given
from hypothesis import strategies as st

MODS = 5


class Host:
    """What an attachment needs of a supervisor, with an empty file for every slot."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.lanes = {str(n): SimpleNamespace(index=n, name=str(n)) for n in range(MODS)}
        self.gone = asyncio.Event()
        self.introduced = 0

    def welcome(self):
        return control.Welcome(1, 4096, 4096, 4096), ()

    def agree(self, contract):
        Terms(contract)

    def introduction(self, lane):
        self.introduced += 1
        return tuple(os.open(os.devnull, os.O_RDONLY) for _ in range(8))

    def offering(self):
        return False

    def detached(self, attachment):
        self.gone.set()


def open_descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def test_a_game_that_goes_while_mods_are_introduced_leaves_no_descriptor() -> None:
    async def go() -> None:
        game, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        game.setblocking(False)
        host = Host()
        before = open_descriptors()
        Attachment(ours, host)
        game.send(pack(control.Hello(control.PROTOCOL)))
        async with asyncio.timeout(10):
            await asyncio.get_running_loop().sock_recv(game, control.PACKET_LIMIT)
        game.send(pack(control.Introductions(1, 0)))
        game.close()
        async with asyncio.timeout(10):
            await host.gone.wait()
        assert host.introduced, "the request was read after the game had gone"
        assert open_descriptors() <= before

    asyncio.run(go())


def status(text: str) -> ModStatus:
    diagnostic = Diagnostic(*[text] * 4, 1, 2, 3, text, text)
    return ModStatus("m", 1, 1, "d", "active", 1, 0, "d", text, diagnostic, 0, 0, 0, 0, 0, 0, text)


def receipt(number: int, text: str) -> Receipt:
    diagnostic = Diagnostic("import", text, text, text, 1, 2, 3, text, text)
    return Receipt(number, "m", "save", "refused", 2, "d", 1, 1, "d", {}, None, None, 0.0, 0.0, diagnostic)


@given(st.text(max_size=300), st.integers(1, 300), st.integers(8_000, control.PACKET_LIMIT))
def test_every_answer_fits_whatever_a_mod_wrote(text, times, room):
    for answer in (control.StatusItem(1, status(text * times)), control.ReceiptItem(1, receipt(1, text * times))):
        data = fitted(answer, room)
        assert len(data) <= room
        read = control.unpack_answer(data)
        if len(pack(answer)) <= room:
            assert read == answer
        else:
            assert b"more characters: too long to send" in data


@pytest.mark.parametrize("buffer", [0, 9_000])
def test_a_mod_s_longest_words_reach_the_game_and_end_nothing(buffer) -> None:
    """Also where the machine's send buffers are small. The kernel refuses a longer packet, which was taken for the end
    of the game, and ended the supervisor."""

    async def go() -> None:
        game, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        if buffer:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        host = Host()
        host.lanes = {"m": SimpleNamespace(index=0, name="m", status=lambda: status("\U0001f600" * 20_000))}
        host.journal.append(receipt(1, "\U0001f600" * 20_000))
        attachment = Attachment(ours, host)
        game.send(pack(control.Hello(control.PROTOCOL)))
        link = Link(game)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(10):
            await loop.run_in_executor(None, link._receive, loop.time() + 10)
            (said,) = await loop.run_in_executor(None, link.status)
            (wrote,) = await loop.run_in_executor(None, link.receipts, 0, 0.0)
        assert said.name == "m"
        assert "more characters" in said.diagnostic.traceback
        assert wrote.verdict == "refused"
        assert not host.gone.is_set()
        attachment.close()
        game.close()

    asyncio.run(go())


def test_an_answer_the_game_cannot_take_is_a_typed_error() -> None:
    game, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with game, ours:
        link = Link(game)
        for ask in (link.status, lambda: link.begin_introductions(0) or link.poll()):
            ours.send(bytes(control.PACKET_LIMIT + 1))
            with pytest.raises(ProtocolError, match="cannot be taken"):
                ask()


def test_the_journal_keeps_whole_texts_of_the_newest_only() -> None:
    journal = Journal()
    for number in range(1, 301):
        journal.append(receipt(number, "x" * 20_000))
    kept = journal.since(0)
    assert [each.number for each in kept] == list(range(1, 301))
    assert kept[-1] == receipt(300, "x" * 20_000)
    assert sum(len(each.diagnostic.traceback) == 20_000 for each in kept) == 100
    assert "no longer kept" in kept[0].diagnostic.traceback
    assert sum(len(msgspec.msgpack.encode(each)) for each in kept[:200]) < 200 * 2_500


def test_a_game_whose_contract_is_none_is_refused_with_the_reason() -> None:
    async def go() -> None:
        game, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        Attachment(ours, Host())
        game.settimeout(10)
        await asyncio.to_thread(game.send, pack(control.Hello(control.PROTOCOL, b"no contract")))
        answer = control.unpack_answer(await asyncio.to_thread(game.recv, control.PACKET_LIMIT))
        assert isinstance(answer, control.Refusal)
        assert "contract" in answer.message
        game.close()
        ours.close()

    asyncio.run(go())
