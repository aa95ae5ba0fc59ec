"""Uses up the CPU time of its whole life before it is live, a bit in each stage."""

FULL = "LimitExceeded", "rlimits"
AT_LOAD = True
LIMITS = {"cpu_total": 1}


def attack():
    burn(0.4)
    if "Worker" not in grip():
        selftest()
        on_load()


def selftest():
    burn(0.4)


def on_load():
    burn(0.4)
