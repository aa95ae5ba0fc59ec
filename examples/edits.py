"""What the demo does to its own copy of the mods, as text: which line becomes which, and what is added at the end.

Most of it must not work, so it is kept as text here and never as files that a tool might compile or import.
"""

import msgspec


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """One save of one file. `find` must stand in the file exactly once; `append` goes to the end.

    `whole` is instead all of a new file.
    """

    file: str
    """Relative to the mods folder."""
    find: str = ""
    replace: str = ""
    append: str = ""
    whole: str = ""

    def apply(self, text: str) -> str:
        """Return the file's text after this edit. Raises ValueError when `find` is not there exactly once."""
        if self.whole:
            return self.whole
        if self.find and text.count(self.find) != 1:
            raise ValueError(f"{self.file}: {self.find!r} stands {text.count(self.find)} times in it, not once")
        return (text.replace(self.find, self.replace) if self.find else text) + self.append


RAIN = Edit(
    file="weather/climate.json",
    find='{"sun": 5.0, "clouds": 3.0, "rain": 1.0}',
    replace='{"sun": 1.0, "clouds": 1.0, "rain": 8.0}',
)

MIGRATE = Edit(
    file="economy.py",
    find='STATE_VERSION = 1\nBASE = {"wheat": 4.0, "wool": 9.0, "iron": 21.0}',
    replace='STATE_VERSION = 2\nBASE = {"wheat": 6.0, "wool": 9.0, "iron": 21.0, "milk": 2.0}',
    append='''

def migrate(old: dict, from_version: int) -> dict:
    """Version 1 knew no milk."""
    prices = old.setdefault("prices", dict(BASE))
    prices["milk"] = BASE["milk"]
    return old
''',
)

SYNTAX_ERROR = Edit(
    file="farm.py",
    find="GROWTH = 0.35  # stages a second",
    replace="GROWTH = (0.35  # stages a second",
)

IMPORT_ERROR = Edit(
    file="quests.py",
    find='("keep the wolves away", 6)]',
    replace='("keep the wolves away", 6)]\nREWARD = {"wheat": 3, "wool": 5}["gold"]',
)

SEGFAULT = Edit(
    file="greeter.py",
    find="    return words.format(who)",
    replace="    import ctypes\n\n    return ctypes.string_at(0).decode()  # reads address 0",
)

LOOP = Edit(
    file="wolves.py",
    find='    state["angle"] = state.get("angle", 0.0) + dt * SPEED * math.tau',
    replace='    while state["ticks"]:  # never comes out\n        state["angle"] = state.get("angle", 0.0) + dt',
)

MEMORY = Edit(
    file="villagers.py",
    find='    state["ticks"] = state.get("ticks", 0) + 1',
    replace='    state["ticks"] = state.get("ticks", 0) + 1\n    HOARD.append(bytearray(2**24))  # 16 MiB more',
    append="\n\nHOARD = []\n",
)

STRANGER = Edit(
    file="stranger.py",
    whole='''"""A mod from somewhere on the internet."""

import os
import signal
import socket

from fumehood.worker import game, on, state


def passwd():
    with open("/etc/passwd") as file:
        return file.readline()


def connect():
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).connect(("127.0.0.1", 22))
    return "connected"


def fork():
    child = os.fork()
    if child == 0:
        os._exit(0)
    return f"forked process {child}"


def kill_parent():
    os.kill(os.getppid(), signal.SIGKILL)
    return f"signalled process {os.getppid()}"


TRICKS = {"read /etc/passwd": passwd, "open a socket": connect, "fork": fork, "kill its parent": kill_parent}


@on("tick")
def tick(dt):
    if state.get("tried"):
        return
    state["tried"] = True
    for what, trick in TRICKS.items():
        try:
            game.send("tried", what=what, ok=True, got=str(trick()))
        except OSError as error:
            game.send("tried", what=what, ok=False, got=error.strerror)


@on("report")
def report():
    return 0
''',
)

BURST = [
    Edit(file="clock.py", find='BELL = "the bell rings"', replace=f'BELL = "the bell rings ({number} of 10)"')
    for number in range(1, 11)
]
"""Ten saves as fast as an editor that saves at every key; only the last one counts."""

CHECKOUT = [
    Edit(file="farm.py", find="GROWTH = 0.35", replace="GROWTH = 0.70"),
    Edit(file="quests.py", find='("bring wheat to the mill", 4)', replace='("bring wheat to the mill", 3)'),
    Edit(file="greeter.py", find='"good day, {}"', replace='"welcome back, {}"'),
    Edit(file="wolves.py", find="PACK = 3", replace="PACK = 4"),
    Edit(file="villagers.py", find="PACE = 5.0", replace="PACE = 7.0"),
]
"""Five mods mended in one go, as `git checkout` does it. Each counts from the original file, not the broken one."""
