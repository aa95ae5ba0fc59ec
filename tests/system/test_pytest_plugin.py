"""The fixture `fumehood`: sample tests of mods' authors, run by a pytest of their own, with real workers."""

import signal
import subprocess
import sys

import pytest

WEATHER = """
from fumehood.worker import game, log, on, refuse, state

@on("tick")
def tick(dt):
    print("tick", dt)
    state["t"] = state.get("t", 0.0) + dt
    if state["t"] > 30 and game.tile(3, 4) == "grass":
        state["t"] = 0.0
        game.rain(strength=0.7)
    log.warning("done")

@on("price")
def price(item):
    return 3 / len(item)

@on("can_enter")
def can_enter(who):
    if who == "wolf":
        refuse("no wolves")
"""

GAME = """
from fumehood.runner import Api
api = Api("farm", version=2)
@api.event
def tick(dt: float) -> None: ...
@api.event
def price(item: str) -> float: ...
@api.event(veto=True)
def can_enter(who: str) -> None: ...
@api.query
def tile(x: int, y: int) -> str: return "water"
@api.intent
def rain(strength: float) -> None: raise AssertionError("a test runs no intent")
"""

HEAD = """
import os, pathlib, pytest
from fumehood.runner import ModCrashed, ModError, NotDeclared, PayloadError, QueryError, UsageError
from fumehood.runner.testing import Intent, ModRefused
COUNTER = '''
from fumehood.worker import on, state
@on("n")
def n():
    state["n"] = state.get("n", 0) + 1
    return state["n"]
'''
"""


@pytest.fixture
def author(pytester):
    """A mod author's folder: the mods, the game, and `run(tests, …)`."""
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\nfilterwarnings = ['error']\npythonpath = ['.']\n")
    mods = pytester.mkdir("mods")
    (mods / "weather.py").write_text(WEATHER)
    (mods / "farmgame.py").write_text("")
    pytester.makepyfile(farmgame=GAME)

    def run(tests, *options):
        pytester.makepyfile(test_mods=HEAD + tests)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly", "-W", "error", *options)

    run.path = pytester.path
    return run


def test_a_mod_is_tested_as_its_author_would_like_to(author):
    done = author("""
def test_it_rains(fumehood):
    fumehood.answers(tile=lambda x, y: {(3, 4): "grass"}[x, y])
    mod = fumehood.load("mods/weather.py")
    assert mod.call("price", "iron") == 0.75
    assert mod.emit("tick", 31.0) == [None]
    assert mod.intents() == [Intent("rain", strength=0.7)] == [Intent("rain", strength=pytest.approx(0.7))]
    assert mod.intents() == []
    assert mod.log == ["tick 31.0", "done"]
    assert [(line.mod, line.level, line.text) for line in fumehood.log] == [
        ("weather", "info", "tick 31.0"), ("weather", "warning", "done")]
    assert fumehood.veto("can_enter", "wolf").reason == "no wolves"
    assert fumehood.veto("can_enter", "ann") is None
    assert repr(mod) == "<LoadedMod weather@1: handles can_enter, price, tick>"

def test_answers_change_and_may_be_values_or_a_no(fumehood):
    fumehood.answers(tile="grass")
    mod = fumehood.load("mods/weather.py")
    mod.emit("tick", 31.0)
    fumehood.answers(tile="stone")
    mod.emit("tick", 31.0)
    assert fumehood.intents() == [Intent("rain", strength=0.7)]
    fumehood.answers(tile=QueryError("the map is closed"))
    with pytest.raises(ModError, match="QueryError: the map is closed"):
        mod.emit("tick", 31.0)

def test_queries_take_any_arguments(fumehood):
    fumehood.answers(far=lambda *args, **named: [args, named], near=lambda a, b=2: a + b)
    mod = fumehood.load(text='''
from fumehood.worker import game, on
@on("ask")
def ask():
    return game.far(), game.far(1, [2], c={}), game.near(1), game.near(1, b=5), game.other(x=1)
''')
    assert mod.call("ask") == [[[], {}], [[1, [2]], {"c": {}}], 3, 6, None]
    assert mod.intents() == [Intent("other", x=1)]

@pytest.mark.parametrize("time", range(3))
def test_every_test_begins_with_nothing(fumehood, time):
    assert not fumehood.log
    assert not fumehood.load(text=COUNTER).intents()
    assert fumehood.load(text=COUNTER + "# anew").call("n") == 1

def test_reload_save_and_restore(fumehood):
    mod = fumehood.load(text=COUNTER)
    assert [mod.call("n"), mod.call("n"), mod.version] == [1, 2, 1]
    data = fumehood.save()
    mod.reload(text=COUNTER + "# changed")
    assert mod.call("n") == 3
    mod.reload(text=COUNTER + "# changed")
    with pytest.raises(ModRefused, match="ZeroDivisionError") as caught:
        mod.reload(text=COUNTER + "1 / 0")
    assert (caught.value.diagnostic.file, caught.value.diagnostic.line) == ("mod.py", 7)
    assert mod.call("n") == 4
    assert fumehood.restore(data).restored == ["mod"]
    assert mod.call("n") == 3

def test_folders_libraries_views_and_helpers(fumehood, tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "goods.json").write_text("[7]")
    (tmp_path / "shop" / "mod.toml").write_text('requires = ["economy"]')
    (tmp_path / "shop" / "__init__.py").write_text('''
import json, pathlib
from fumehood.worker import helpers, on, view
from mods.economy import TAX
@on("offer")
def offer():
    goods = json.loads((pathlib.Path(__file__).parent / "goods.json").read_text())
    return goods[0] * TAX + view("v")[0] + helpers.one()
''')
    fumehood.load(text="TAX = 2", name="economy")
    mod = fumehood.load(tmp_path / "shop")
    fumehood.publish("v", bytes([100]))
    fumehood.provide("one", lambda: 1000)
    assert mod.call("offer") == 1114
    (tmp_path / "shop" / "goods.json").write_text("[8]")
    assert mod.reload().call("offer") == 1116

def test_what_was_published_is_gone(fumehood):
    mod = fumehood.load(text="from fumehood.worker import on, view\\n@on('names')\\ndef names(): return view.names()")
    assert mod.call("names") == []
""")
    done.assert_outcomes(passed=9)
    assert (author.path / "mods" / "weather.py").read_text() == WEATHER


