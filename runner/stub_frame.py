"""What stands in every stub that `fumehood stubs` writes, whatever a game declares: the rest of `fumehood.worker`.

The words of worker/, said once more: nothing here may import it, and a mod's author need not have it installed. A test
compares the names, and the errors' bases.
"""

from typing import Final

HEADER: Final = '''\
"""What mods of {title} import from `fumehood.worker`: for editors and type checkers.

Made by `fumehood stubs` from the game's Api; what is changed here is lost when it is made again.
"""

'''

IMPORTS: Final = """\
import builtins
import logging
import typing
from collections.abc import Callable
from typing import Any, Literal, Never, NoReturn, Protocol, TypeVar, overload

"""

ERRORS: Final = """\
class FumehoodError(Exception): ...
class UsageError(FumehoodError): ...

class ModFailure(FumehoodError):
    mod: str
    event: str

class HelperError(UsageError, RuntimeError): ...
class MessageTooLarge(UsageError, ValueError): ...
class NotDeclared(UsageError, AttributeError): ...
class NotLive(UsageError, RuntimeError): ...
class PayloadError(UsageError, TypeError): ...
class QueryError(FumehoodError): ...
class QueryTimeout(QueryError): ...
class QueueFull(ModFailure): ...
class ViewError(UsageError, LookupError): ...

"""

REST: Final = '''\
class _View:
    def __call__(self, name: str, /) -> Any:
        """The newest array of that name, read-only; it stands still until the handler returns."""

    def version(self, name: str, /) -> int:
        """How often the game has published it so far."""

    def names(self) -> list[str]:
        """What the game has published, in alphabetical order."""

class _Helpers:
    def __getattr__(self, name: str) -> Any: ...

def refuse(reason: str = "") -> NoReturn:
    """Refuse what the game asks about, with a reason for the player. Ends the handler."""

game: _Game
helpers: _Helpers
log: logging.Logger
state: dict[Any, Any]
view: _View
'''
