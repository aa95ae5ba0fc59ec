"""The supervisor's end of a game's control socket, over a real socket pair."""

import asyncio
import os
import socket
from pathlib import Path
from types import SimpleNamespace

from fumehood.runner import control
from fumehood.runner.attachment import Attachment
from fumehood.runner.journal import Journal
from fumehood.shared.messages import pack

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
