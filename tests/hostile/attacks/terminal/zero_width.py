"""Hides characters between those of its texts, and blanks that count as letters."""

FULL = "answers", "escaped text"
JUDGED = "game"

HIDDEN = "a\u200bb\u200cc\u200d\ufeff\u2060\u00ad\u115f\u3164\uffa0\u2800\U000e0041\U000e0001"


def fail():
    raise KeyError(HIDDEN)


answer(fail)


def attack():
    print(HIDDEN)
    return len(HIDDEN)
