"""Uses up the CPU time of its whole life before it is live, a bit in each stage."""

FULL = "LimitExceeded", "rlimits"
AT_LOAD = True
LIMITS = {"cpu_total": 1}


def selftest():
    burn(0.7)


def attack():
    burn(0.7)
    if "Worker" not in grip():
        selftest()