def test_what_fails_shows_the_mod_s_place_and_what_it_said(author):
    done = author("""
def test_it_raises(fumehood):
    mod = fumehood.load("mods/weather.py")
    mod.post("tick", 1.5)
    mod.call("price", "")

def test_it_is_refused(fumehood):
    fumehood.load(text="x = (1\\n", name="broken")

def test_it_breaks_at_import(fumehood):
    fumehood.load(text="def f():\\n    return {}['gone']\\nf()\\n")

def test_the_answer_breaks(fumehood):
    fumehood.answers(tile=lambda x: "grass")
    fumehood.load("mods/weather.py").emit("tick", 31.0)

def test_no_handler(fumehood):
    fumehood.load("mods/weather.py").emit("tikc", 31.0)

def test_the_intents_differ(fumehood):
    mod = fumehood.load("mods/weather.py")
    assert mod.intents() == [Intent("rain", strength=0.7)]
""")
    done.assert_outcomes(failed=6)
    done.stdout.fnmatch_lines(
        [
            '>       mod.call("price", "")',
            "E       fumehood.shared.errors.ModError: weather.price raised ZeroDivisionError: division by zero",
            "E       in the mod:",
            'E         File "weather.py", line 15, in price',
            "E           return 3 / len(item)",
            "*- what mods said -*",
            "weather: tick 1.5",
            "E *ModRefused: broken was refused: broken.py:1: SyntaxError: '(' was never closed",
            "E           x = (1",
            "E               ^",
            "E       fumehood.runner.testing.ModRefused: mod was refused: mod.py:2: KeyError: 'gone'",
            "*TypeError: test_the_answer_breaks.<locals>.<lambda>() takes 1 positional argument but 2 were given",
            "*UsageError: weather has no handler of 'tikc'; it handles: can_enter, price, tick",
            "E       AssertionError: assert [[]] == [[]Intent('rain', strength=0.7)[]]",
        ]
    )
    assert "site-packages" not in done.stdout.str()


def test_a_game_s_api_is_kept_to_by_the_mod_and_by_the_test(author):
    author.path.joinpath("pytest.ini").write_text("[pytest]\nfumehood_api = farmgame:api\n")
    done = author("""
def test_it_rains(fumehood):
    fumehood.answers(tile=lambda x, y: "grass")
    mod = fumehood.load("mods/weather.py")
    assert mod.emit("tick", 31) == [None]
    assert mod.intents() == [Intent("rain", strength=0.7)]
    with pytest.raises(PayloadError, match="dt is 'long'"):
        mod.emit("tick", "long")
    assert fumehood.veto("can_enter", "wolf").reason == "no wolves"

def test_an_answer_of_another_type(fumehood):
    fumehood.answers(tile=lambda x, y: 3)
    mod = fumehood.load("mods/weather.py")
    with pytest.raises(UsageError, match="returns str, and the test's answer is 3"):
        mod.emit("tick", 31.0)

def test_no_answer(fumehood):
    mod = fumehood.load("mods/weather.py")
    with pytest.raises(UsageError, match=r"asked game.tile\\(3, 4\\), and this test has no answer: fumehood.answers"):
        mod.emit("tick", 31.0)

def test_names_that_are_not_declared(fumehood):
    with pytest.raises(NotDeclared, match="did you mean 'tile'"):
        fumehood.answers(tiel=3)
    with pytest.raises(ModRefused, match="no event 'tikc'; did you mean 'tick'"):
        fumehood.load(text="def on_tikc(dt): pass")

@pytest.mark.fumehood(api=None)
def test_the_marker_goes_first(fumehood):
    assert fumehood.load(text="def on_tikc(dt): return dt").call("tikc", "any") == "any"
""")
    done.assert_outcomes(passed=5)


