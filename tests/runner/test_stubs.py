"""`fumehood stubs`: what a game declares, as mypy sees it in a mod. mypy and ruff are run, on files in a folder."""

import ast
import subprocess
import sys

import fumehood.worker
import pytest
from click.testing import CliRunner
from fumehood.runner import Api, cli
from fumehood.runner.stub_types import arriving, quoted, scalar, written
from fumehood.runner.stubs import stub
from fumehood.shared import errors
from fumehood.shared.exits import Exit

GAME = '''
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal
from fumehood.runner import Api, Mod

class Kind(Enum):
    A = "a'\\""
    B = "b"

@dataclass
class Spot:
    x: int
    y: int

api = Api("farm", version=2)

@api.event
def tick(dt: float) -> None:
    """Sixty times a second."""

@api.event
def price(item: str, count: int = 1) -> float:
    r"""What it costs, "as is".

    In C:\\temp, to the \\"""end\\""", a "quote"
    """

@api.event(veto=True)
def can_enter(who: str, where: tuple[int, int]) -> None: ...
@api.event
def On_tick(self: int, tags: set[str], how: Literal["walk", "run"] | None = None, event: int = 3) -> None: ...

@api.query
def tile(x: int, y: int) -> str:
    """The ground there."""
    return "grass"

@api.query
def spots(mod: Mod, kind: Kind, near: dict[str, list[int | None]], how_far_away: Literal["here", "elsewhere"] = "here",
          *, more: bytes = b"") -> dict[str, tuple[Spot, ...]]: ...

@api.query
def untyped(x: Any): ...

@api.intent
def rain(mod: Mod, strength: float) -> None:
    """Let it rain."""
@api.intent
def list(self: list[int], name: str = "x", long: Literal["a very long word", "another very long word"] | None = None,
         longer: Literal["a very long word", "another very long word", "and one that is longer than a line"] =
         "a very long word"): ...
@api.intent
def halt() -> None: ...

@api.event(relay=True)
def gossip(about: str, times: int = 1) -> None:
    """From mod to mod."""

one = Api("one")
@one.event
def tick(dt: float): ...
@one.intent
def rain(strength: float): ...
empty = Api("empty")
number = 3
'''

GOOD = """
from fumehood.worker import game, helpers, log, on, refuse, state, view, PayloadError

@on("tick", priority=3)
def tick(dt: float) -> None:
    if game.tile(3, y=4).upper() == "GRASS":
        game.rain(0.7)
        game.rain(strength=1)
        game.send("rain", strength=0.5)
        game.halt()
        game.gossip("wolf", times=2)
        game.send("gossip", about="wolf")
    log.info("%s", view("sheep")[0] + helpers.path_cost(1, 2) + view.version("sheep"))
    state["t"] = state.get("t", 0.0) + dt

@on("tick", dt=0.5)
def tock(dt: float, more: str = "") -> int:
    return 3

@on("price")
def price(item: str, count: int = 1) -> int:
    if item == "gold":
        raise PayloadError(item)
    spots = game.spots("b", {"a": [1, None]}, more=b"x")
    return int(spots["a"][0]["x"]) + tock(0.5)

@on("can_enter", where=(1, 2))
def can_enter(who: str, where: list[int]) -> None:
    if who == "wolf":
        refuse("wolves stay outside")

@on("On_tick")
def any_arguments(*args: object) -> None: ...
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the game, where the command has been run for each Api in it."""
    folder = tmp_path_factory.mktemp("stubs")
    (folder / "farmgame.py").write_text(GAME)
    for name in ("api", "one", "empty"):
        done = run("-m", "fumehood.runner.cli", "stubs", f"farmgame:{name}", "-o", name, at=folder)
        assert (done.returncode, done.stdout) == (0, f"{name}/fumehood/worker/__init__.pyi\n"), done.stderr
    return folder


def run(*argv, at):
    return subprocess.run(
        [sys.executable, "-W", "error", *argv], cwd=at, capture_output=True, text=True, timeout=100, check=False
    )


def mypy(place, which, *files):
    (place / f"{which}.ini").write_text(f"[mypy]\nstrict = True\nmypy_path = {which}\n")
    return run("-m", "mypy", "--config-file", f"{which}.ini", *files, at=place)


@pytest.mark.parametrize("which", ["api", "one", "empty"])
def test_what_is_written_is_strict_and_formatted_at_any_width(place, which):
    done = mypy(place, which, f"{which}/fumehood/worker/__init__.pyi")
    assert done.returncode == 0, done.stdout
    for width in (79, 88, 120):
        checked = run("-m", "ruff", "format", "--isolated", "--diff", "--line-length", str(width), which, at=place)
        assert width == 79 or checked.returncode == 0, checked.stdout


