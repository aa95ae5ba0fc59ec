"""The receipts of all reloads, numbered, in memory and bounded; and those who wait for the next one."""

import asyncio
from collections import deque
from typing import Final

import msgspec

from .records import Receipt

KEPT: Final = 5000
"""Receipts kept. At about 1 KiB each this is 5 MiB; a storm of thousands of saves can still be checked afterwards."""
WHOLE: Final = 100
"""Of them, the newest with whole diagnostics: up to 100 KiB each, all of it a mod's words. More: a mod that is saved
over and over with the longest traceback fills the memory; fewer: a game that looks seldom misses some."""
REST: Final = 300
"""Characters that an older one keeps of each text."""


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
        if len(self._receipts) > WHOLE:
            self._receipts[-WHOLE - 1] = shortened(self._receipts[-WHOLE - 1])
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


def shortened(receipt: Receipt) -> Receipt:
    """What is kept of it for long: where and why, not the whole traceback."""
    if receipt.diagnostic is None:
        return receipt
    texts = {
        name: f"{text[:REST]}… ({len(text) - REST} more characters: no longer kept)"
        for name, text in msgspec.structs.asdict(receipt.diagnostic).items()
        if isinstance(text, str) and len(text) > REST
    }
    return msgspec.structs.replace(receipt, diagnostic=msgspec.structs.replace(receipt.diagnostic, **texts))
