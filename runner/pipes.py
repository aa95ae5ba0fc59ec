"""Writing for a reader who may have gone: ``fumehood demo | head`` ends with its own exit code, and quietly."""

import os
from typing import TextIO


def write(out: TextIO, text: str) -> None:
    """Write and flush. Once nobody reads any more, what is written goes nowhere, to the end of the process."""
    try:
        out.write(text)
        out.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, out.fileno())  # the interpreter flushes once more when it ends
        os.close(nowhere)
