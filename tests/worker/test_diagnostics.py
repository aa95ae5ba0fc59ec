"""An exception as a diagnostic: bounded, encodable, and total whatever the exception's own methods do."""

import linecache
import sys
import textwrap

import pytest
from fumehood.shared.messages import Diagnostic, pack, unpacker
from fumehood.worker.diagnostics import bounded, describe, format_traceback, kind
from fumehood.worker.handlers import on
from fumehood.worker.misfit import Misfit
from hypothesis import given, settings
from hypothesis import strategies as st

BASE = "/nowhere/mods/"
unpack = unpacker(Diagnostic, "the test")


@pytest.fixture
def raised(request):
    """Runs a mod's source that raises, and returns the exception."""

    def run(source, name="x.py", **names):
        path = BASE + name
        text = textwrap.dedent(source)
        linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
        request.addfinalizer(lambda: linecache.cache.pop(path, None))
        try:
            exec(compile(text, path, "exec"), names)
        except BaseException as error:  # noqa: BLE001  # a mod may raise any of them
            return error
        raise AssertionError("it did not raise")

    return run


def test_the_place_is_the_innermost_frame_of_the_mods_own(raised):
    error = raised("import json\n\ndef f(text):\n    return [json.loads(text)]\n\nf('{')\n")
    found = describe("run", error, BASE)
    assert (found.file, found.line, found.column, found.end_column) == ("x.py", 4, 13, 29)
    assert found.source == "    return [json.loads(text)]"
    assert found.kind == "JSONDecodeError"


def test_columns_count_characters(raised):
    found = describe("run", raised("ä = 'öööö'; b = ä + 1\n"), BASE)
    assert (found.line, found.column, found.end_column) == (1, 17, 22)


def test_an_error_over_several_lines_has_a_first_column(raised):
    found = describe("run", raised("x = (\n    1 +\n    None\n)\n"), BASE)
    assert (found.line, found.column, found.end_column) == (2, 5, 0)


def test_an_error_without_a_frame_in_the_mod_has_no_place():
    found = describe("run", ValueError("x"), BASE)
    assert (found.file, found.line, found.column, found.source) == ("", 0, 0, "")
    assert found.message == "x"


def test_a_misfit_brings_its_place_and_its_causes_traceback(raised):
    misfit = Misfit("what", kind="K", path=BASE + "a/x.py", line=3, column=2, end_column=4, source="line")
    misfit.__cause__ = raised("1 / 0\n")
    found = describe("bind", misfit, BASE)
    assert found == Diagnostic("bind", "K", "what", "a/x.py", 3, 2, 4, "line", found.traceback)
    assert found.traceback.endswith("ZeroDivisionError: division by zero\n")


def evil(**methods):
    return type("Evil", (Exception,), methods)


ODD = {
    "str raises": lambda: evil(__str__=lambda self: 1 / 0)("x"),
    "str is an int": lambda: evil(__str__=lambda self: 5)("x"),
    "str exits": lambda: evil(__str__=lambda self: sys.exit(1))("x"),
    "text is no text": lambda: evil(__str__=lambda self: "\ud800\0\x1b[31m")("x"),
    "long": lambda: evil(__str__=lambda self: "x" * 10**6)("x"),
    "no attribute can be read": lambda: evil(__getattribute__=lambda self, name: 1 / 0)("x"),
    "notes are an int": lambda: evil(__notes__=5)("x"),
    "notes are long": lambda: evil(__notes__=["n" * 10**6, 7])("x"),
    "class lies": lambda: evil(__class__=property(lambda self: 1 / 0))("x"),
    "syntax error of odd types": lambda: evil_syntax(lineno="many", offset=[], end_offset=-1, text=7),
    "syntax error far down": lambda: evil_syntax(lineno=10**30, offset=2, msg=5),
    "group": lambda: ExceptionGroup("g" * 5000, [ValueError(str(i)) for i in range(500)]),
    "long name": lambda: type("N" * 5000, (Exception,), {})("x"),
}


def evil_syntax(**fields):
    return type("Evil", (SyntaxError,), {"filename": BASE + "x", **fields})()


@pytest.mark.parametrize("make", ODD.values(), ids=ODD)
def test_no_exception_is_too_odd_to_be_described(make):
    found = describe("run", make(), BASE)
    assert unpack(pack(found)) == found
    assert len(found.traceback.encode()) <= 16 * 1024
    assert len(found.message.encode()) <= 2 * 1024
    assert len(pack(found)) < 32 * 1024


def test_memory_errors_are_let_through():
    with pytest.raises(MemoryError):
        describe("run", evil(__str__=lambda self: (_ for _ in ()).throw(MemoryError))("x"), BASE)


def test_a_deep_recursion_is_cut_to_its_innermost_frames(raised):
    text = format_traceback(raised("def f(n):\n    g(n)\ndef g(n):\n    f(n + 1)\nf(0)\n"), BASE)
    assert "RecursionError" in text
    assert text.count('File "x.py"') <= 60


def test_a_long_chain_is_bounded(raised):
    error = raised(
        """
        def deep(n):
            try:
                if n: deep(n - 1)
                raise ValueError("a long message " * 20)
            except Exception as error:
                raise RuntimeError(n) from error
        deep(60)
        """
    )
    text = format_traceback(error, BASE)
    assert len(text.encode()) <= 16 * 1024
    assert "bytes cut" in text
    assert text.endswith("RuntimeError: 60\n")


def test_our_own_frames_are_left_out(raised):
    text = format_traceback(raised("callback()\n", callback=lambda: 1 / 0), BASE)
    assert text.splitlines()[1].strip() == 'File "x.py", line 1, in <module>'
    assert "ZeroDivisionError" in text


def test_frames_of_ours_are_left_out_wherever_they_stand(raised):
    error = raised(
        """
        def again(function):
            try:
                function()
            except Exception as error:
                raise RuntimeError("why") from error
        again(misused)
        """,
        misused=lambda: on(5),
    )
    text = format_traceback(error, BASE)
    assert "@on takes the name of an event" in text
    assert "direct cause" in text
    assert "fumehood/worker/" not in text
    with pytest.raises(SyntaxError) as caught:
        compile("x = (", BASE + "x.py", "exec")
    assert format_traceback(caught.value, BASE).startswith('  File "x.py", line 1\n')


@settings(deadline=None)
@given(st.text(st.characters(codec=None), max_size=300), st.integers(0, 300))
def test_bounded_text_is_encodable_and_short(text, limit):
    short = bounded(text, limit)
    assert len(short.encode()) <= max(limit, 40)
    if len(text.encode("utf-8", "backslashreplace")) <= limit:
        assert short == text.encode("utf-8", "backslashreplace").decode()


def test_the_kind_is_the_types_name():
    assert kind(KeyError()) == "KeyError"
    assert kind(Misfit("x", kind="Own")) == "Own"
    assert sys.exc_info() == (None, None, None)
