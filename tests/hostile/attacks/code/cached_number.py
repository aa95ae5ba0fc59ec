"""Writes over a number that the zygote's forks share, so that it is another one for all."""

FULL = "AssertionError", "another process"


def attack():
    ctypes.c_uint32.from_address(id(211) + 24).value = 212


def after():
    assert int("211") + 1 == 213
