"""Fuzz target `decoder`: bytes for every conversation. The first byte says which; the others are what came."""

import random
import typing
from collections.abc import Callable
from typing import Any, Final

from fumehood.runner import control, replies
from fumehood.runner.text import LONGEST_LINE, escape, escape_diagnostic
from fumehood.shared import contract, messages
from fumehood.shared._ring import weigh
from fumehood.shared.errors import ProtocolError
from fumehood.shared.messages import Diagnostic, pack, unpacker
from fuzz_mutate import Shaped, value

LONGEST_SHOWN: Final = 100_000
"""Characters of a diagnostic that a person is shown. All its texts together are bounded by a fifth of it."""


def _kinds(union: Any) -> tuple[type, ...]:
    return typing.get_args(union)


class Decoder:
    """The target."""

    name = "decoder"
    dictionary = (
        b"\x90", b"\x91", b"\x80", b"\x81", b"\xc0", b"\xc1", b"\xc4\xff", b"\xc6\xff\xff\xff\xff", b"\xdb\x00\x00\x00",
        b"\xdd\xff\xff\xff\xff", b"\xdf\x7f\xff\xff\xff", b"\xc9\x00\x00", b"\xd4\xff", b"\xc7\x0c\xff", b"\xd9\xff",
        b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", b"\xa4type", b"\x91" * 600, b"\x81\x91\x01\x02", b"\xa1\xff", b"\xca",
    )  # fmt: skip

    def __init__(self) -> None:
        pure: dict[str, tuple[Any, Callable[[bytes], Any]]] = {
            kind: (_kinds(union), unpacker(union, kind))
            for kind, union in {
                "request": messages.Request,
                "report": messages.Report,
                "command": messages.Command,
                "zygote": messages.ZygoteReport,
            }.items()
        }
        pure["game"] = _kinds(control.Request), control.unpack_request
        pure["supervisor"] = _kinds(control.Answer), control.unpack_answer
        pure["contract"] = (contract.Contract,), contract.unpack_contract
        self._ways = [(Shaped(_kinds(messages.Reply)), self._reply)] * 3
        self._ways += [(Shaped(kinds), self._told(unpack)) for kinds, unpack in pure.values()]

    def fresh(self, rng: random.Random) -> bytes:
        way = rng.randrange(len(self._ways))
        data = self._ways[way][0].packed(rng) if rng.random() < 0.8 else pack(value(rng))
        return bytes([way]) + data

    def close(self) -> None:
        pass

    def run(self, data: bytes) -> None:
        assert weigh(data) >= -2
        if data:
            self._ways[data[0] % len(self._ways)][1](data[1:])

    @staticmethod
    def _reply(data: bytes) -> None:
        """As the game reads it."""
        try:
            reply, cost = replies.read(data)
        except ProtocolError as error:
            assert len(str(error)) < 1000, "a long story"  # noqa: PT017  # none has to be raised
            return
        assert 0 < cost <= replies.MOST_NS + replies.OVERHEAD_NS
        assert reply is None or isinstance(reply, _kinds(messages.Reply))

    @staticmethod
    def _told(unpack: Callable[[bytes], Any]) -> Callable[[bytes], None]:
        def read(data: bytes) -> None:
            try:
                message = unpack(data)
            except ProtocolError as error:
                escape(str(error))
                return
            if isinstance(getattr(message, "diagnostic", None), Diagnostic):
                shown = escape_diagnostic(message.diagnostic)
                pack(shown)
                assert len(str(shown)) < LONGEST_SHOWN, "a diagnostic fills the screen"
            if isinstance(message, messages.LogLine):
                assert escape(message.text, LONGEST_LINE).isprintable()

        return read
