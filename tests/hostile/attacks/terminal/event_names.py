"""Handles events whose names hold escapes, and fails and hangs in them."""

FULL = "answers", "escaped text"
JUDGED = "game"

ESC = "\x1b[2J\r\nall is well\u202e"


def handle():
    from fumehood.worker import on

    on(f"fail {ESC}")(lambda: 1 / 0)
    on(f"hang {ESC}")(lambda: 1)


handle()


def attack():
    if confined():
        handlers = grip()["Faults"]
        from fumehood.shared.messages import Diagnostic

        handlers.note(f"fail {ESC}", lambda: Diagnostic("run", "K", "m", f"file {ESC}", 1, 1, 1, ESC, ESC))
    return ESC
