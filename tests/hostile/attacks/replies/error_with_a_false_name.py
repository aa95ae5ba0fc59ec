"""Fails with an exception whose type and attributes lie about themselves or raise."""

FULL = "answers", "total decoding"
JUDGED = "game"


class Lies(type):
    __name__ = property(lambda self: 1 / 0)
    __module__ = property(lambda self: 1 / 0)
    __instancecheck__ = __subclasscheck__ = lambda self, other: 1 / 0


class Bad(Exception, metaclass=Lies):
    __class__ = property(lambda self: 1 / 0)
    __traceback__ = __cause__ = __context__ = __notes__ = property(lambda self: 1 / 0)


def fail():
    raise Bad


answer(fail)


def attack():
    return falls(lambda: type(Bad()).__name__, ZeroDivisionError)
