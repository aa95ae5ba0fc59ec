"""Fails in code whose function and file have escapes in their names."""

FULL = "answers", "escaped text"
JUDGED = "game"


def fail():
    code = compile("def f(): raise ValueError\nf()", "/x\x1b[2J\r\nall is well", "exec")
    function = code.co_consts[0].replace(co_name="f\x1b[2J", co_qualname="f\x1b[2J\r")
    exec(code.replace(co_consts=(function, *code.co_consts[1:])), {"__name__": "\x1b"})


answer(fail)


def attack():
    import traceback

    try:
        fail()
    except ValueError:
        assert "\x1b" in traceback.format_exc()
