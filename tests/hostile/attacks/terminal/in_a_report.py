"""Says to the supervisor itself what it wants to be shown: a stage, a kind, a file, a step."""

FULL = "answers", "escaped text"
JUDGED = "game"

ESC = "\x1b[2J\r\nall is well\u202e"


def attack():
    if not confined():
        return os.write(2, ESC.encode())
    found = dict(
        stage=ESC, kind=ESC, message=ESC, file=ESC, line=-1, column=2**63, end_column=-5, source=ESC, traceback=ESC
    )
    tell(type="Entered", stage=ESC)
    tell(type="LogLine", level=-7, text=ESC * 1000, dropped=-(2**63))
    tell(type="LogLine", level=2**60, text=ESC, dropped=2**63)
    tell(type="Fault", event=ESC, count=1, diagnostic=found)
    tell(type="Checkpointed", serial=-1, state={}, error=ESC)
