"""The same seed, events and snapshots give the same intents: chance and time as a mod meets them, if the game wants so.

Installed in a worker before its mod is imported. From then on whatever asks for chance gets it from one stream, seeded
by the game's seed, the mod's name and how often it was started; and clocks show what the game says, and stand still
within a handler. Our own code holds the real `time`: a mod's `import time` finds another module of that name.

Not covered: what depends on addresses (`id`, the order of a set of objects without a hash of their own), processes' own
numbers, and how long something takes, such as whether a budget was kept.
"""

import copyreg
import datetime as real_datetime
import logging
import os
import pickle
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
_note: Callable[[int], object] | None = None
"""Tells the supervisor what clocks show."""


def install(seed: str, mod: str, digest: str, note: Callable[[int], None]) -> None:
    """Worker, before the import of the mod. `seed`: the game's. `note` is told what clocks show, when that changes."""
    global _seed, _note
    _note = note
    _seed = f"{seed}:{mod}"
    _STREAM.seed(f"{_seed}:{digest}")
    random._urandom = os.urandom = _STREAM.randbytes  # type: ignore[attr-defined]  # secrets, uuid4 and numpy ask these
    random.Random.seed = _seeded(random.Random.seed)  # type: ignore[method-assign]
    random.seed = random._inst.seed
    sys.modules["time"] = logging.time = _clocks()  # type: ignore[attr-defined]  # records say when they were made
    logging._startTime = 0.0  # type: ignore[attr-defined]
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
    if _note is not None:
        _note(now)


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
    module.clock_gettime = lambda _clock: _now / 1e9  # type: ignore[attr-defined]
    module.clock_gettime_ns = lambda _clock: _now  # type: ignore[attr-defined]
    for name in ("localtime", "gmtime", "ctime"):
        real = getattr(real_time, name)
        setattr(module, name, lambda seconds=None, real=real: real(at(seconds)))
    module.asctime = lambda t=None: real_time.asctime(real_time.gmtime(at(None)) if t is None else t)  # type: ignore[attr-defined]
    module.strftime = lambda form, t=None: real_time.strftime(  # type: ignore[attr-defined]
        form, real_time.gmtime(at(None)) if t is None else t
    )
    return module


class _StandsFor(type):
    """The class of a class that makes instances of another, `stands_for`, and passes for it. What inherits of that
    makes its own."""

    stands_for: type

    def __instancecheck__(cls, it: object) -> bool:
        return isinstance(it, cls.stands_for) if "stands_for" in vars(cls) else super().__instancecheck__(it)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, cls.stands_for) if "stands_for" in vars(cls) else super().__subclasscheck__(kind)


def _dates() -> ModuleType:
    """Dates are of the real classes, which every library knows; only what reads the clock is ours."""
    module = ModuleType("datetime", real_datetime.__doc__)

    class date(real_datetime.date, metaclass=_StandsFor):  # noqa: N801  # the name it has in the module that it stands for
        stands_for = real_datetime.date

        def __new__(cls, *args: Any, **named: Any) -> Self:
            return super().__new__(cls.stands_for if "stands_for" in vars(cls) else cls, *args, **named)

        @classmethod
        def today(cls) -> Self:
            return cls.fromtimestamp(_now / 1e9)

    class datetime(real_datetime.datetime, metaclass=_StandsFor):  # noqa: N801  # likewise
        stands_for = real_datetime.datetime

        def __new__(cls, *args: Any, **named: Any) -> Self:
            return super().__new__(cls.stands_for if "stands_for" in vars(cls) else cls, *args, **named)

        @classmethod
        def now(cls, tz: real_datetime.tzinfo | None = None) -> Self:
            return cls.fromtimestamp(_now / 1e9, tz)

        @classmethod
        def utcnow(cls) -> Self:
            return cls.fromtimestamp(_now / 1e9, real_datetime.UTC).replace(tzinfo=None)

        @classmethod
        def today(cls) -> Self:
            return cls.fromtimestamp(_now / 1e9)

    module.__dict__.update(vars(real_datetime))
    for kind in (date, datetime):
        kind.__module__, kind.__qualname__ = "datetime", kind.__name__  # as pickles name them
        setattr(module, kind.__name__, kind)
        copyreg.pickle(kind.stands_for, _pickled(kind))
    return module


def _pickled(kind: Any) -> Any:
    """How an instance of the class that `kind` stands for is pickled: as it always is, under the name both have."""
    return lambda it: (kind, *kind.stands_for.__reduce_ex__(it, pickle.DEFAULT_PROTOCOL)[1:])
