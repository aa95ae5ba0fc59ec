"""Draws over its neighbours' lines with a thousand accents on one letter."""

FULL = "answers", "escaped text"
JUDGED = "game"

PILE = "z" + "\u0301\u0489\u036f" * 300


def fail():
    raise ValueError(PILE)


answer(fail)


def attack():
    print(PILE)
