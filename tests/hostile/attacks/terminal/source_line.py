"""Fails in a line of its source that holds escapes as they are, in a comment."""

FULL = "answers", "escaped text"
JUDGED = "game"
TEXT = "raise ValueError  # \x1b[2J\x1b]0;owned\x07 \u202egpj.\n"


def fail():
    path = __file__.rpartition("/")[0] + "/shown.py"
    with open(path, "w") as file:
        file.write(TEXT)
    exec(compile(TEXT, path, "exec"))


answer(fail)


def attack():
    import traceback

    try:
        fail()
    except ValueError:
        assert "\x1b" in traceback.format_exc()
