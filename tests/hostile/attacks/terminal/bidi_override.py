"""Shows its error's text in another order than it stands in."""

FULL = "answers", "escaped text"
JUDGED = "game"


def fail():
    raise ValueError("\u202efdp.exe\u202c \u2066hidden\u2069 \u200f\u061c")


answer(fail)


def attack():
    import unicodedata

    return [unicodedata.bidirectional(char) for char in "\u202e\u2066"]
