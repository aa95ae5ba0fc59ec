"""Has a regular expression backtrack in machine code, where no signal handler of Python's runs."""

FULL = "LimitExceeded", "patrol"
LIMITS = {"hang_after": 0.1}


def attack():
    import re

    return re.match("(a+)+$", "a" * 26 + "b")
