"""Is refused with escapes in everything that a diagnostic of an import has."""

FULL = "SyntaxError", "escaped text"


def fail():
    error = SyntaxError("\x1b[2J\r\nall is well", ("mods/\x1b[2J", 3, 4, "\x1b[31mtext\n", 3, 9))
    if confined():
        raise error
    return error


fail() if confined() else None


def attack():
    import traceback

    assert "\x1b" in "".join(traceback.format_exception_only(fail()))
