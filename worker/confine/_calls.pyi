"""System calls prepared beforehand, made one after the other: here, or in a new fork before it runs any Python.

A call is a tuple: the name of its step, its own name, its number, its arguments (an int, or bytes or a bytearray, whose
memory is passed), and whether any result but 0 is a failure. At most 64 of them, of at most 6 arguments. The numbers
are taken as they stand: it is for the zygote, which runs no mod's code, and refuses nothing that the kernel would not.
"""

from typing import TypeAlias

_Call: TypeAlias = tuple[str, str, int, tuple[int | bytes | bytearray, ...], bool]

def run(calls: tuple[_Call, ...], /) -> None:
    """Make them, in order, up to the first that fails.

    Raises OSError, its text beginning with the call's name; errno 0 for an unwanted result.
    """

def fork(
    flags: int,
    calls: tuple[_Call, ...],
    times: bytearray,
    errors: int,
    status: int,
    channel: int,
    word: bytes,
    /,
) -> tuple[int, int, bool]:
    """os.fork() with CLONE_NEW... flags: the child is born into new namespaces, and makes the calls before all else.

    Returns (0, -1, False) in the child; in the parent its pid, a pidfd of it, and whether `word` was sent on the socket
    `channel` with that pidfd (-1: on none). If so, the parent sleeps until `channel` has something to read, 1 ms at the
    longest, the GIL held: each page that it writes to meanwhile is copied, and it may have the child's CPU. The pidfd
    is close-on-exec, and the caller's.

    In the child the last bytes of `times`, 8 for each call, tell when it was made: nanoseconds of CLOCK_MONOTONIC,
    signed, in the machine's order. So a last call can send the others'. Python's own fork hooks run as in os.fork, in
    the child after the calls; the C library's (pthread_atfork) do not. A call that fails ends the child with exit
    status `status`, and one line on the descriptor `errors`, or on 2 once that is closed. Raises OSError in the parent
    when there is no fork.
    """
