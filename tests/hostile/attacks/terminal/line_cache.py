"""Makes up the source line that its traceback shows."""

FULL = "answers", "escaped text"
JUDGED = "game"


def fail():
    import linecache

    name = fail.__code__.co_filename
    linecache.cache[name] = (1, None, ["\x1b[2J\r\nall is well\n"] * 500, name)
    raise ValueError


answer(fail)


def attack():
    import linecache

    try:
        fail()
    except ValueError:
        assert "\x1b" in linecache.getline(fail.__code__.co_filename, 3)
