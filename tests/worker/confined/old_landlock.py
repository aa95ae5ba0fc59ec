"""The entries `run_1`, `run_2`, ...: `probing.run`, in a zygote that takes the kernel's Landlock for that version."""

from collections.abc import Callable
from typing import Any

import probing
from fumehood.worker.confine import landlock


def __getattr__(name: str) -> Callable[..., Any]:
    # In the zygote, before it builds anything: it looks its entry up first of all.
    prefix, _, version = name.partition("_")
    if prefix != "run" or not version.isdigit():
        raise AttributeError(name)
    landlock.abi = lambda: int(version)
    return probing.run
