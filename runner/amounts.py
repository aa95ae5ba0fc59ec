"""Amounts as a person writes them: the value of one limit (67108864 or "64 MiB", seconds, a count), a timeout.

In `fumehood.toml`, on the command line and in a mod's manifest a limit is read here, so that it means the same and is
refused in the same words. Pure.
"""

import difflib
import math
import re
from typing import Any, Final

from ..shared.errors import UsageError
from ..shared.policy import MIB, Limits

BYTES: Final = frozenset(
    {"memory", "resident", "scratch_bytes", "file_size", "state_bytes", "snapshot_bytes", "ring_bytes", "log_bytes"}
)
"""The limits that are measured in bytes, and so may be written as ``"64 MiB"`` too."""
SECONDS: Final = frozenset({"hang_after", "load_timeout", "drain_timeout", "cpu_window", "cpu_total", "query_timeout"})
MAY_BE_ZERO: Final = frozenset({"log_lines", "log_bytes", "intents_per_frame", "state_bytes"})
"""The limits of which none at all is a sensible amount."""
UNITS: Final = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
LEAST: Final = {"memory": 8 * MIB}
"""An empty mod loads with 3 MiB of address space of its own; below that its worker dies before it can say why. The rest
is for a few imports."""
LARGEST: Final = 2**62
"""Beyond it an integer is nobody's limit, and its decimal digits may be too many to print."""

_DEFAULTS: Final = Limits()
_BYTES: Final = re.compile(r"(\d{1,20}(?:\.\d{1,20})?)\s*([a-zA-Z]*)", re.ASCII)


def read(name: str, value: Any) -> int | float:
    """The limit `name` from what a file says. Raises ValueError, which says what was expected and what was found."""
    whole = isinstance(getattr(_DEFAULTS, name), int)
    if name in BYTES and isinstance(value, str):
        value = parse_bytes(value)
    numeric = isinstance(value, int) or (isinstance(value, float) and not whole)
    if isinstance(value, bool) or not numeric:
        raise ValueError(f"expected {_example(name, whole)}, not {shown(value)}")
    if value in (math.inf, -math.inf) or not value >= 0 or (value == 0 and name not in MAY_BE_ZERO):  # not: NaN too
        raise ValueError(f"expected more than 0, not {shown(value)}")
    if value > LARGEST:
        raise ValueError(f"{shown(value)} is more than any machine has")
    if value < LEAST.get(name, 0):
        raise ValueError(f"expected at least {LEAST[name] // MIB} MiB, not {shown(value)}: no mod loads with less")
    return float(value) if not whole else int(value)


def parse_bytes(text: str) -> int:
    """Bytes, from text such as ``64 MiB``. Raises ValueError."""
    match = _BYTES.fullmatch(text.strip())
    if match is None or match[2].upper() not in UNITS:
        raise ValueError(f"expected bytes, such as 67108864 or 64 MiB, not {shown(text)}")
    number, unit = match[1], UNITS[match[2].upper()]
    return int(float(number) * unit) if "." in number else int(number) * unit


def seconds(value: object, name: str) -> float:
    """A finite number of seconds, as a game gives it for its argument `name`. Raises UsageError."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise UsageError(f"{name} has to be a finite number of seconds, not {value!r}")


def unknown(name: str) -> str:
    """What to say of a limit that there is none of."""
    near = difflib.get_close_matches(name.lower(), Limits.__struct_fields__, n=1, cutoff=0.5)
    known = f"did you mean {near[0]}?" if near else "known limits: " + ", ".join(sorted(Limits.__struct_fields__))
    return f"there is no such limit; {known}"


def shown(value: Any) -> str:
    """A scalar as written; of the rest only the kind, since repr of what somebody nested has no bound."""
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else f"{value[:59]}…")
    if isinstance(value, float | bool) or (isinstance(value, int) and abs(value) <= 2**64):
        return repr(value)
    return "a larger number" if isinstance(value, int) else f"a {type(value).__name__}"


def _example(name: str, whole: bool) -> str:
    default = getattr(_DEFAULTS, name)
    if name in BYTES:
        return "bytes, such as 67108864 or 64 MiB"
    if name in SECONDS:
        return f"whole seconds, such as {default}" if whole else "seconds, such as 0.5"
    return f"a whole number, such as {default}" if whole else f"a number, such as {default:g}"
