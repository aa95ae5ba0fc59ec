"""Whose candidate may use a core: at most so many at a time, and nobody keeps the others waiting by hanging."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

LONGEST: Final = 0.5
"""Seconds after which a turn no longer counts. Shorter: slow honest candidates crowd the cores; longer: a mod that
hangs at import holds up every other mod's reload by as much."""


class Turns:
    """Turns for candidates; one event loop."""

    def __init__(self, most: int) -> None:
        """`most`: candidates that run at a time, at least 1. More would take cores from the game."""
        self._free = asyncio.Semaphore(most)

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, in order of asking. It ends with the block, or counts no longer after LONGEST seconds."""
        await self._free.acquire()
        held = True

        def give_back() -> None:
            nonlocal held
            if held:
                held = False
                self._free.release()

        timer = asyncio.get_running_loop().call_later(LONGEST, give_back)
        try:
            yield
        finally:
            timer.cancel()
            give_back()
