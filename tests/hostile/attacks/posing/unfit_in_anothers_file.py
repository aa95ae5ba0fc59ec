"""Says that it failed in a line of another mod's, word for word as a traceback would."""

FULL = "ZeroDivisionError", "of its own files alone"
JUDGED = "game"
AT_LOAD = True
ALONE = "on its own socket it may say what it likes: what is attacked is whoever reads it"


def attack():
    text = 'Traceback (most recent call last):\n  File "neighbour.py", line 4, in on_frame\nZeroDivisionError: division by zero\n'
    found = dict(stage="import", kind="ZeroDivisionError", message="division by zero", file="neighbour.py", line=4)
    tell(type="Unfit", diagnostic=found | dict(source="    return 1 / 0", traceback=text))
