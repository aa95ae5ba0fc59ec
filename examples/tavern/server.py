"""A tavern on a TCP port: a text server on asyncio whose every command is a mod's.

    python examples/tavern/server.py --port 4000            # then: nc 127.0.0.1 4000

Save a file under mods/ meanwhile: the guests stay, and the new version serves their next command. Ctrl-C closes the
tavern; who has what, and what the mods know, is in tavern.save for the next evening. mods/brawler.py hangs, at times.

Each wait for mods holds the loop, for a budget of a few milliseconds at most. Every one stands in a coroutine.
"""

import argparse
import asyncio
import signal
from pathlib import Path
from typing import Final

import msgspec
from fumehood.runner import Api, Limits, Mod, Mods, launch

BUDGET: Final = 0.004
PULSE: Final = 0.05
KNOCKS: Final = 40
LONGEST: Final = 200  # characters of a guest's line, and of what a mod says
MOST_UNREAD: Final = 65_536  # bytes; a guest who reads nothing would fill the server's memory
LIMITS: Final = Limits(intents_per_frame=50, hang_after=0.5)  # a mod that shouts does not drive the guests out
Save = tuple[dict[str, list[str]], bytes]  # what each guest has, and the mods' state as opaque bytes


def plain(text: str) -> str:
    """The words of a guest or of a mod: not too long, without control characters."""
    return "".join(letter for letter in text[:LONGEST] if letter.isprintable()).strip()


class Tavern:
    """The room, and all that mods may ask of it."""

    def __init__(self) -> None:
        self.guests: dict[str, asyncio.StreamWriter] = {}
        self.things: dict[str, list[str]] = {}
        self.mods: Mods
        self.closing = asyncio.Event()

    def api(self) -> Api:
        api = Api("tavern", version=1)

        @api.event
        def tick(dt: float) -> None: ...
        @api.event
        def entered(who: str) -> None: ...
        @api.event
        def command(who: str, verb: str, rest: str) -> None: ...
        @api.event(veto=True, default="refuse")  # no answer is no: a mod that hangs lets nobody in
        def can_enter(who: str) -> None: ...

        for query in (self.here, self.carried):
            api.query(query)
        for intent in (self.say, self.tell, self.give):
            api.intent(intent)
        return api

    def here(self) -> list[str]:
        """A query: who is in the room."""
        return sorted(self.guests)

    def carried(self, who: str) -> list[str]:
        """A query: what a guest has."""
        return self.things.get(who, [])

    def say(self, mod: Mod, text: str) -> None:
        """An intent: everybody hears it."""
        for who in self.guests:
            self.tell(mod, who, text)

    def tell(self, mod: Mod, who: str, text: str) -> None:
        """An intent: one guest hears it."""
        guest = self.guests.get(who)
        if guest is not None and guest.transport.get_write_buffer_size() > MOST_UNREAD:
            guest.transport.abort()
        elif guest is not None:
            guest.write(f"[{mod.name}] {plain(text)}\n".encode())

    def give(self, who: str, thing: str) -> None:
        """An intent: a guest gets something. Ten things fill two hands."""
        if who in self.guests and len(self.things.setdefault(who, [])) < 10:
            self.things[who].append(plain(thing))

    async def welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One guest, from door to door."""
        who = ""
        try:
            writer.write(b"Who are you?\n")
            name = plain((await reader.readline()).decode(errors="replace"))
            for _ in range(KNOCKS):  # who keeps the door may be busy: the guest waits, and the room goes on
                if not ((no := self.mods.veto("can_enter", name, budget=BUDGET)) and no.by_default):
                    break
                await asyncio.sleep(PULSE)
            if no or not name or name in self.guests:
                writer.write(f"You stay outside: {plain(no.reason) if no else 'that name is taken'}\n".encode())
                return
            who = name
            self.guests[who] = writer
            self.mods.emit("entered", who, budget=BUDGET)
            while line := await reader.readline():
                verb, _, rest = plain(line.decode(errors="replace")).partition(" ")
                report = self.mods.emit("command", who, verb, rest, budget=BUDGET)  # to those that know this verb
                if not (report.results or report.late or report.failed):
                    writer.write(f"Nobody here knows how to {verb}.\n".encode())
                self.mods.apply()
                await writer.drain()
        except (ConnectionError, ValueError, asyncio.CancelledError):  # gone; a line without an end; closing time
            pass
        finally:
            if who:
                del self.guests[who]
            writer.close()

    async def evening(self, root: Path, port: int, slot: Path) -> None:
        """Serve until Ctrl-C or SIGTERM, then save."""
        for signum in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(signum, self.closing.set)
        with launch(root, api=self.api(), limits=LIMITS) as self.mods:
            if slot.exists():
                self.things, state = msgspec.msgpack.decode(slot.read_bytes(), type=Save)
                self.mods.load(state)
            server = await asyncio.start_server(self.welcome, "127.0.0.1", port, limit=4 * LONGEST)
            print("open on port", server.sockets[0].getsockname()[1], flush=True)
            while not self.closing.is_set():
                self.mods.emit("tick", PULSE, budget=BUDGET)
                self.mods.apply()  # also what was said after its answer was due
                await asyncio.sleep(PULSE)
            server.close()
            save: Save = (self.things, self.mods.save())
            slot.write_bytes(msgspec.msgpack.encode(save))


async def main() -> None:
    """Open, as the command line says."""
    options = argparse.ArgumentParser(description="A tavern whose every command is a mod's.")
    options.add_argument("mods", type=Path, nargs="?", default=Path(__file__).parent / "mods", help="folder of mods")
    options.add_argument("--port", type=int, default=4000, help="0: any that is free (default: %(default)s)")
    options.add_argument("--slot", type=Path, default=Path("tavern.save"), help="the save slot (default: %(default)s)")
    chosen = options.parse_args()
    await Tavern().evening(chosen.mods, chosen.port, chosen.slot)


if __name__ == "__main__":
    asyncio.run(main())
