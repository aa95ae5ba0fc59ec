"""What is wrong with a mod as it was written, found by us and not by Python: it names the place itself."""

from ..shared.errors import FumehoodError


class Misfit(FumehoodError):
    """Raised in a worker when a mod cannot be laid out, compiled, bound or given its state; becomes its diagnostic."""

    def __init__(
        self,
        message: str,
        *,
        kind: str = "",
        path: str = "",
        line: int = 0,
        column: int = 0,
        end_column: int = 0,
        source: str = "",
    ) -> None:
        super().__init__(message)
        self.kind = kind or "TypeError"
        """What the diagnostic calls it: the name of Python's own error for it where there is one."""
        self.path = path
        """The file, absolute; "" when it is not about one."""
        self.line = line
        self.column = column
        self.end_column = end_column
        """1-based, in characters; 0: unknown."""
        self.source = source
        """The line's text where it cannot be read from the file as text."""


def a(value: object) -> str:
    """The type of a value, with its article, as it stands in a message: `a socket.socket`, `an int`."""
    kind = type(value)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"an {name}" if name.lstrip("_")[:1].lower() in "aeiou" else f"a {name}"
