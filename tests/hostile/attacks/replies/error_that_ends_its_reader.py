"""Fails with an exception whose text, asked for, raises SystemExit."""

FULL = "answers", "total decoding"
JUDGED = "game"


class Ends(Exception):
    def __str__(self):
        raise SystemExit(3)

    __repr__ = __str__


def fail():
    raise Ends


answer(fail)


def attack():
    return falls(lambda: str(Ends()), SystemExit)
