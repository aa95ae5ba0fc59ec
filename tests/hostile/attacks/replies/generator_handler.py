"""Handles an event with a generator that never ends, for whoever would list it."""

FULL = "TypeError", "total decoding"

from fumehood.worker import on


@on("numbers")
def numbers():
    while True:
        yield 1


def attack():
    import itertools

    return list(itertools.islice(numbers(), 1000))
