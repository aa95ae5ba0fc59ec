"""Handles an event with a coroutine, for whoever would await it."""

FULL = "TypeError", "total decoding"

from fumehood.worker import on


@on("late")
async def late():
    os._exit(1)


def attack():
    return type(late().send)
