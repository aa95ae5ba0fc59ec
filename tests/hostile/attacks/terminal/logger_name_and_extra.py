"""Hides escapes in what else a record of a log has: its logger's name, its extra fields, its stack."""

FULL = "answers", "escaped text"
JUDGED = "game"


def attack():
    import logging

    logging.basicConfig(format="%(name)s %(funcName)s %(evil)s %(message)s")
    logging.getLogger("\x1b[2J").error("x", extra={"evil": "\x1b[2J", "told": {"\x1b": "\x1b"}, "below": ["\x1b[2J"]})
    logging.getLogger("\x1b[2J").log(2**31, "x", extra={"evil": ""}, stack_info=True)
