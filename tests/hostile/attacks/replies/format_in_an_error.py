"""Fails with a text that means something to whoever formats it."""

FULL = "answers", "escaped text"
JUDGED = "game"


def fail():
    raise ValueError("%(levelname)n %s %d %n {0.__class__} {} $USER `id` {{}}")


answer(fail)


def attack():
    return falls(lambda: "%(levelname)s".__mod__({}), KeyError)
