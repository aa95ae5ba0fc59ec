"""Which receipt `Mods.wait` waits for. Pure."""

from collections.abc import Iterable

from ..shared.errors import ModTimeout
from .records import Receipt


class Wanted:
    """The first receipt of a mod that fits what is given; None: any."""

    def __init__(self, mod: str, version: int | None, digest: str | None, verdict: str | None, since: int) -> None:
        self._mod = mod
        self._version = version
        self._digest = digest
        self._verdict = verdict
        self._latest: Receipt | None = None
        self.seen = since
        """Number of the last receipt looked at."""

    def among(self, receipts: Iterable[Receipt]) -> Receipt | None:
        """The first of these that fits; those behind it are not looked at."""
        for receipt in receipts:
            self.seen = receipt.number
            if receipt.mod != self._mod:
                continue
            self._latest = receipt
            if (
                (self._version is None or receipt.version == self._version)
                and (self._digest is None or receipt.digest == self._digest)
                and (self._verdict is None or receipt.verdict == self._verdict)
            ):
                return receipt
        return None

    def missed(self, timeout: float) -> ModTimeout:
        """The error for none within `timeout` seconds."""
        given = (("version", self._version), ("verdict", self._verdict))
        wanted = ", ".join(f"{key}={value}" for key, value in given if value is not None) or "anything"
        latest = self._latest
        last = f"; the last was version {latest.version}, {latest.verdict}" if latest else "; there was none"
        return ModTimeout(f"no receipt of {self._mod} with {wanted} within {timeout:g} s{last}", mod=self._mod)
