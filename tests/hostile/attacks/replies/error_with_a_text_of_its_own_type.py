"""Fails with a text whose own methods are called by whoever handles it."""

FULL = "answers", "total decoding"
JUDGED = "game"


class Text(str):
    __slots__ = ()

    def _no(self, *more, **named):
        raise SystemExit(4)

    __len__ = __getitem__ = __format__ = __iter__ = __add__ = __hash__ = encode = replace = isprintable = _no


class Bad(Exception):
    def __str__(self):
        return Text("no text")


def fail():
    raise Bad


answer(fail)


def attack():
    return falls(lambda: len(str.__str__(Text("x"))) and len(Bad().__str__()), SystemExit)
