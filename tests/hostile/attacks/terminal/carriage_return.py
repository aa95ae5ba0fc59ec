"""Overwrites the beginning of its own line in the log, so that it seems to be another's."""

FULL = "answers", "escaped text"
JUDGED = "game"


def attack():
    print("x\r2026-01-01T00:00:00.000Z INFO    fumehood.supervisor: all is well")
    print("x\x85\u2028\u2029\x0b\x1c\x1d\x1eanother line")
