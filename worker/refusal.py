"""How a mod says no: `refuse("wolves stay outside")` in a handler of an event that mods may refuse."""

from typing import NoReturn


class Refusal(BaseException):
    """Raised by `refuse`. No Exception, so that a mod's own `except Exception` does not swallow its refusal."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


def refuse(reason: str = "") -> NoReturn:
    """Refuse what the game asks about, with a reason for the player. Ends the handler; those of lower priority in this
    mod are not asked. In an event that is not asked for a veto it is an error like any other.

    Raises TypeError: the reason is no text.
    """
    if not isinstance(reason, str):
        raise TypeError(f"refuse() takes the reason as text; got {reason!r:.80}")
    raise Refusal(reason)
