"""Snapshots laid, compiled and imported by a real worker: what goes live, and what is refused with which place."""

import os

import pytest
from fumehood.shared.messages import Bound, Entered, LogLine, Unfit


def test_a_folder_mod_imports_its_own_files_and_reads_its_data(bench):
    bench.live(
        {
            "__init__.py": """
                import json
                from importlib import resources
                from pathlib import Path
                from . import sky
                from .lib.deep.names import NAME
                from .sub import VALUE
                DATA = json.loads((Path(__file__).parent / "data" / "t.json").read_text())
                def on_all():
                    text = resources.files(__name__).joinpath("data/t.json").read_text()
                    own = [__name__, __package__, sky.__name__, Path(__file__).name]
                    return [NAME, VALUE, DATA, sky.late(), text, *own]
                """,
            "sky.py": "def late():\n    from .later import THING\n    return THING\n",
            "later.py": "THING = 'late'\n",
            "lib/deep/names.py": "NAME = 'n'\n",
            "sub/__init__.py": "from .inner import VALUE\n",
            "sub/inner.py": "from ..later import THING\nVALUE = THING + '!'\n",
            "data/t.json": '{"a": 1}',
            "data/not python.py": "this is ( no python",
        }
    )
    assert bench.call("all") == [
        "n", "late!", {"a": 1}, "late", '{"a": 1}', "mods.weather", "mods.weather", "mods.weather.sky", "__init__.py",
    ]  # fmt: skip


def test_a_mod_in_a_folder_of_mods_has_synthetic_parents(bench):
    bench.assign(
        {"x-y.py": "import mods.a, sys\ndef on_f(): return [__name__, __file__, mods.a.__name__]\n"},
        "ä/x-y",
        "mods._e4_.x_2d_y",
    )
    diagnostic = bench.next(Unfit).diagnostic
    assert (diagnostic.kind, diagnostic.file, diagnostic.line) == ("ModuleNotFoundError", "ä/x-y.py", 1)


def test_a_key_with_odd_characters_is_laid_under_its_own_name(bench):
    bench.assign({"x-y z.py": "def on_f(): return [__name__, __file__]\n"}, "ä/x-y z", "mods._e4_.x_2d_y_20_z")
    bench.next(Bound)
    bench.offer()
    bench.start()
    name, file = bench.call("f")
    assert name == "mods._e4_.x_2d_y_20_z"
    assert file.endswith("/mods/ä/x-y z.py")


def test_the_libraries_it_requires_can_be_imported_and_handle_nothing(bench):
    bench.assign(
        {
            "weather.py": """
                from mods.mathlib import lerp
                from mods.names import shout
                from fumehood.worker import on
                @on("mix")
                def mix(a, b): return [lerp(a, b), shout(), __import__("mods.names").names.base.__name__]
                """
        },
        "weather",
        libraries={
            "mathlib": {
                "mathlib.py": """
                    from fumehood.worker import on
                    def lerp(a, b): return (a + b) / 2
                    @on("mix", priority=100)
                    def mix(a, b): return "the library's"
                    def on_tick(): return "the library's"
                    """
            },
            "names": {
                "__init__.py": """
                    from mods.mathlib import lerp
                    from .base import NAME
                    def shout(): return NAME.upper()
                    """,
                "base.py": "NAME = 'ann'\n",
            },
        },
    )
    bench.next(Bound)
    bench.offer()
    bench.start()
    assert bench.call("mix", 1, 2) == [1.5, "ANN", "mods.names.base"]
    assert bench.failing("tick").kind == "NoHandler"


def test_a_mod_and_one_in_the_folder_of_its_name_can_be_imported(bench):
    libraries = {"weather/sky": {"sky.py": "HEIGHT = 3\n"}}
    source = "from mods.weather.sky import HEIGHT\ndef on_f(): return [HEIGHT, __name__]\n"
    bench.assign({"weather.py": source}, "weather", libraries=libraries)
    bench.next(Bound)
    bench.offer()
    bench.start()
    assert bench.call("f") == [3, "mods.weather"]


