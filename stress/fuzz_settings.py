"""Fuzz targets `manifest`, `config` and `savefile`: what the authors of mods and games wrote, and disks kept."""

import hashlib
import math
import random
import struct
import tempfile
from pathlib import Path
from typing import Any, Final

from fumehood.runner import config, manifest, savefile
from fumehood.runner.config import Config
from fumehood.runner.manifest import MOST_BYTES, OWN_LIMITS, Manifest, Refused
from fumehood.shared.errors import ConfigError, SaveError
from fumehood.shared.messages import pack
from fumehood.shared.policy import Limits
from fuzz_mutate import NUMBERS, Shaped

VALUES: Final = (
    b"1", b"-1", b"0", b"true", b'"64 MiB"', b'"1.5 GiB"', b'"\\u0000"', b"nan", b"-inf", b"1e999", b"0x" + b"f" * 5000,
    b"9" * 5000, b"[]", b"[[]]", b"{}", b'["economy"]', b'["a", 1]', b"2024-13-01", b"1979-05-27T07:32:00Z", b'""',
    b"'~x'", b'">=2,<3"', b'">=1' + b",>=1" * 2000 + b'"', b'"full"', b'"auto"', b"[" * 2000, b"{a=" * 300, b'"""',
    b'"\xff"', b'"../.."', b'"/"', b'"."', b'"' + b"a/" * 3000 + b'"', b'"\\U0010ffff"', b'"x\\u202e"', b"07:32:00",
    b"1_000",
)  # fmt: skip
LIMITS: Final = tuple(name.encode() for name in Limits.__struct_fields__)


class _Toml:
    """Lines that look like settings, most of them with right names."""

    def __init__(self, names: tuple[str, ...], tables: tuple[bytes, ...]) -> None:
        self._names = (*(name.encode() for name in names), *LIMITS, b"a.b", b'"\\u0000"', b"", b"x" * 300)
        self._tables = tables

    def text(self, rng: random.Random) -> bytes:
        lines = []
        for _ in range(rng.choice((0, 1, 2, 5, 20))):
            if rng.random() < 0.3:
                lines.append(rng.choice(self._tables))
            else:
                name = rng.choice(self._names).replace(b"_", rng.choice((b"-", b"_")))
                lines.append(name + rng.choice((b" = ", b" = ", b" = ", b"=", b" ")) + rng.choice(VALUES))
        return rng.choice((b"\n", b"\n", b"\r\n")).join(lines)


class Manifests:
    """First byte: a folder's mod.toml, its __init__.py too, or a script; the rest is its text."""

    name = "manifest"
    dictionary = (
        *VALUES,
        b"\n",
        b"# ///",
        b"# /// script\n",
        b"[tool.fumehood]\n",
        b"[limits]\n",
        b"\xef\xbb\xbf",
        b" = ",
    )

    def __init__(self) -> None:
        self._toml = _Toml(
            Manifest.__struct_fields__,
            (
                b"[tool.fumehood]",
                b"[tool.fumehood.limits]",
                b"[limits]",
                b"[[limits]]",
                b"[tool]",
                b"[tool.uv]",
                b"[a.b.c]",
            ),
        )

    def fresh(self, rng: random.Random) -> bytes:
        text = self._toml.text(rng)
        if rng.random() < 0.05:
            text *= rng.choice((10, 300))
        return rng.randbytes(1) + text

    def close(self) -> None:
        pass

    def run(self, data: bytes) -> None:
        form, text = data[:1], data[1 : MOST_BYTES + 10]
        ceiling = Limits()
        if form < b"\x55":
            self._read({"__init__.py": b"", manifest.FILE: text}, "", ceiling)
        elif form < b"\x66":
            self._read({"__init__.py": text}, "", ceiling)
        elif form < b"\x77":
            self._read({"x.py": text}, "x.py", ceiling)
        else:
            block = b"# /// script\n# " + text.replace(b"\n", b"\n# ") + b"\n# ///\n"
            self._read({"x.py": block}, "x.py", ceiling)

    @staticmethod
    def _read(files: dict[str, bytes], name: str, ceiling: Limits) -> None:
        try:
            got = manifest.read(files, folder=not name, name=name, where="a/", ceiling=ceiling)
        except Refused as error:
            shown = str(error.diagnostic)
            pack(error.diagnostic)
            assert len(shown) < 20_000, "a refusal fills the screen"
            assert all(line.isprintable() for line in shown.split("\n")), "a refusal obeys the mod"
            return
        pack(got)
        own = got.within(ceiling)
        for each in OWN_LIMITS:
            assert 0 <= getattr(own, each) <= getattr(ceiling, each) < math.inf, each


class Configs:
    """First byte: a file, or options of the command line; the rest is its text."""

    name = "config"
    dictionary = (*VALUES, b"\n", b"[limits]\n", b" = ", b"root", b"memory=", b"\0", *LIMITS)

    def __init__(self) -> None:
        self._toml = _Toml(Config.__struct_fields__, (b"[limits]", b"[[limits]]", b"[limits.memory]", b"[a.b]"))
        self._folder = tempfile.TemporaryDirectory()
        self._file = Path(self._folder.name) / config.FILE_NAME

    def fresh(self, rng: random.Random) -> bytes:
        if rng.random() < 0.2:
            return b"\xff" + rng.choice((*LIMITS, b"")) + rng.choice((b"=", b" = ", b"")) + rng.choice(VALUES)
        return b"\0" + self._toml.text(rng) * rng.choice((1, 1, 1, 1, 30))

    def close(self) -> None:
        self._folder.cleanup()

    def run(self, data: bytes) -> None:
        form, text = data[:1], data[1:]
        try:
            if form >= b"\xf0":
                name, number = config.parse_limit(text.decode(errors="surrogateescape"))
                got = config.merge(Config(), {"limits": {name: number}})
            else:
                self._file.write_bytes(text)
                got = config.read(self._file)
                if got.root is not None:
                    config.check_root(got.root)
        except ConfigError as error:
            assert str(error)  # noqa: PT017  # none has to be raised
            return
        pack(got)
        for each in Limits.__struct_fields__:
            assert 0 <= getattr(got.limits, each) < math.inf, each


class Saves:
    """First byte: the bytes as they are, or behind a head that is right for them."""

    name = "savefile"
    dictionary = (savefile.MAGIC, b"FHS1", savefile.OURS, b"\xc0", b"\x91", *(n.to_bytes(8, "big") for n in NUMBERS))
    _head = struct.Struct(">6sBB32s")

    def __init__(self) -> None:
        self._shaped = Shaped([savefile.SavedGame])

    def fresh(self, rng: random.Random) -> bytes:
        return rng.randbytes(1) + self._shaped.packed(rng)

    def close(self) -> None:
        pass

    def run(self, data: bytes) -> None:
        form, body = data[:1], data[1:]
        if form >= b"\x20":
            body = self._head.pack(savefile.MAGIC, savefile.FORMAT, 0, hashlib.sha256(body).digest()) + body
        try:
            game: Any = savefile.unpacked(body)
        except SaveError as error:
            assert str(error)  # noqa: PT017  # none has to be raised
            return
        for each in game.mods:
            savefile.foreign(each.state or b"")
        info = savefile.describe_save(body)
        assert len(info.mods) == len(game.mods)
        assert all(text.isprintable() for text in info.stale.values())
