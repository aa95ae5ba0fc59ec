"""Fails in a thousand events at once: a report for each."""

FULL = "answers", "supervisor's rates"
JUDGED = "game"
ALONE = "what is attacked is the supervisor"


def attack():
    from fumehood.shared.messages import Diagnostic

    faults = grip()["Faults"]
    for n in range(1000):
        faults.note(f"event{n}", lambda: Diagnostic("run", "Forged", "x" * 1000))
