"""Fails with an exception group of a group, a thousand deep."""

FULL = "answers", "total decoding"
JUDGED = "game"


def deep(depth):
    error = ValueError("innermost")
    for _ in range(depth):
        error = ExceptionGroup("deep", [error])
    return error


def fail():
    raise deep(1000)


answer(fail)


def attack():
    return falls(lambda: repr(deep(5000)), RecursionError)
