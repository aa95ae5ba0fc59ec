"""Fails with an exception that is its own cause, after two thousand others."""

FULL = "answers", "total decoding"
JUDGED = "game"


def chain():
    first = last = ValueError("x" * 500)
    for _ in range(2000):
        last.__cause__ = ValueError("y" * 500)
        last = last.__cause__
    last.__cause__ = first
    return first


def fail():
    raise chain()


answer(fail)


def attack():
    import traceback

    assert sum(map(len, traceback.format_exception(chain()))) > 1_000_000
