"""Says that it is bound, rehearsed and live while it is still being imported."""

FULL = "answers|TypeError", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def strike():
    import time

    if confined():
        tell(type="Entered", stage="run")
        tell(type="Bound", events=[["attack", 0]], filters={}, state_version=1, stages={}, has_selftest=False)
        tell(type="Ready", rehearse_us=0.0)
        tell(type="Live", at=time.monotonic_ns(), restore_us=0.0, on_load_us=0.0)


strike()


def attack():
    return 1
