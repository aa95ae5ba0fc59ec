"""The two example games, played: frames of the meadow in this process, guests of the tavern over TCP."""

import importlib.resources
import importlib.util
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fumehood import examples

EXAMPLES = Path(str(importlib.resources.files(examples)))
PATIENCE = 20.0
"""Seconds until a wait gives up."""


def test_each_is_short_enough_to_be_read() -> None:
    for file in ("meadow/game.py", "tavern/server.py"):
        assert len((EXAMPLES / file).read_text().splitlines()) < 150


def saved(file: Path, text: str) -> None:
    """As an editor saves."""
    temporary = file.with_name(f".{file.name}.tmp")
    temporary.write_text(text)
    temporary.rename(file)


# ── the meadow ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Play:
    """A meadow whose frames come as fast as they can."""

    def __init__(self, game: Any, root: Path) -> None:
        self.game = game
        self.root = root

    def until(self, done: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not done():
            assert self.game.frame(1 / 60)
            assert time.monotonic() < deadline, f"not within {PATIENCE:g} s: {what}"

    def press(self, key: str) -> bool:
        """The frame in which the player presses it; False: it was the last."""
        pygame = sys.modules["pygame"]
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.key.key_code(key)))
        return bool(self.game.frame(1 / 60))

    def verdicts(self, mod: str) -> list[str]:
        return [receipt.verdict for receipt in self.game.mods.receipts() if receipt.mod == mod]


