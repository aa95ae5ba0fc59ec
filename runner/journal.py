"""The receipts of all reloads, numbered, in memory and bounded; and those who wait for the next one."""

import asyncio
from collections import deque
from typing import Final

from .records import Receipt

KEPT: Final = 5000
"""Receipts kept. At about 1 KiB each this is 5 MiB; a storm of thousands of saves can still be checked afterwards."""


class Journal:
    """Append-only; one event loop."""

    def __init__(self) -> None:
        self._receipts: deque[Receipt] = deque(maxlen=KEPT)
        self._waiters: set[asyncio.Future[None]] = set()
        self.last = 0
        """Number of the newest receipt."""

    def append(self, receipt: Receipt) -> None:
        """Add a receipt (its number must be `last + 1`) and wake who waits."""
        self.last = receipt.number
        self._receipts.append(receipt)
        self.nudge()

    def nudge(self) -> None:
        """Wake who waits, receipt or not: there is something for the game to adopt."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    def since(self, number: int) -> list[Receipt]:
        """Those numbered above `number` that are still kept."""
        return [receipt for receipt in self._receipts if receipt.number > number]

    async def beyond(self, number: int, patience: float) -> list[Receipt]:
        """As `since`, but wait up to `patience` seconds for one if there is none."""
        if self.last <= number and patience > 0:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                async with asyncio.timeout(patience):
                    await waiter
            except TimeoutError:
                return []
            finally:
                self._waiters.discard(waiter)
        return self.since(number)
