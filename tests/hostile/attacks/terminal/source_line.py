"""Fails in a line of its source that holds escapes as they are, in a comment."""

FULL = "answers", "escaped text"
JUDGED = "game"


def fail():
    raise ValueError  # [2J]0;owned ‮gpj.


answer(fail)


def attack():
    import linecache

    assert not confined() or "\x1b" in linecache.getline(__file__, fail.__code__.co_firstlineno + 1)
