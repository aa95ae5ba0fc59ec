"""Answers with numbers that are none."""

FULL = "answers", "total decoding"
JUDGED = "game"

answer(lambda: float("nan"), lambda: [float("inf"), -float("inf")], lambda: {float("nan"): 1})


def attack():
    return falls(lambda: int(float("inf")), OverflowError)
