"""What others wrote gives a value or the one typed error, whatever it is: saves, settings, contracts, letters, frames.

The longer run, with the ring built with sanitizers, is stress/fuzz.py; this is a few seconds of the same.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import math
import os
import socket
import struct
from pathlib import Path

import msgspec
import pytest
from fumehood.runner import Api, config, control, replies, savefile, snapshot, tree
from fumehood.runner.attachment import LONGEST_PATIENCE, Attachment, patience_of, taken
from fumehood.runner.intents import Gate
from fumehood.runner.manifest import Refused
from fumehood.runner.queries import LONGEST_ANSWER, Answerer
from fumehood.runner.records import Intent as Wish
from fumehood.runner.text import escape_diagnostic
from fumehood.shared import segment
from fumehood.shared.contract import unpack_contract
from fumehood.shared.errors import ConfigError, ProtocolError, SaveError
from fumehood.shared.messages import Diagnostic, Intent, Reply, pack
from fumehood.shared.policy import Limits
from hypothesis import example, given, settings
from hypothesis import strategies as st


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
packed = anything.map(pack) | st.binary(max_size=100)


@given(packed)
@example(pack([1.5, []]))
def test_a_body_behind_a_right_head_is_a_save_or_a_save_error(body):
    head = struct.pack(">6sBB32s", savefile.MAGIC, savefile.FORMAT, 0, hashlib.sha256(body).digest())
    with contextlib.suppress(SaveError):
        info = savefile.describe_save(head + body)
        assert all(text.isprintable() for text in info.stale.values())


@pytest.fixture(scope="module")
def settings_file(tmp_path_factory):
    return tmp_path_factory.mktemp("settings") / config.FILE_NAME


TOKENS = st.sampled_from([
    "root", "packages", "limits", "memory", "files", "deterministic", "most_mods", " = ", "\n", "[", "]", '"', "{",
    "0x", '"~nobody"', '"\\u0000"', "9" * 4301, "f" * 4000, "[" * 1100, "1", "nan", "[limits]\n", "\0", "ä", "full",
])  # fmt: skip


@given(st.lists(TOKENS, max_size=8).map("".join) | st.text(max_size=60))
@example("deterministic = 0x" + "f" * 4000)
@example("most_mods = " + "9" * 4301)
@example("watcher = 0x" + "f" * 4000)
@example("packages = " + "[" * 1100)
@example('root = "a\\u0000b"')
@example('root = "~nobody-of-that-name/mods"')
@settings(deadline=None)
def test_any_file_is_settings_or_a_config_error(settings_file, text):
    settings_file.write_bytes(text.encode(errors="surrogatepass"))
    with contextlib.suppress(ConfigError):
        assert config.read(settings_file).limits.memory > 0
    with contextlib.suppress(ConfigError):
        config.parse_limit(text)


def test_a_home_of_nobody_is_no_mods_folder():
    with pytest.raises(ConfigError, match="nobody-of-that-name"):
        config.check_root("~nobody-of-that-name/mods")


@given(packed)
def test_any_bytes_are_a_contract_or_a_protocol_error(data):
    with contextlib.suppress(ProtocolError):
        unpack_contract(data)


@given(st.integers(0, 5), st.lists(anything, max_size=6))
def test_any_fields_behind_a_reply_s_tag_are_a_reply_at_a_bounded_price(tag, fields):
    try:
        reply, cost = replies.read(pack([tag, *fields]))
    except ProtocolError:
        return
    assert 0 < cost <= replies.MOST_NS + replies.OVERHEAD_NS
    assert reply is None or isinstance(reply, Reply)


@given(st.integers(), st.integers(), st.integers(), st.text(max_size=50))
@example(9_999_999, 9_999_999, 9_999_999, "x = 1")
def test_a_diagnostic_is_no_longer_than_its_texts(line, column, end_column, source):
    """A worker claims what it likes; a column far to the right was shown as ten million spaces."""
    shown = escape_diagnostic(Diagnostic("run", "K", "m", "f.py", line, column, end_column, source, ""))
    assert len(str(shown)) <= 2 * len(shown.source) + 100


# ── queries and intents ───────────────────────────────────────────────────────────────────────────────────────────────


api = Api("any")


@api.query
def tile(x: int, y: int = 0) -> str:
    """Sees what it declared, or is not called."""
    assert type(x) is type(y) is int
    return "grass"


@api.intent
def rain(strength: float) -> None:
    """Likewise."""
    assert type(strength) is float


class Frame:
    """What an answer needs of the game around it."""

    name = "m"

    def __init__(self):
        self._asking = []

    def _begin_answer(self, name, deadline):
        self._asking.append(name)
        return self


FRAME = Frame()
answerer = Answerer(api, FRAME, FRAME)


@given(packed | st.lists(anything, max_size=2).map(lambda rest: pack(["tile", *rest])))
@example(pack(["tile", [3, 4]]))
def test_any_letter_is_answered_with_a_value_or_an_error(data):
    answer = answerer(data, 1)
    assert len(answer) <= LONGEST_ANSWER
    number, *rest = msgspec.msgpack.decode(answer)
    assert (number, rest) == (0, ["grass"]) or (number == 1 and "could not answer" not in rest[1])
    assert not FRAME._asking


@given(st.dictionaries(st.sampled_from(["strength", "x"]) | st.text(max_size=4), anything, max_size=3))
@example({"strength": 1})
def test_any_fields_of_an_intent_are_what_was_declared_or_refused(fields):
    entry, checked, why = Gate(api).admit(Wish("m", "rain", Intent("rain", fields).fields, 1))
    assert (entry is None) == bool(why)
    if entry is not None:
        entry.run(fields=checked)


# ── the disk and the control socket ───────────────────────────────────────────────────────────────────────────────────


NAMES = st.sampled_from(
    ["__init__.py", "mod.toml", "part.py", "data/t.json", "odd\n.py", ".hidden", "n" * 250, "a\udcff"]
)
MADE = st.sampled_from(["file", "link", "out", "fifo", "giant", "folder", "mode"]) | st.binary(max_size=20)


@given(st.dictionaries(NAMES, MADE, max_size=6))
@settings(deadline=None, max_examples=60)
def test_any_folder_is_a_snapshot_or_one_refusal(tmp_path_factory, made):
    folder = tmp_path_factory.mktemp("any")
    (folder / "secret").write_bytes(b"secret")
    (folder / "mods/m").mkdir(parents=True)
    for name, what in made.items():
        at = folder / "mods/m" / name
        at.parent.mkdir(exist_ok=True)
        if what == "link":
            at.symlink_to("__init__.py")
        elif what == "out":
            at.symlink_to(folder / "secret")
        elif what == "fifo":
            os.mkfifo(at)
        elif what == "folder":
            at.mkdir()
        else:
            at.write_bytes(what if isinstance(what, bytes) else b"")
            os.truncate(at, 1 << 40 if what == "giant" else at.stat().st_size)
            at.chmod(0 if what == "mode" else 0o600)
    root = tree.Root.open(folder / "mods")
    before = open_descriptors()
    try:
        got = snapshot.take(root, "m", Limits(snapshot_files=4))
    except snapshot.Gone:
        assert "__init__.py" not in made or made["__init__.py"] in ("link", "folder"), made
    except Refused as error:
        pack(error.diagnostic)
        shown = str(error.diagnostic).replace("\n", "")
        assert shown.isprintable()
    else:
        assert b"secret" not in got.files.values()
        assert set(got.files) <= set(made)
    assert open_descriptors() == before
    root.close()


class Host:
    """What an attachment needs of a supervisor before anybody is welcome."""

    def __init__(self):
        self.gone = asyncio.Event()

    def detached(self, _):
        self.gone.set()


@given(st.lists(packed, min_size=1, max_size=3), st.integers(0, 20))
@settings(deadline=None, max_examples=50)
def test_any_frame_ends_the_attachment_and_leaves_no_descriptor(frames, count):
    async def go():
        before = open_descriptors()
        game, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        host = Host()
        Attachment(ours, host)
        for data in frames:
            socket.send_fds(game, [data], [game.fileno()] * count)
        game.close()
        async with asyncio.timeout(10):
            await host.gone.wait()
        assert open_descriptors() == before

    asyncio.run(go())


@pytest.mark.parametrize(
    ("asked", "given"), [(1.0, 1.0), (-1.0, 0.0), (math.inf, LONGEST_PATIENCE), (math.nan, LONGEST_PATIENCE)]
)
def test_patience_is_a_number(asked, given):
    assert patience_of(asked) == given


def test_what_is_announced_has_to_be_there():
    """A file of holes, or one without an end, is not read: it costs its sender nothing."""
    holes = os.memfd_create("holes", os.MFD_ALLOW_SEALING)
    os.ftruncate(holes, 1 << 40)
    fcntl.fcntl(holes, fcntl.F_ADD_SEALS, segment.ALL_SEALS)
    zeros = os.open("/dev/zero", os.O_RDONLY)
    right = segment.frozen("right", b"helper")
    try:
        for fd, size in ((holes, 1 << 40), (zeros, 1 << 40), (right, 5), (right, -1)):
            with pytest.raises((ValueError, OSError), match=r"no memory of|Invalid argument"):  # no memory has seals
                taken(control.Provide(1, "h", size, 1.0), [fd])
        assert taken(control.Provide(1, "h", 6, 1.0), [right]) == b"helper"
    finally:
        for fd in (holes, zeros, right):
            os.close(fd)