def test_a_good_mod_passes(place):
    (place / "good.py").write_text(GOOD)
    done = mypy(place, "api", "good.py")
    assert done.returncode == 0, done.stdout


MISTAKES = {
    "game.rain('wet')": 'Argument 1 to "rain" of "_Game" has incompatible type "str"; expected "float"',
    "game.gossip(3)": 'Argument 1 to "gossip" of "_Game" has incompatible type "int"; expected "str"',
    "game.rian(1.0)": '"_Game" has no attribute "rian"',
    "game.rain(strenght=1.0)": 'Unexpected keyword argument "strenght" for "rain" of "_Game"; did you mean "strength"?',
    "game.tile(1)": 'Missing positional argument "y" in call to "tile" of "_Game"',
    "game.tile(1, 2) + 3": 'Unsupported operand types for + ("str" and "int")',
    "game.spots('c', {})": "expected \"Literal['a\\'\"', 'b']\"",
    "game.send('rian', strength=1.0)": 'No overload variant of "send" of "_Game" matches argument types "str", "float"',
    "game.send('rain', strength='wet')": "def send(self, Literal['rain'], /, *, strength: float) -> None",
    "refuse(3)": 'Argument 1 to "refuse" has incompatible type "int"; expected "str"',
    "@on('tik')\ndef x(dt: float) -> None: ...": 'No overload variant of "on" matches argument type "str"',
    "@on('tick')\ndef x(dt: str) -> None: ...": '"_Handler_of_tick" of function cannot be "Callable[[str], None]"',
    "@on('tick')\ndef x() -> None: ...": '"_Handler_of_tick" of function cannot be "Callable[[], None]"',
    "@on('tick')\ndef x(dt: float, more: int) -> None: ...": '"_Handler_of_tick" of function cannot be',
    "@on('price')\ndef x(item: str) -> float: ...": '"_Handler_of_price" of function cannot be',
    "@on('price')\ndef x(item: str, count: int = 1) -> str: ...": '"_Handler_of_price" of function cannot be',
    "@on('can_enter', how='slowly')\ndef x(who: str, where: list[int]) -> None: ...": 'No overload variant of "on"',
}


def test_each_mistake_is_one_error_where_it_stands(place):
    """All in one run of mypy, each in a file of its own."""
    for number, text in enumerate(MISTAKES):
        (place / f"bad{number}.py").write_text(f"from fumehood.worker import game, on, refuse\n{text}\n")
    done = mypy(place, "api", *(f"bad{number}.py" for number in range(len(MISTAKES))))
    assert done.returncode == 1
    for number, (text, said) in enumerate(MISTAKES.items()):
        lines = [line for line in done.stdout.splitlines() if line.startswith(f"bad{number}.py:")]
        assert any(said in line for line in lines), (text, lines)
        assert ": error: " in lines[0]
        assert lines[0].startswith((f"bad{number}.py:2:", f"bad{number}.py:3:"))


def test_with_one_event_or_none_a_mistake_is_found_too(place):
    (place / "lone.py").write_text("from fumehood.worker import game, on\n@on('tik')\ndef x(dt: float) -> None: ...\n")
    assert "incompatible type \"Literal['tik']\"; expected \"Literal['tick']\"" in mypy(place, "one", "lone.py").stdout
    assert 'expected "Never"' in mypy(place, "empty", "lone.py").stdout


def test_the_game_s_side_is_still_found_beside_the_stub(place):
    """mypy looks for each module in each folder: what the stub does not have comes from what is installed."""
    (place / "both.py").write_text(
        "from fumehood.runner import Intent\nfrom fumehood.worker import game\n"
        "reveal_type(Intent('m', 'n', {}, 1).name)\nreveal_type(game.tile(1, 2))\n"
    )
    done = mypy(place, "api", "both.py")
    assert done.returncode == 0
    assert done.stdout.count('Revealed type is "str"') == 2, done.stdout


def test_it_has_every_name_that_a_mod_may_import():
    names: dict[str, object] = {}
    text = stub(Api("any")).replace("...", "pass")
    exec("from __future__ import annotations\n" + text, names)  # a stub is Python
    for name in fumehood.worker.__all__:
        assert name in names or name in names["__annotations__"], name
        kind = getattr(errors, name, None)
        if kind is not None:
            assert [base.__name__ for base in kind.__mro__] == [base.__name__ for base in names[name].__mro__]