def test_a_broken_library_is_named_by_its_own_file(bench):
    libraries = {"mathlib": {"mathlib.py": "x = 1\ndef f(:\n"}}
    bench.assign({"weather.py": "x = 1\n"}, "weather", libraries=libraries)
    diagnostic = bench.next(Unfit).diagnostic
    assert (diagnostic.kind, diagnostic.file, diagnostic.line) == ("SyntaxError", "mathlib.py", 2)


def test_other_mods_are_not_there(bench):
    bench.live("def on_f():\n    import mods.other\n")
    assert bench.failing("f").kind == "ModuleNotFoundError"


@pytest.mark.parametrize(
    ("source", "kind", "line", "column", "end_column", "text"),
    [
        (b"x = 1\ndef f(:\n    pass\n", "SyntaxError", 2, 7, 8, "def f(:"),
        (b"x = 'a\n", "SyntaxError", 1, 5, 0, "x = 'a"),
        (b"if 1:\nx = 2\n", "IndentationError", 2, 1, 2, "x = 2"),
        ("ä = 'ö' +\n".encode(), "SyntaxError", 1, 10, 0, "ä = 'ö' +"),
        (b"a = 1\nb = '\xc3\xa4' + '\xff'\n", "UnicodeDecodeError", 2, 12, 13, "b = 'ä' + '\\xff'"),
        (b"\xff\xfe", "UnicodeDecodeError", 1, 1, 2, ""),
        (b"# -*- coding: ascii -*-\nx = '\xc3'\n", "UnicodeDecodeError", 2, 6, 7, "x = '\\xc3'"),
        (b"a\r\nb = '\0'\r\n", "SyntaxError", 2, 6, 7, "b = '"),
        (b"# coding: nonsense\n", "SyntaxError", 0, 0, 0, ""),
        (b"\xef\xbb\xbfx = (\n", "SyntaxError", 1, 5, 0, "x = ("),
        (b"x = " + b"(" * 500 + b")" * 500, "SyntaxError", 1, 205, 0, ""),
        (b"x = " + b"-" * 100_000 + b"1", ("MemoryError", "RecursionError"), 0, 0, 0, ""),
        (b"x = " + b"9" * 5000, "SyntaxError", 1, 0, 0, ""),
        (b"return 1\n", "SyntaxError", 1, 1, 9, "return 1"),
        (b"from __future__ import nonsense\n", "SyntaxError", 1, 1, 0, "from __future__ import nonsense"),
    ],
)
def test_what_does_not_compile_is_refused_with_its_place(bench, source, kind, line, column, end_column, text):
    found = bench.refused(source)
    assert (found.stage, found.file, found.line) == ("compile", "weather.py", line)
    assert found.kind in kind  # a name, or names of which Python's version chooses
    if column:
        assert found.column == column
    if end_column:
        assert found.end_column == end_column
    assert found.source.startswith(text)
    assert found.message


def test_bytes_that_are_no_text_are_named(bench):
    found = bench.refused(b"a = 1\nb = '\xff'\n")
    assert found.message == "byte 0xff at byte 11 of the file is not UTF-8"


def test_a_file_that_nobody_imports_yet_is_compiled_too(bench):
    found = bench.refused({"__init__.py": "def on_f():\n    from . import late\n", "late.py": "x = (\n"})
    assert (found.stage, found.file, found.line) == ("compile", "weather/late.py", 1)


