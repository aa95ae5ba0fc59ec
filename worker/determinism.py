"""The same seed, events and snapshots give the same intents: chance and time as a mod meets them, if the game wants so.

Installed in a worker before its mod is imported. From then on whatever asks for chance gets it from one stream, seeded
by the game's seed, the mod's name and how often it was started; and clocks show what the game says, and stand still
within a handler. Our own code holds the real `time`: a mod's `import time` finds another module of that name.

Not covered: what depends on addresses (`id`, the order of a set of objects without a hash of their own), processes' own
numbers, and how long something takes, such as whether a budget was kept.
"""

import datetime as real_datetime
import os
import random
import sys
import time as real_time
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, Self

_STREAM: Final = random.Random(0)
"""What stands for the kernel's randomness."""
_now = 0
"""The game's clock, ns."""
_CLOCKS: Final = ("time", "monotonic", "perf_counter", "process_time", "thread_time")
_seed = ""


def install(seed: str, mod: str, digest: str) -> None:
    """Worker, before the import of the mod. `seed`: the game's."""
    global _seed
    _seed = f"{seed}:{mod}"
    _STREAM.seed(f"{_seed}:{digest}")
    random._urandom = os.urandom = _STREAM.randbytes  # type: ignore[attr-defined]  # secrets, uuid4 and numpy ask these
    random.Random.seed = _seeded(random.Random.seed)  # type: ignore[method-assign]
    random.seed = random._inst.seed
    sys.modules["time"] = _clocks()
    sys.modules["datetime"] = _dates()
    renew()


def begin(life: int) -> None:
    """Worker, as it is started for the `life`-th time of its mod: chance begins anew."""
    _STREAM.seed(f"{_seed}:{life}")
    renew()


def renew() -> None:
    """Seed the shared generators."""
    random.seed(_STREAM.getrandbits(128))
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed(_STREAM.getrandbits(32))


def set_clock(now: int) -> None:
    """Worker, between two messages: what clocks show from now on, ns."""
    global _now
    _now = now


def _seeded(seed: Callable[..., None]) -> Callable[..., None]:
    """`Random.seed` that asks the stream, and not the kernel, where it is given nothing."""

    def seeded(self: random.Random, a: Any = None, version: int = 2) -> None:
        seed(self, _STREAM.getrandbits(128) if a is None and self is not _STREAM else a, version)

    return seeded


def _clocks() -> ModuleType:
    module = ModuleType("time", real_time.__doc__)
    module.__dict__.update(vars(real_time))

    def at(seconds: float | None) -> float:
        return _now / 1e9 if seconds is None else seconds

    for name in _CLOCKS:
        setattr(module, name, lambda: _now / 1e9)
        setattr(module, f"{name}_ns", lambda: _now)
    for name in ("localtime", "gmtime", "ctime"):
        real = getattr(real_time, name)
        setattr(module, name, lambda seconds=None, real=real: real(at(seconds)))
    module.asctime = lambda t=None: real_time.asctime(real_time.gmtime(at(None)) if t is None else t)  # type: ignore[attr-defined]
    module.strftime = lambda form, t=None: real_time.strftime(  # type: ignore[attr-defined]
        form, real_time.gmtime(at(None)) if t is None else t
    )
    return module


def _dates() -> ModuleType:
    module = ModuleType("datetime", real_datetime.__doc__)

    class date(real_datetime.date):  # noqa: N801  # the name it has in the module that it stands for
        @classmethod
        def today(cls) -> Self:
            return cls.fromtimestamp(_now / 1e9)

    class datetime(real_datetime.datetime):  # noqa: N801  # likewise
        @classmethod
        def now(cls, tz: real_datetime.tzinfo | None = None) -> Self:
            return cls.fromtimestamp(_now / 1e9, tz)

        @classmethod
        def utcnow(cls) -> Self:
            return cls.fromtimestamp(_now / 1e9, real_datetime.UTC).replace(tzinfo=None)

        @classmethod
        def today(cls) -> Self:
            return cls.fromtimestamp(_now / 1e9)

    for kind in (date, datetime):
        kind.__module__, kind.__qualname__ = "datetime", kind.__name__  # as pickles name them
    module.__dict__.update(vars(real_datetime))
    module.date, module.datetime = date, datetime  # type: ignore[attr-defined]
    return module