def test_what_is_used_wrongly_says_so(author):
    done = author("""
@pytest.mark.parametrize("use, said", [
    (lambda f: f.load("gone.py"), "there is no mod gone.py; looked for"),
    (lambda f: f.load("mods"), "a folder without an __init__.py is no mod"),
    (lambda f: f.load("pyproject.toml"), "a mod is a NAME.py"),
    (lambda f: f.load(), "one of the two"),
    (lambda f: f.load("mods/weather.py", text=""), "one of the two"),
    (lambda f: f.load(text="", name="../x"), "a mod is called as its file"),
    (lambda f: f.emit("tick"), "no mod is loaded: begin with fumehood.load"),
    (lambda f: f.intents(), "no mod is loaded"),
    (lambda f: f.load(text="").reload(), "was loaded from text"),
    (lambda f: (f.load(text=""), f.answers(tile=3)), "comes after load"),
    (lambda f: (f.load(text=""), setattr(f, "packages", ["numpy"]), f.load(text="x=1")), "before the first load"),
    (lambda f: f.answers(send=3) or f.load(text=""), "mods cannot write game.send"),
])
def test_usage(fumehood, use, said):
    with pytest.raises(UsageError, match=said):
        use(fumehood)

@pytest.mark.fumehood(mode="x")
def test_the_marker(fumehood): ...
""")
    done.assert_outcomes(passed=12, errors=1)
    done.stdout.fnmatch_lines(["*@pytest.mark.fumehood takes api=, packages= and limits=, not ?'mode'?"])
    done = author("def test_it(fumehood): ...", "-o", "fumehood_api=farmgame:apy")
    done.stdout.fnmatch_lines(["*fumehood_api = farmgame:apy: farmgame has no 'apy'; its Api: api"])
    assert author("def test_it(fumehood): ...", "--fumehood-confinement=none").ret != 0


def test_a_mod_that_crashes_or_hangs_fails_its_own_test_alone(author):
    """Four times each: more often than the breaker lets the same bytes start."""
    done = author("""
BAD = '''
import ctypes
def on_die(): ctypes.string_at(0)
def on_hang():
    while True: pass
def on_fine(): return 1
'''
@pytest.mark.parametrize("time", range(4))
def test_it_dies(fumehood, time):
    with pytest.raises(ModCrashed):
        fumehood.load(text=BAD).call("die")

@pytest.mark.parametrize("time", range(2))
def test_it_hangs(fumehood, time):
    with pytest.raises(ModCrashed):
        fumehood.load(text=BAD).call("hang")

@pytest.mark.parametrize("time", range(4))
def test_it_is_refused(fumehood, time):
    with pytest.raises(ModRefused):
        fumehood.load(text="1 / 0")

def test_it_is_fine(fumehood):
    assert fumehood.load(text=BAD).call("fine") == 1
""")
    done.assert_outcomes(passed=11)


def test_the_weaker_mode_is_named_and_works(author):
    done = author(
        """
def test_it(fumehood):
    assert fumehood.load(text="import os\\ndef on_there(path): return os.path.exists(path)").call("there", __file__)
""",
        "--fumehood-confinement=reduced",
    )
    done.assert_outcomes(passed=1)


def test_no_descriptor_and_no_process_is_left(author, brood):
    done = author("""
def test_none(): ...
def test_before(fumehood):
    global before
    before = len(os.listdir("/proc/self/fd"))

@pytest.mark.parametrize("time", range(3))
def test_it_is_refused(fumehood, time):
    with pytest.raises(ModRefused):
        fumehood.load(text="1 / 0")

def test_after(fumehood):
    assert len(os.listdir("/proc/self/fd")) == before
""")
    done.assert_outcomes(passed=6)
    brood.await_end()


def test_nothing_is_left_of_a_run_that_is_killed(author, census, supervisor_of):
    author.path.joinpath("test_it.py").write_text("""
import sys
def test_it(fumehood):
    fumehood.load("mods/weather.py")
    print("loaded", flush=True)
    sys.stdin.readline()
""")
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "test_it.py"]
    running = subprocess.Popen(
        command, cwd=author.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    with running:
        said = running.stdout.readline()
        assert said.strip() == "loaded", said
        with census(supervisor_of(running.pid).pid) as taken:
            assert len(taken.pidfds) > 2
            running.send_signal(signal.SIGKILL)
            running.wait(20)
            taken.await_end()


def test_pytest_itself_pays_for_none_of_it():
    program = (
        "import sys, fumehood.runner.pytest_plugin\n"
        "heavy = ('testing', 'proving', 'game', 'mod', 'supervisor')\n"
        "print([name for name in heavy if 'fumehood.runner.' + name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