@pytest.mark.parametrize(
    ("source", "kind", "line", "message"),
    [
        ("import json\njson.loads('{')\n", "JSONDecodeError", 2, "Expecting property name"),
        ("import nothing_of_the_kind\n", "ModuleNotFoundError", 1, "nothing_of_the_kind"),
        ("def f():\n    return 1 / 0\nx = 1\ny = f()\n", "ZeroDivisionError", 2, "division by zero"),
        ("import sys\nsys.exit('bye')\n", "SystemExit", 2, "bye"),
        ("raise KeyboardInterrupt\n", "KeyboardInterrupt", 1, ""),
        ("raise BaseExceptionGroup('g', [GeneratorExit()])\n", "BaseExceptionGroup", 1, "g"),
        ("def f(): f()\nf()\n", "RecursionError", 1, "recursion"),
        ("raise MemoryError\n", "MemoryError", 1, ""),
        ("exec(compile('1 +', 'made up', 'exec'))\n", "SyntaxError", 1, "invalid syntax"),
        ("from fumehood.worker import state\nstate['t'] = 0\n", "NotLive", 2, "set first values in on_load()"),
        ("from fumehood.worker import game\ngame.rain()\n", "NotLive", 2, "not at import"),
        ("from fumehood.worker import on\n@on\ndef tick(): pass\n", "TypeError", 2, '@on("tick")'),
        ("from fumehood.worker import on\n@on('')\ndef tick(): pass\n", "ValueError", 2, "an event's name"),
        ("from fumehood.worker import on\n@on('\\ud800')\ndef tick(): pass\n", "UnicodeEncodeError", 2, "surrogates"),
        ("from fumehood.worker import on\n@on('e', priority='high')\ndef tick(): pass\n", "TypeError", 2, "priority"),
        ("from fumehood.worker import on\n@on('e')\nclass Tick: pass\n", "TypeError", 2, "above a function"),
        ("from fumehood.worker import weather\n", "ImportError", 1, "weather"),
        ("from .sub import x\n", "ModuleNotFoundError", 1, "mods.sub"),
        ("import sys\nsys.modules[__name__] = 5\n", "TypeError", 0, "no module"),
    ],
)
def test_what_does_not_import_is_refused_with_the_mods_own_line(bench, source, kind, line, message):
    found = bench.refused(source)
    assert (found.stage, found.kind, found.file, found.line) == ("import", kind, "weather.py", line)
    assert message in found.message


def test_the_traceback_shows_causes_and_notes_and_no_line_of_ours(bench):
    found = bench.refused(
        {
            "__init__.py": "from . import sub\n",
            "sub.py": """
                try:
                    int("x")
                except ValueError as error:
                    wrong = RuntimeError("no number")
                    wrong.add_note("look in the manual")
                    raise wrong from error
                """,
        }
    )
    assert (found.kind, found.file, found.line, found.column, found.end_column) == (
        "RuntimeError", "weather/sub.py", 7, 5, 27,
    )  # fmt: skip
    assert found.source == "    raise wrong from error"
    assert 'File "weather/__init__.py", line 1' in found.traceback
    assert "invalid literal" in found.traceback
    assert "direct cause" in found.traceback
    assert "look in the manual" in found.traceback
    assert "worker/" not in found.traceback
    assert "importlib" not in found.traceback


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("async def on_tick(): pass\n", 1, "async function"),
        ("\ndef on_tick():\n    yield\n", 2, "generator"),
        ("from fumehood.worker import on\n@on('e')\nasync def f():\n    yield\n", 2, "generator"),
        ("from fumehood.worker import on\nclass A:\n    @on('e')\n    def f(self): pass\n", 3, "method of A"),
        ("async def selftest(): pass\n", 1, "selftest is an async"),
        ("on_load = 5\n", 0, "on_load must be a function; it is an int"),
        ("class migrate: pass\n", 0, "migrate must be a function"),
        ("STATE_VERSION = 0\n", 0, "STATE_VERSION must be an int from 1; it is 0"),
        ("STATE_VERSION = True\n", 0, "it is True"),
        ("STATE_VERSION = '2'\n", 0, "it is '2'"),
        ("STATE_VERSION = 2**63\n", 0, "STATE_VERSION"),
        ("STATE_VERSION = [1]\n", 0, "it is a list"),
        ("for i in range(40): globals()[f'on_{i:0150}'] = lambda: 1\n", 0, "40 events"),
    ],
)
def test_what_cannot_be_bound_is_refused(bench, source, line, message):
    found = bench.refused(source)
    assert (found.stage, found.file if line else "weather.py", found.line) == ("bind", "weather.py", line)
    assert message in found.message


