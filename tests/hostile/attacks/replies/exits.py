"""Ends its handlers with SystemExit, KeyboardInterrupt and GeneratorExit."""

FULL = "answers", "total decoding"
JUDGED = "game"


def throw(error):
    raise error


answer(lambda: throw(SystemExit(0)), lambda: throw(KeyboardInterrupt()), lambda: throw(GeneratorExit()))


def attack():
    def naive():
        try:
            throw(SystemExit(0))
        except Exception:
            return

    return falls(naive, SystemExit)
