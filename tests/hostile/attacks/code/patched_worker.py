"""Replaces what the worker itself runs, and what is built into Python, for the next version to run it."""

FULL = "AssertionError", "another process"


def attack():
    import builtins
    import json

    builtins.forged = json.forged = True
    if "Worker" in grip():
        from fumehood.worker import answers, handover, loader

        handover.dump = loader.forged = answers.forged = lambda *_: b"forged"


def after():
    import builtins
    import json

    assert hasattr(builtins, "forged") or hasattr(json, "forged")
