"""What fumehood is compared with, in the same run: the ways Python itself offers to call a function elsewhere.

Each gives a `call` of one kind, `call(event, *args)`, and the pids of the processes at its other end, to be pinned.
All do the same work there: find the handler by its name, call it, send back what it returns.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

_context = multiprocessing.get_context("spawn")


def add(left: int, right: int) -> int:
    """The handler that every side calls."""
    return left + right


HANDLERS: dict[str, Callable[..., Any]] = {"add": add}


@dataclass(frozen=True, slots=True)
class Peer:
    """One way to call."""

    name: str
    call: Callable[..., Any]
    pids: tuple[int, ...]
    """Processes at the other end; empty: it runs in this one."""


def dispatch(event: str, args: tuple[Any, ...]) -> Any:
    """What the other end of each peer does with a call."""
    return HANDLERS[event](*args)


def plain() -> Peer:
    """A call within this process: the floor."""

    def call(event: str, *args: Any) -> Any:
        return dispatch(event, args)

    return Peer("plain call", call, ())


@contextmanager
def pipe() -> Iterator[Peer]:
    """multiprocessing.Pipe: pickles over a socket pair."""
    ours, theirs = _context.Pipe()
    process = _context.Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    send, receive = ours.send, ours.recv

    def call(event: str, *args: Any) -> Any:
        send((event, args))
        return receive()

    try:
        assert process.pid is not None, "it was started"
        call("add", 1, 2)
        yield Peer("multiprocessing.Pipe", call, (process.pid,))
    finally:
        ours.close()
        process.join(5)


def serve(connection: "Connection[Any, Any]") -> None:
    while True:
        try:
            event, args = connection.recv()
        except EOFError:
            return
        connection.send(dispatch(event, args))


@contextmanager
def pool() -> Iterator[Peer]:
    """ProcessPoolExecutor with one process: pickles through queues, and a thread at each end of them."""
    with ProcessPoolExecutor(1, mp_context=_context) as executor:
        submit = executor.submit

        def call(event: str, *args: Any) -> Any:
            return submit(dispatch, event, args).result()

        yield Peer("ProcessPoolExecutor", call, (submit(os.getpid).result(),))