@pytest.mark.parametrize(
    ("body", "kind"), [("assert 1 == 2, 'no'", "AssertionError"), ("raise SystemExit(0)", "SystemExit")]
)
def test_a_failing_selftest_is_a_refusal(bench, body, kind):
    found = bench.refused(f"def selftest():\n    {body}\n")
    assert (found.stage, found.kind, found.line, found.source) == ("selftest", kind, 2, f"    {body}")
    assert [entered.stage for entered in bench.of(Entered)] == ["compile", "import", "bind", "selftest"]


def test_a_selftest_may_use_the_state_and_leaves_nothing_in_it(bench):
    bound = bench.live(
        "from fumehood.worker import state\n"
        "def on_f():\n    state['n'] = state.get('n', 0) + 1\n    return state['n']\n"
        "def selftest():\n    assert on_f() == 1\n    print(state)\n"
    )
    assert bound.has_selftest
    assert "selftest" in bound.stages
    assert bench.call("f") == 1
    assert [line.text for line in bench.of(LogLine)] == ["{'n': 1}"]


@pytest.mark.parametrize("name", ["../x.py", "/etc/x", "a/../b", "a//b", "", "a/./b", "a\0b", "."])
def test_a_name_that_leads_out_of_the_folder_is_refused(bench, name):
    found = bench.refused({"__init__.py": "", name: "x"})
    assert (found.stage, found.kind) == ("snapshot", "ValueError")


def test_a_snapshot_without_its_main_file_is_refused(bench):
    bench.assign({"other.py": ""}, "weather")
    found = bench.next(Unfit).diagnostic
    assert (found.stage, found.file) == ("snapshot", "weather.py")
    assert "no weather.py" in found.message


def test_a_file_where_a_folder_should_be_is_refused(bench):
    found = bench.refused({"__init__.py": "", "a": "file", "a/b.py": ""})
    assert (found.stage, found.file) == ("import", "weather/a/b.py")
    assert found.kind in ("FileExistsError", "NotADirectoryError")


def test_warnings_of_the_compiler_are_logged(bench):
    bench.begin("x = 1 is 1\n")
    assert any("SyntaxWarning" in line.text for line in bench.of(LogLine))


def test_handlers_of_folder_mods_stand_in_any_of_their_files(bench):
    bench.live(
        {
            "__init__.py": """
                from os.path import join as on_join
                from fumehood.worker import on
                from .sub import helper, on_hidden
                @on("e")
                @on("f")
                def main(): return "main"
                on_alias = helper
                @on("e")
                def on_e(): return "decorated"
                def on_(): return "nameless"
                """,
            "sub.py": """
                from fumehood.worker import on
                @on("e")
                def helper(): return "sub"
                @on("e", priority=1)
                def _(): return "first"
                @on("e")
                def _(): return "same name"
                def on_hidden(): return 1
                """,
        }
    )
    assert bench.emit("e").values == ["first", "main", "decorated", "sub", "same name"]
    assert bench.call("f") == "main"
    assert bench.failing("hidden").kind == "NoHandler"
    assert bench.failing("join").kind == "NoHandler"
    assert bench.failing("alias").kind == "NoHandler"
    assert bench.failing("load").kind == "NoHandler"


def test_a_scratch_that_is_full_is_a_refusal(make_bench):
    bench = make_bench(prelude="import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n")
    found = bench.refused("x = 1\n" * 10)
    assert (found.stage, found.kind) == ("import", "OSError")
    assert os.strerror(27) in found.message


def test_a_handler_that_is_decorated_too_late_is_an_error_and_not_silence(bench):
    bench.live(
        {
            "__init__.py": "def on_late():\n    from . import late\n",
            "late.py": "from fumehood.worker import on\n@on('e')\ndef e(): pass\n",
        }
    )
    failed = bench.failing("late")
    assert (failed.kind, failed.message[:18]) == ("RuntimeError", "@on('e') comes too")
    assert 'File "weather/late.py", line 2' in failed.traceback
