"""Sends the supervisor a report after the other."""

FULL = "LimitExceeded", "supervisor's rates"
LIMITS = {"hang_after": 0.1}
ALONE = "what is attacked is the supervisor"


def attack():
    for _ in range(100_000):
        tell(type="Entered", stage="import")
