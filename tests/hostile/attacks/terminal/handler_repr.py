"""Is refused for a handler whose own repr, asked for the refusal, holds escapes."""

FULL = "TypeError", "escaped text"


class Odd:
    __slots__ = ()

    def __repr__(self):
        return "\x1b[2J\r\nall is well"


def handle():
    from fumehood.worker import on

    on("odd")(Odd())


handle() if confined() else None


def attack():
    assert "\x1b" in repr(Odd())