def test_docstrings_and_the_order_are_the_game_s(place):
    text = (place / "api/fumehood/worker/__init__.pyi").read_text()
    assert '        """Let it rain."""\n' in text
    docs = {node.name: ast.get_docstring(node) for node in ast.parse(text).body if isinstance(node, ast.ClassDef)}
    assert docs["_On_price"] == 'What it costs, "as is".\n\nIn C:\\temp, to the \\"""end\\""", a "quote"'
    assert (
        text.index("class _On_tick") < text.index("class _On_price") < text.index("def tile") < text.index("def rain")
    )
    again = run("-m", "fumehood.runner.cli", "stubs", "farmgame:api", "-o", "again", at=place)
    assert again.returncode == 0
    assert (place / "again/fumehood/worker/__init__.pyi").read_text() == text


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("farmgame", "'farmgame': write MODULE:NAME, such as game:api"),
        ("farmgame:", "'farmgame:': write MODULE:NAME"),
        ("../farmgame:api", "'../farmgame:api': write MODULE:NAME"),
        ("nowhere:api", "nowhere:api: there is no module 'nowhere' in "),
        ("farmgame:apy", "farmgame:apy: farmgame has no 'apy'; its Api: api, one, empty"),
        ("farmgame:number", "farmgame:number: it is no Api, but an int: name what `Api(…)` made"),
        ("broken:api", "broken:api: broken cannot be imported: ZeroDivisionError: division by zero ("),
        ("lacking:api", "lacking:api: lacking cannot be imported: ModuleNotFoundError: No module named 'lacking_this'"),
        ("wrong:api", "wrong:api: wrong cannot be imported: SyntaxError: "),
        ("ending:api", "ending:api: importing ending ends the program (exit status 3): start the game under"),
    ],
)
def test_what_is_named_wrongly_is_one_line(place, named, said):
    (place / "broken.py").write_text("x = 1\n1 / 0\n")
    (place / "lacking.py").write_text("import lacking_this\n")
    (place / "wrong.py").write_text("def (:\n")
    (place / "ending.py").write_text("raise SystemExit(3)\n")
    done = run("-m", "fumehood.runner.cli", "stubs", named, at=place)
    assert (done.returncode, done.stdout) == (Exit.CONFIG, "")
    assert done.stderr.startswith(f"fumehood: {said}")
    assert done.stderr.count("\n") == 1
    assert not (place / "typings").exists()


def test_a_folder_that_cannot_be_is_told(place, monkeypatch):
    monkeypatch.chdir(place)
    done = CliRunner().invoke(cli.main, ["stubs", "farmgame:api", "-o", "farmgame.py"])
    assert done.exit_code == Exit.CONFIG
    assert "farmgame.py: the stub cannot be written there: " in done.output


def test_an_event_named_as_another_s_parts_and_a_control_character_break_nothing():
    api = Api("a\x1b[2J\n'''\"\"\"\\")

    def tick() -> None:
        """\x1b]0;x\x07 \\"""

    api.event(tick)
    text = stub(api)
    assert text.isprintable() or not [char for char in text if not char.isprintable() and char != "\n"]
    compile(text, "stub", "exec")


@pytest.mark.parametrize(
    ("declared", "arrives"),
    [
        ("tuple[int, str]", "list[int | str]"),
        ("tuple[int, int]", "list[int]"),
        ("tuple[set[int], ...]", "list[list[int]]"),
        ("tuple[()]", "list[Any]"),
        ("dict[tuple[int, int], frozenset[str]] | None", "dict[tuple[int, int], list[str]] | None"),
        ("list[tuple[float, float]]", "list[list[float]]"),
        ("Literal['a', 3] | bytes", "Literal['a', 3] | bytes"),
        ("Any", "Any"),
    ],
)
def test_a_tuple_or_a_set_arrives_as_a_list(declared, arrives):
    assert arriving(declared) == arrives


def test_types_are_written_as_a_formatter_leaves_them():
    assert written("dict[str, Literal['a', \"b'\"]]") == 'dict[str, Literal["a", "b\'"]]'
    assert written("list[list[Any]] | str", {"list", "Any"}) == "builtins.list[builtins.list[typing.Any]] | str"
    assert written("tuple[()]") == "tuple[()]"
    assert written("tuple[int, ...]") == "tuple[int, ...]"
    assert [quoted(text) for text in ("a", "a'", 'a"', "a'\"", 'a\'""')] == [
        '"a"',
        '"a\'"',
        "'a\"'",
        '"a\'\\""',
        "'a\\'\"\"'",
    ]
    assert [scalar(text) for text in ("int | None", "Literal['x'] | str", "list[int]", "Any")] == [
        True,
        True,
        False,
        False,
    ]
