"""Puts escapes into what it raises: its text, its notes, its causes."""

FULL = "answers", "escaped text"
JUDGED = "game"

ESC = "\x1b]0;owned\x07\x1b[2J\r"


def fail():
    error = ValueError(ESC)
    error.add_note(ESC)
    raise error from KeyError(ESC)


answer(fail)


def attack():
    import traceback

    try:
        fail()
    except ValueError as error:
        assert ESC in "".join(traceback.format_exception(error))
