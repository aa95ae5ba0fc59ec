"""Capabilities: none, in any set, and no way back to one."""

import errno
import struct
from typing import Final

from . import syscalls
from .calls import Call, call

_LAST_POSSIBLE: Final = 63
_VERSION_3: Final = 0x20080522
_SETS: Final = 2 * 3 * 4
"""Bytes of the three sets of 64 bits, as version 3 of the call has them."""
_LOCKED_DOWN: Final = 0b1110_1111
"""Securebits NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE, each with its lock, and KEEP_CAPS locked off."""


def forbid_new(*, bounding: bool = True) -> None:
    """In the zygote: nothing gained at exec (no_new_privs), empty bounding and ambient sets. Keeps what it holds now.

    `bounding`: an ordinary user outside a user namespace may not empty that set, and has nothing it could bound.
    """
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    syscalls.prctl(syscalls.PR_CAP_AMBIENT, syscalls.PR_CAP_AMBIENT_CLEAR_ALL)
    if bounding:
        _drop_bounding()


def _drop_bounding() -> None:
    for capability in range(_LAST_POSSIBLE + 1):
        try:
            syscalls.prctl(syscalls.PR_CAPBSET_DROP, capability)
        except OSError as error:
            if error.errno == errno.EINVAL:  # past the last one this kernel has
                return
            raise


def lock() -> None:
    """In the zygote, while CAP_SETPCAP allows it: uid 0 means nothing, no set can be raised; for it and its forks."""
    syscalls.prctl(syscalls.PR_SET_SECUREBITS, _LOCKED_DOWN)


def drop_all() -> list[Call]:
    """Empty the effective, permitted and inheritable sets."""
    return [call("capabilities", "capset", struct.pack("Ii", _VERSION_3, 0), bytes(_SETS))]
