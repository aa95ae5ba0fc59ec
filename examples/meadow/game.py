"""A meadow seen from above, 60 frames a second, in a window of pygame's. Its animals are steered by mods.

    python examples/meadow/game.py                                           # F5 saves, F9 loads, Escape leaves
    SDL_VIDEODRIVER=dummy python examples/meadow/game.py --frames 600        # without a screen

Save a file under mods/ meanwhile: it is live in the next frames. mods/mole.py ends its own process; the others go on.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import Final, Literal

import msgspec
import numpy
import pygame
from fumehood.runner import Api, Mod, Mods, launch

LAND: Final = """\
####################
#..................#
#......~~~....BBB..#
#.....~~~~....BBB..#
#......~~..........#
#............~.....#
####################""".splitlines()
KINDS: Final = {"#": "wall", ".": "grass", "~": "water", "B": "barn"}
COLOURS: Final = {"#": "#6b5b4b", ".": "#6fae4e", "~": "#4f83b8", "B": "#a8543f"}
ANIMALS: Final = ("sheep", "wolf")  # a mod of that name steers all of its kind
HERD: Final = [(0, 15, 2), (0, 14, 3), (0, 4, 4), (0, 9, 5), (0, 3, 2), (1, 13, 3), (1, 5, 5)]
NPC: Final = numpy.dtype([("kind", "u1"), ("x", "i4"), ("y", "i4")])
SIZE: Final = 32
Way = Literal[-1, 0, 1]
Save = tuple[bytes, float, bytes]  # the game's own world, and the mods' as opaque bytes


class Meadow:
    """The world, and all that mods may ask of it."""

    def __init__(self, root: Path, slot: Path) -> None:
        self.npcs = numpy.array(HERD, NPC)
        self.rain_left = 0.0
        self.counts: Counter[str] = Counter()
        self.slot = slot
        self._moved: set[int] = set()
        self.mods: Mods = launch(root, api=self._api(), packages=["numpy"])
        pygame.display.init()
        self.screen = pygame.display.set_mode((SIZE * len(LAND[0]), SIZE * len(LAND)))

    def _api(self) -> Api:
        api = Api("meadow", version=1)

        @api.event
        def tick(dt: float) -> None: ...
        @api.event
        def step(who: str, tile: tuple[int, int]) -> None: ...
        @api.event(veto=True)
        def can_enter(who: str, where: str) -> None: ...

        api.query(self.tile)
        api.intent(self.move)
        api.intent(self.rain)
        return api

    def tile(self, x: int, y: int) -> str:
        """A query: what lies there."""
        return KINDS[LAND[y][x]] if 0 <= y < len(LAND) and 0 <= x < len(LAND[0]) else "wall"

    def move(self, mod: Mod, animal: int, dx: Way, dy: Way) -> None:
        """An intent: one step of one of the mod's own animals; in a frame one at most, however often it asks."""
        if not 0 <= animal < len(self.npcs) or ANIMALS[self.npcs[animal]["kind"]] != mod.name or animal in self._moved:
            return
        self._moved.add(animal)
        x, y = int(self.npcs[animal]["x"]) + dx, int(self.npcs[animal]["y"]) + dy
        where = self.tile(x, y)
        if where == "barn" and (no := self.mods.veto("can_enter", mod.name, where, budget=0.002)):
            self.counts["turned away"] += 1
            pygame.display.set_caption(f"{mod.name}: {no.reason}")
        elif where in ("grass", "barn"):
            self.npcs[animal]["x"], self.npcs[animal]["y"] = x, y
            self.counts["steps"] += 1
            self.mods.emit("step", mod.name, (x, y), budget=0.001)  # wakes those that ask for this tile

    def rain(self, mod: Mod, strength: float) -> None:
        """An intent: rain for up to three seconds."""
        self.rain_left = max(self.rain_left, min(1.0, strength) * 3)
        self.counts[f"rain by {mod.name}"] += 1

    def frame(self, dt: float) -> bool:
        """One frame; False: the player leaves."""
        for event in pygame.event.get():
            key = event.key if event.type == pygame.KEYDOWN else pygame.K_UNKNOWN
            if event.type == pygame.QUIT or key == pygame.K_ESCAPE:
                return False
            if act := {pygame.K_F5: self.save, pygame.K_F9: self.load}.get(key):
                act()
        self._moved.clear()
        self.rain_left = max(0.0, self.rain_left - dt)
        self.mods.publish("npcs", self.npcs)
        self.mods.emit("tick", dt, budget=0.004)
        self.mods.apply()
        self.counts["frames"] += 1
        self._draw()
        return True

    def save(self) -> None:
        save: Save = (self.npcs.tobytes(), self.rain_left, self.mods.save())
        self.slot.write_bytes(msgspec.msgpack.encode(save))

    def load(self) -> None:
        if self.slot.exists():
            npcs, self.rain_left, mods = msgspec.msgpack.decode(self.slot.read_bytes(), type=Save)
            self.npcs = numpy.frombuffer(npcs, NPC).copy()
            self.mods.load(mods)

    def _draw(self) -> None:
        for y, row in enumerate(LAND):
            for x, kind in enumerate(row):
                self.screen.fill(COLOURS[kind], (x * SIZE, y * SIZE, SIZE, SIZE))
        for kind, x, y in self.npcs.tolist():
            pygame.draw.circle(self.screen, ("white", "black")[kind], ((x + 0.5) * SIZE, (y + 0.5) * SIZE), SIZE // 3)
        if self.rain_left:
            self.screen.fill((40, 40, 60), special_flags=pygame.BLEND_RGB_SUB)
        pygame.display.flip()

    def summary(self) -> str:
        """One line: what happened, and who is live."""
        done = ", ".join(f"{count} {what}" for what, count in sorted(self.counts.items()))
        mods = ", ".join(f"{s.name}@{s.version}" if s.version else f"{s.name} down" for s in self.mods.status())
        return f"meadow: {done}; {mods}"


def main() -> None:
    """Play until the player leaves, or for --frames."""
    options = argparse.ArgumentParser(description="A meadow whose animals are steered by mods.")
    options.add_argument("mods", type=Path, nargs="?", default=Path(__file__).parent / "mods", help="folder of mods")
    options.add_argument("--frames", type=int, default=0, help="leave after so many (default: never)")
    options.add_argument("--slot", type=Path, default=Path("meadow.save"), help="the save slot (default: %(default)s)")
    chosen = options.parse_args()
    meadow = Meadow(chosen.mods, chosen.slot)
    with meadow.mods:  # nothing of the mods outlives it
        clock, dt = pygame.time.Clock(), 1 / 60
        while meadow.frame(dt) and meadow.counts["frames"] != chosen.frames:
            dt = clock.tick(60) / 1000
        print(meadow.summary())


if __name__ == "__main__":
    main()
