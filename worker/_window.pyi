"""The native contract of a window: a part of a view's memory in a worker, mapped for reading only.

The extension is Linux only; elsewhere importing it raises ImportError. Nothing here gives the GIL away.
"""

from typing import final

from typing_extensions import Buffer

@final
class Window(Buffer):
    """A read-only shared mapping of `size` bytes of `fd` from `offset`, a multiple of the page size.

    The descriptor may be closed afterwards. It offers its bytes as a read-only buffer, and is unmapped when nobody
    refers to it any more: an array that lies on it does.
    """

    def __init__(self, fd: int, offset: int, size: int) -> None:
        """Raises OSError (ENOMEM: the worker's address space is used up), ValueError for what is no range."""

    def load64(self, offset: int, /) -> int:
        """One acquire load of a u64. ValueError where there is none."""

    def load32(self, offset: int, /) -> int:
        """One acquire load of a u32. ValueError where there is none."""

    def read(self, offset: int, length: int, /) -> bytes:
        """Copy bytes out. ValueError where there are none."""

    def keep(self, used: int, /) -> None:
        """Put private pages in the place of the shared ones, at the same addresses, with their first `used` bytes.

        For who holds an array longer than it is promised to stand still. Idempotent. Raises MemoryError, and nothing
        has changed then; ValueError.
        """
