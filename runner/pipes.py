"""Writing for a reader who may have gone: ``fumehood demo | head`` ends with its own exit code, and quietly."""

import os
import sys
from pathlib import Path
from typing import TextIO

import msgspec

from ..shared.errors import ConfigError


def write(out: TextIO, text: str) -> None:
    """Write and flush. Once nobody reads any more, what is written goes nowhere, to the end of the process."""
    try:
        out.write(text)
        out.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, out.fileno())  # the interpreter flushes once more when it ends
        os.close(nowhere)


def document(report: msgspec.Struct, where: str) -> bool:
    """A report as one JSON document: on stdout (`where`: "-"), or into the file of that path. Returns whether stdout
    has it, and nothing else is to stand there. Raises ConfigError when the file cannot be written."""
    text = msgspec.json.format(msgspec.json.encode(report), indent=2).decode()
    if where == "-":
        write(sys.stdout, f"{text}\n")
        return True
    try:
        Path(where).write_text(f"{text}\n")
    except OSError as error:
        raise ConfigError(f"{where} cannot be written: {error.strerror}") from error
    return False
