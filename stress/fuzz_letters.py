"""Fuzz target `letters`: what a handler asks and wishes, against what a game declares. First byte: query or intent.

No function of the game below may see a value of a type that it did not declare.
"""

import logging
import random
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from fumehood.runner import Api, replies
from fumehood.runner.intents import Gate
from fumehood.runner.queries import LONGEST_ANSWER, Answerer
from fumehood.runner.records import Intent as Wish
from fumehood.shared.errors import ProtocolError
from fumehood.shared.messages import Intent, Query, pack
from fuzz_mutate import Shaped, value

NAMES: Final = ("tile", "rain", "name", "own", "walk", "absent", "tiel", "")


@dataclass
class Place:
    """A class of the game's own, made of hostile words."""

    x: int
    y: int


def declared() -> Api:
    """A game's declarations, of most types there are."""
    api = Api("fuzz")

    @api.query
    def tile(x: int, y: int = 0) -> str:
        assert type(x) is int and type(y) is int  # noqa: PT018
        return "grass"

    @api.query
    def name(who: str, of: list[dict[str, float]], at: Place | None = None) -> bytes:
        assert type(who) is str
        assert all(type(each) is float for part in of for each in part.values())
        assert at is None or type(at) is Place
        return b"x" * len(of)

    @api.query
    def own(what: Any) -> Any:
        return what

    @api.intent
    def rain(strength: float, where: tuple[int, int] = (0, 0)) -> None:
        assert type(strength) is float
        assert len(where) == 2

    @api.intent
    def walk(to: Place, how: dict[str, Any]) -> None:
        assert type(to) is Place
        assert type(how) is dict

    return api


class Frame:
    """What an answer needs of the game around it."""

    def __init__(self) -> None:
        self._asking: list[str] = []

    def _begin_answer(self, name: str, _: int) -> Any:
        self._asking.append(name)
        return self


class Heard(logging.Handler):
    """What was logged as a failure of the game's own: an assertion above, say."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and isinstance(record.exc_info[1], AssertionError):
            self.errors.append(record.exc_info[1])


class Letters:
    """The target."""

    name = "letters"
    dictionary = (
        b"\x92\x01\x02",
        b"\x93",
        b"\xa4tile",
        b"\xa4rain",
        b"\xcb" + bytes(8),
        b"\x82\xa1x\x01\xa1y\x02",
        b"\x80",
    )

    def __init__(self) -> None:
        self._api = declared()
        self._frame = Frame()
        mod: Any = type("Named", (), {"name": "m"})()
        game: Any = self._frame
        self._answerer = Answerer(self._api, game, mod)
        self._shaped = Shaped([Query, Intent])
        self._heard = Heard()
        logging.getLogger("fumehood.game").addHandler(self._heard)
        logging.getLogger("fumehood.game").propagate = False

    def fresh(self, rng: random.Random) -> bytes:
        name = rng.choice(NAMES)
        right: Any = {
            "tile": [[rng.randrange(9), rng.randrange(9)], {}],
            "name": [["me", [{"a": 1.5}], {"x": 1, "y": 2}], {}],
            "own": [[value(rng)], {}],
        }.get(name, [[], {"strength": 1.0, "where": [1, 2]} if name == "rain" else {"to": {"x": 1, "y": 2}, "how": {}}])
        if rng.random() < 0.4:
            right = [value(rng), value(rng)]
        elif rng.random() < 0.4:
            right[1] = {rng.choice(("x", "y", "who", "strength", "where", "to", "how", "")): value(rng)}
        if rng.random() < 0.5:
            return b"\0" + pack([name, *right])
        return b"\xff" + pack([4, name, right[1]])

    def close(self) -> None:
        logging.getLogger("fumehood.game").removeHandler(self._heard)

    def run(self, data: bytes) -> None:
        if data[:1] < b"\x80":
            answer = self._answerer(data[1:], 1)
            assert len(answer) <= LONGEST_ANSWER
            assert msgspec.msgpack.decode(answer)[0] in (0, 1)
            assert not self._frame._asking, "an answer that is not over"
        else:
            try:
                intent, _ = replies.read(data[1:])
            except ProtocolError:
                return
            if isinstance(intent, Intent):
                entry, fields, why = Gate(self._api).admit(Wish("m", intent.name, intent.fields, 1))
                assert (entry is None) == bool(why)
                assert len(why) < 5000, "a long story"
                if entry is not None:
                    entry.run(fields=fields)
        if self._heard.errors:
            raise self._heard.errors.pop()
