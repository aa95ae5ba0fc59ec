"""Memory and disk outside what is counted: a mod that looks for some, against real processes in both modes."""

import time

import pytest
from fumehood.shared.policy import Confinement, Limits

MOD = """
import ctypes, os, sys
from fumehood.worker import on
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
SIZE = 64 << 20

@on("share")
def share():
    "Of shared memory one page keeps the whole: address space and resident set tell of one page."
    place = libc.mmap(None, SIZE, 3, 0x21, -1, 0)
    if place == 2**64 - 1:
        return os.strerror(ctypes.get_errno())
    ctypes.memset(place, 1, SIZE)
    libc.munmap(place + 4096, SIZE - 4096)
    return "held"

@on("nest")
def nest():
    for _ in range(1010):
        os.mkdir("d")
        os.chdir("d")
    os._exit(3)

@on("ping")
def ping():
    return "pong"
"""


@pytest.fixture(scope="module", params=list(Confinement))
def house(request, launched, tmp_path_factory):
    limits = Limits(hang_after=60.0)  # a thousand folders take a while on a busy disk
    with launched(tmp_path_factory.mktemp("hostile") / "mods", confinement=request.param, limits=limits) as it:
        it.load("neighbour", "def on_frame(n): return n\n")
        yield it


def test_no_memory_is_had_that_nobody_counts(house, mod):
    house.load(mod, MOD)
    assert house.mods[mod].call("share", timeout=20) == "Operation not permitted"


def test_a_mod_that_leaves_a_deep_tree_takes_nobody_along(house, mod, zygote_of):
    """In the reduced mode its scratch has to be removed entry by entry, by the zygote that everybody lives from."""
    house.load(mod, MOD)
    zygote, epoch = zygote_of(house.supervisor).pid, house.mods["neighbour"].epoch
    since = house.mark()
    house.mods[mod].post("nest")
    assert house.next(mod, since, "rolled back").diagnostic.kind == "Exited"
    deadline = time.monotonic() + 20
    while house.mods[mod].call_outcome("ping", timeout=1).value != "pong":
        assert time.monotonic() < deadline
    for n in range(20):
        assert house.mods.emit("frame", n, budget=10).results == {"neighbour": [n]}
    assert zygote_of(house.supervisor).pid == zygote
    assert house.mods["neighbour"].epoch == epoch
