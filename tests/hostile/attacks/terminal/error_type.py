"""Gives the type of what it raises, and its module, names with escapes."""

FULL = "answers", "escaped text"
JUDGED = "game"

Bad = type("Bad\x1b[2J\r\nall is well", (Exception,), {"__module__": "\x1b[2J", "__qualname__": "\x1b[1A\x1b[2K"})


def fail():
    raise Bad("x")


answer(fail)


def attack():
    import traceback

    assert "\x1b" in "".join(traceback.format_exception_only(Bad("x")))