@pytest.fixture
def meadow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    pygame = pytest.importorskip("pygame", reason="the meadow needs pygame-ce: pip install '.[examples]'")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    spec = importlib.util.spec_from_file_location("meadow_game", EXAMPLES / "meadow" / "game.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    root = shutil.copytree(EXAMPLES / "meadow" / "mods", tmp_path / "mods")
    game = module.Meadow(root, tmp_path / "slot")
    with game.mods:
        yield Play(game, root)
    pygame.quit()


def test_the_meadow_runs_its_frames_and_says_what_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pygame", reason="the meadow needs pygame-ce: pip install '.[examples]'")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    command = [sys.executable, str(EXAMPLES / "meadow" / "game.py"), "--frames", "150"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()[-1]
    assert re.search(r"^meadow: 150 frames, .*\b\d+ steps\b.*; gate@1, mole\S* .*wolf@1$", said), said
    assert "mole.py:15: SIGSEGV" in done.stderr


def test_its_mods_act_and_the_one_that_crashes_goes_down_alone(meadow: Play) -> None:
    counts = meadow.game.counts
    meadow.until(lambda: counts["steps"] and counts["turned away"] and counts["rain by weather"], "every mod acts")
    meadow.until(lambda: meadow.verdicts("mole")[-1] == "down", "the breaker opens")
    assert sorted(meadow.game.mods) == ["gate", "puddle", "sheep", "weather", "wolf"]
    before = counts["steps"]
    meadow.until(lambda: counts["steps"] > before, "the others go on")


def test_a_mod_that_is_saved_while_it_runs_goes_live_and_one_that_crashes_is_rolled_back(meadow: Play) -> None:
    sheep = (meadow.root / "sheep.py").read_text()
    straight = "((3 > x) - (3 < x), 0) if x != 3 else (0, (4 > y) - (4 < y) or 1)"
    assert "random.choice(WAYS)" in sheep
    meadow.until(lambda: meadow.game.counts["steps"], "the first version steers")
    saved(meadow.root / "sheep.py", sheep.replace("random.choice(WAYS)", straight))
    meadow.until(lambda: meadow.game.counts["rain by puddle"] > 3, "sheep step into the puddle, again and again")
    assert meadow.game.mods["sheep"].version == 2
    saved(meadow.root / "sheep.py", sheep + "\n@on('tick')\ndef fall(dt: float) -> None: import os; os._exit(3)\n")
    meadow.until(lambda: "rolled back" in meadow.verdicts("sheep"), "the crash is rolled back")
    assert meadow.game.mods["sheep"].version == 2
    before = meadow.game.counts["steps"]
    meadow.until(lambda: meadow.game.counts["steps"] > before, "the version before steers again")


COUNTER = """
from fumehood.worker import state
def on_tick(dt):
    state["n"] = state.get("n", 0) + 1
    return state["n"]
"""


def test_f5_saves_and_f9_loads_both_the_games_world_and_the_mods(meadow: Play) -> None:
    def tick() -> int:
        return int(meadow.game.mods["counter"].call("tick", 0.0, timeout=PATIENCE))

    saved(meadow.root / "counter.py", COUNTER)
    meadow.until(lambda: "counter" in meadow.game.mods and meadow.game.counts["steps"], "it counts ticks")
    assert meadow.press("f9"), "there is no save yet, and nothing to load"
    herd = meadow.game.npcs.copy()
    assert meadow.press("f5")  # saves, and goes on with the frame
    count = tick()
    meadow.until(lambda: abs(meadow.game.npcs["x"] - herd["x"]).max() > 1, "the herd moves on")
    assert tick() > count
    assert meadow.press("f9")
    assert tick() == count, "it went on from the save: a frame, and this tick"
    for axis in "xy":
        assert abs(meadow.game.npcs[axis] - herd[axis]).max() <= 1, "a frame is one step at most"
    assert not meadow.press("escape")


# ── the tavern ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Guest:
    """A real client."""

    def __init__(self, port: int, name: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.lines = self.socket.makefile("rb")
        self.hear("Who are you?")
        self.say(name)

    def say(self, line: str) -> None:
        self.socket.sendall(line.encode() + b"\n")

    def hear(self, words: str) -> str:
        """The next line that holds them; fails when the connection ends first."""
        while line := self.lines.readline().decode():
            if words in line:
                return line.strip()
        raise AssertionError(f"the tavern closed the door before it said {words!r}")

    def ask(self, line: str, words: str) -> str:
        self.say(line)
        return self.hear(words)

    def close(self) -> None:
        self.lines.close()
        self.socket.close()


class House:
    """The server, as somebody starts it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.guests: list[Guest] = []
        self.log = folder / "log"
        command = [sys.executable, "-W", "error", str(EXAMPLES / "tavern" / "server.py"), str(folder / "mods")]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", "0", "--slot", str(folder / "slot")], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        assert said.startswith("open on port "), self.log.read_text()
        self.port = int(said.split()[-1])

    def guest(self, name: str) -> Guest:
        self.guests.append(Guest(self.port, name))
        return self.guests[-1]

    def close(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(PATIENCE)
        for guest in self.guests:
            guest.close()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@pytest.fixture
def tavern(tmp_path: Path) -> Iterator[Callable[[], House]]:
    shutil.copytree(EXAMPLES / "tavern" / "mods", tmp_path / "mods")
    houses: list[House] = []

    def opened() -> House:
        houses.append(House(tmp_path))
        return houses[-1]

    yield opened
    for house in houses:
        house.close(signal.SIGKILL)


def test_guests_come_talk_and_are_served_by_mods(tavern: Callable[[], House]) -> None:
    house = tavern()
    ann = house.guest("ann")
    assert ann.hear("comes in") == "[bouncer] ann comes in; here: nobody else"
    bob = house.guest("bob")
    assert ann.hear("bob") == "[bouncer] bob comes in; here: ann"
    assert bob.ask("look", "you see") == "[bouncer] you see ann, bob; 2 have come so far"
    assert ann.ask("order ale", "one ale") == "[barkeep] one ale for ann; 39 left"
    assert bob.hear("one ale") == "[barkeep] one ale for ann; 39 left"
    assert ann.ask("have", "you have") == "[barkeep] you have: ale"
    assert bob.ask("have", "you have") == "[barkeep] you have: nothing"
    assert ann.ask("dance", "Nobody") == "Nobody here knows how to dance."
    assert bob.ask("say \x1b[2Jhello", "says") == "[bard] bob says: [2Jhello"


def test_who_may_not_enter_hears_why_and_who_breaks_the_line_disturbs_nobody(tavern: Callable[[], House]) -> None:
    house = tavern()
    ann = house.guest("ann")
    ann.hear("comes in")
    assert house.guest("Goblin").hear("outside") == "You stay outside: no Goblins in here"
    assert house.guest("a b").hear("outside") == "You stay outside: letters and digits, twenty at most"
    assert house.guest("ann").hear("outside") == "You stay outside: that name is taken"
    endless = house.guest("eve")
    endless.hear("comes in")
    endless.socket.sendall(b"\xff" * 100_000)
    with pytest.raises((AssertionError, ConnectionError)):
        endless.hear("anything")
    assert ann.ask("look", "you see") == "[bouncer] you see ann; 2 have come so far"


def test_a_new_song_is_sung_while_guests_are_there(tavern: Callable[[], House]) -> None:
    house = tavern()
    ann = house.guest("ann")
    assert ann.ask("sing", "song") == "[bard] song 1: of a farmer and his cow"
    bard = house.folder / "mods" / "bard.py"
    saved(bard, bard.read_text().replace("a farmer and his cow", "the sea"))
    count, line = 1, ""
    while not line.endswith("of the sea"):
        line = ann.ask("sing", "song")
        count += 1
        assert line.startswith(f"[bard] song {count}: "), "each is sung once, by the one or the other"


def test_a_mod_that_hangs_is_found_and_the_guests_go_on(
    tavern: Callable[[], House], until: Callable[..., None]
) -> None:
    house = tavern()
    ann, bob = house.guest("ann"), house.guest("bob")
    ann.say("brawl")
    bob.hear("[brawler] ann starts a brawl")
    assert bob.ask("order soup", "one soup") == "[barkeep] one soup for bob; 5 left"
    hang = re.compile(r"brawler@1 restarted .*: brawler\.py:\d+: LimitExceeded: .*hang_after")
    until(lambda: hang.search(house.log.read_text()), "the supervisor shows where it hangs")
    assert ann.ask("sing", "song 1")
    assert ann.ask("brawl", "[brawler]") == "[brawler] ann starts a brawl", "started anew"


def test_the_next_evening_everything_is_as_it_was(tavern: Callable[[], House]) -> None:
    house = tavern()
    ann = house.guest("ann")
    ann.ask("order ale", "39 left")
    ann.ask("sing", "song 1")
    assert house.close() == 0
    log = house.log.read_text()
    assert "Traceback" not in log, log
    house = tavern()
    ann = house.guest("ann")
    assert ann.ask("have", "you have") == "[barkeep] you have: ale"
    assert ann.ask("order ale", "one ale") == "[barkeep] one ale for ann; 38 left"
    assert ann.ask("have", "you have") == "[barkeep] you have: ale, ale"
    assert ann.ask("sing", "song") == "[bard] song 2: of a farmer and his cow"
