"""Whatever a mod writes, what is shown obeys nothing and is bounded."""

import re
import sys
import unicodedata

import pytest
from fumehood.runner.text import LONGEST_MESSAGE, MOST_MARKS, escape, escape_diagnostic, said
from fumehood.shared.messages import Diagnostic, pack
from hypothesis import given
from hypothesis import strategies as st

ANY = st.text(st.characters(exclude_categories=()), max_size=300)


@given(ANY, st.booleans())
def test_nothing_unprintable_is_left(text, lines):
    shown = escape(text, 10_000, lines=lines)
    assert all(char.isprintable() or (lines and char in "\n\t") for char in shown)
    shown.encode()


@given(ANY, st.integers(1, 50))
def test_it_is_bounded_and_says_what_was_cut(text, limit):
    shown = escape(text, limit)
    assert len(shown) <= limit + 40
    assert ("more characters)" in shown) >= (len(text) > limit)


@given(st.text(st.sampled_from("a\u0301\u0488\x1b\U000e0001天"), max_size=200), st.integers(1, 60), st.booleans())
def test_what_is_cut_is_whole_escapes_of_whole_characters(text, limit, lines):
    whole = escape(text, 10_000, lines=lines)
    shown, _, rest = escape(text, limit, lines=lines).partition("… (")
    assert whole.startswith(shown)
    if rest:
        cut = int(rest.removesuffix(" more characters)"))
        assert escape(text[: len(text) - cut], 10_000, lines=lines) == shown
    else:
        assert shown == whole


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcödé 天気 🌦", "plain ünïcödé 天気 🌦"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("a\u2066b\u2069", "a\\u2066b\\u2069"),
        ("one\r\ntwo\tthree", "one\\x0d\\x0atwo\\x09three"),
        ("\u2028\ufeff\u200b", "\\u2028\\ufeff\\u200b"),
        ("\udc80", "\\udc80"),
        ("\U000e0041", "\\U000e0041"),
        ("C:\\mods\\x.py", "C:\\mods\\x.py"),
    ],
)
def test_each_kind_of_trick(text, shown):
    assert escape(text) == shown


def test_lines_keep_newline_and_tab_but_not_carriage_return():
    assert escape("a\tb\r\nc\x00", lines=True) == "a\tb\\x0d\nc\\x00"


def test_piles_of_combining_marks_are_cut():
    assert escape("e\u0301") == "e\u0301"
    assert escape("z" + "\u0310" * 5) == "z\u0310\u0310\u0310\\u0310\\u0310"


MARKS = [char for char in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(char) in ("Mn", "Me", "Mc")]


@given(st.text(st.sampled_from(MARKS), min_size=MOST_MARKS + 1, max_size=60), st.booleans())
def test_no_mark_is_left_out_of_the_count(text, lines):
    """Of combining class 0 too: a grapheme joiner, a variation selector, Thai vowels."""
    assert escape("ก" + text, 10_000, lines=lines)[: MOST_MARKS + 2] == "ก" + text[:MOST_MARKS] + "\\"


def test_no_mark_is_taken_for_a_letter_by_the_quick_look():
    assert [char for char in MARKS if re.match(r"\w", char)] == []


def test_letters_that_show_nothing_are_escaped():
    assert escape("\u115f\u1160\u2800\u3164\uffa0") == "\\u115f\\u1160\\u2800\\u3164\\uffa0"


@given(ANY, st.integers())
def test_a_diagnostic_is_safe_in_every_field(text, number):
    safe = escape_diagnostic(Diagnostic(text, text, text * 20, text, number, number, number, text, text * 100))
    pack(safe)
    for name in ("stage", "kind", "file", "source"):
        assert getattr(safe, name).isprintable()
    assert len(safe.message) <= LONGEST_MESSAGE + 40
    assert 0 <= safe.line <= 10_000_000


def test_an_exception_whose_text_fails_is_told_without_it() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert said(Odd()) == "(its text cannot be had)"
    assert said(ValueError("bad \udc80")) == "bad \\udc80"
