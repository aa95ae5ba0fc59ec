"""What a snapshot holds, and what a hostile folder cannot make it do. Real files, real links, real FIFOs."""

import errno
import fcntl
import hashlib
import os
import re
import signal
import socket
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from fumehood.runner import tree
from fumehood.runner.manifest import Refused
from fumehood.runner.openat2 import BENEATH, NO_SYMLINKS, openat2
from fumehood.runner.snapshot import Busy, Gone, Snapshot, digest, sign, take
from fumehood.shared.errors import ConfigError
from fumehood.shared.messages import pack
from fumehood.shared.policy import Limits
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "mods"
    folder.mkdir()
    opened = tree.Root.open(folder)
    yield opened
    opened.close()


def put(root, path, data=b"x = 1\n"):
    file = root.path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def refused(root, key, limits=None):
    with pytest.raises(Refused) as caught:
        take(root, key, limits or Limits())
    diagnostic = caught.value.diagnostic
    pack(diagnostic)
    assert diagnostic.message.isprintable()
    return diagnostic


def keys(root, below=""):
    *_, findings = tree.look(root, below)
    return dict(sorted(findings.mods.items()))


# -- what it holds ---------------------------------------------------------------------------------------------------


def test_a_file(root):
    file = put(root, "a/x.py", b"one")
    os.utime(file, ns=(5, 1_700_000_000_000_000_123))
    got = take(root, "a/x", Limits(), caused_ns=7)
    assert isinstance(got, Snapshot)
    assert (got.key, got.folder, got.files, got.caused_ns) == ("a/x", False, {"x.py": b"one"}, 7)
    assert got.signature == sign(root, "a/x", Limits())
    assert take(root, "a/x", Limits()).caused_ns > 0


def test_no_event_finds_a_mod_that_is_too_deep_for_a_look(root):
    deep = "d/" * tree.DEEPEST
    put(root, f"{deep}x.py")
    put(root, f"{deep}d/x.py")
    assert keys(root) == {f"{deep}x": False}
    assert take(root, f"{deep}x", Limits())
    with pytest.raises(Gone):
        take(root, f"{deep}d/x", Limits())


def test_a_file_that_is_being_written_is_left_alone(root):
    file = put(root, "x.py", b"whole")
    with file.open("w") as writer:
        writer.write("ha")
        writer.flush()
        with pytest.raises(Busy) as caught:
            take(root, "x", Limits(), patient=True)
        assert caught.value.path == "x.py"
        assert take(root, "x", Limits()).files == {"x.py": b"ha"}, "unless there is no time to wait"
    assert take(root, "x", Limits(), patient=True).files == {"x.py": b"ha"}
    with file.open("rb"):
        assert take(root, "x", Limits(), patient=True), "readers do not count"


def test_who_opens_a_file_while_it_is_read_waits_and_no_signal_ends_us(root):
    file = put(root, "x.py", b"x = 1\n" * 1000)
    with ThreadPoolExecutor() as pool:
        done = [pool.submit(lambda: [file.open("r+").close() for _ in range(300)]) for _ in range(2)]
        while not all(each.done() for each in done):
            with suppress(Busy):
                assert take(root, "x", Limits(), patient=True).files == {"x.py": b"x = 1\n" * 1000}


def test_a_folder_with_its_data(root):
    put(root, "weather/__init__.py", b"i")
    put(root, "weather/sub/deep.py", b"d")
    put(root, "weather/data/t.json", b"{}")
    put(root, "weather/sub/__init__.py", b"")
    put(root, "weather/mod.toml", b"order = 4")
    for scratch in (".git/HEAD", "__pycache__/x.pyc", "data/t.json~", ".t.json.swp", "#t#", "4913", "x.py___jb_tmp___"):
        put(root, "weather/" + scratch, b"no")
    got = take(root, "weather", Limits())
    assert got.folder
    assert list(got.files) == ["__init__.py", "data/t.json", "mod.toml", "sub/__init__.py", "sub/deep.py"]
    assert got.manifest.order == 4
    with pytest.raises(Gone):
        take(root, "weather/sub", Limits())
    with pytest.raises(Gone):
        take(root, "weather/sub/deep", Limits())


def test_the_digest_is_of_paths_and_bytes_alone(root):
    put(root, "a/x.py", b"same")
    put(root, "b/x.py", b"same")
    first = take(root, "a/x", Limits())
    os.utime(root.path / "a/x.py", (1, 1))
    assert take(root, "a/x", Limits()).digest == take(root, "b/x", Limits()).digest == first.digest
    assert first.digest == digest({"x.py": b"same"})
    wanted = b"fumehood snapshot 1\n" + (4).to_bytes(8, "little") + b"x.py" + (4).to_bytes(8, "little") + b"same"
    assert first.digest == hashlib.sha256(wanted).hexdigest()


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
FILES = st.dictionaries(NAMES, st.binary(max_size=8), max_size=5)


@given(FILES, FILES)
def test_different_files_have_different_digests(one, other):
    assert (digest(one) == digest(other)) == (one == other)
    assert digest(dict(reversed(one.items()))) == digest(one)


@pytest.mark.parametrize(
    "name", ["with space", "a-b.c", "wetter-ä", "天気", "e\u0301 combined", " lead", "__main__", "x" * 250]
)
def test_unusual_names_are_names(root, name):
    put(root, f"{name}.py", b"n")
    put(root, f"sub {name[:200]}/__init__.py", b"n")
    assert keys(root) == {name: False, f"sub {name[:200]}": True}
    assert take(root, name, Limits()).files == {f"{name}.py": b"n"}
    assert take(root, f"sub {name[:200]}", Limits()).folder


# -- what is a mod ---------------------------------------------------------------------------------------------------


def test_which_paths_are_mods(root):
    for path in (
        "x.py", "a/x.py", "a/b/x.py", "weather/__init__.py", "weather/sub.py", "weather/in/__init__.py", "data.json",
        "__init__.py", ".hidden.py", ".git/hook.py", "__pycache__/x.py", "x.py~", ".x.py.swp", "a/.#x.py", "#x.py#",
        "4913", "x.pyc", "dir.py/y.py", "b/__init__.py/odd.py",
    ):  # fmt: skip
        put(root, path)
    assert keys(root) == {"x": False, "a/x": False, "a/b/x": False, "weather": True, "dir.py/y": False, "b": True}
    assert keys(root, "a") == {"a/x": False, "a/b/x": False}
    assert refused(root, "b").file == "b/__init__.py"
    assert keys(root, "absent") == {}


@pytest.mark.parametrize(
    "name",
    [
        ".x.py.swp", ".x.py.swo", "x.py~", "4913", "5036", ".#x.py", "#x.py#", "x.py___jb_tmp___", "x.py___jb_old___",
        ".goutputstream-ABC123", ".x.py.kate-swp", "x.py.tmp", "x.py.vsctmp", ".sublx1.tmp", "sedAbC123", "x.py.bak",
        "__pycache__", "x.cpython-311.pyc", ".git", ".nfs0001", "x.py.filepart", "x.py.save", "x.swx",
    ],
)  # fmt: skip
def test_scratch_of_editors_never_counts(name):
    assert tree.ignored(name)


@pytest.mark.parametrize(
    "name", ["x.py", "2024", "4914", "sed.py", "sedation", "data.json", "tmp", "a~b", "swap.sw", "#1"]
)
def test_what_only_looks_like_scratch_counts(name):
    assert not tree.ignored(name)


def test_a_file_beside_a_folder_of_its_name_is_one_clear_refusal(root):
    put(root, "weather.py")
    put(root, "weather/__init__.py")
    diagnostic = refused(root, "weather")
    assert (diagnostic.kind, diagnostic.file) == ("Ambiguous", "weather.py")
    assert "weather/__init__.py" in diagnostic.message
    (root.path / "weather/__init__.py").rename(root.path / "weather/other.py")
    assert not take(root, "weather", Limits()).folder


def test_nothing_there_is_gone(root):
    (root.path / "empty").mkdir()
    (root.path / "folder.py").mkdir()
    for key in ("x", "a/b/c", "empty", "folder"):
        with pytest.raises(Gone):
            take(root, key, Limits())
        with pytest.raises(Gone):
            sign(root, key, Limits())


@pytest.mark.parametrize("name", ["new\nline", "bell\x07", "\x1b[2J", "rtl\u202e", "back\\slash", "bad\udcff"])
def test_names_that_cannot_be_shown_are_refused_escaped(root, name):
    put(root, f"{name}.py")
    put(root, f"ok/{name}/__init__.py")
    put(root, "mod/__init__.py")
    put(root, f"mod/{name}")
    assert set(keys(root)) == {name, f"ok/{name}", "mod"}
    for key in (name, f"ok/{name}", "mod"):
        diagnostic = refused(root, key)
        assert diagnostic.kind == "BadName"
        assert diagnostic.file.isprintable()


# -- what it is not led to -------------------------------------------------------------------------------------------


def test_no_link_leads_out(root, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "__init__.py").write_text("secret")
    (secret / "key.py").write_text("secret")
    put(root, "weather/__init__.py")
    for link, target in {
        "out.py": "../secret/key.py",
        "absolute.py": secret / "key.py",
        "loop.py": "loop.py",
        "folder": "../secret",
        "weather/out.txt": "../../secret/key.py",
    }.items():
        (root.path / link).symlink_to(target)
    for key, file in {
        "out": "out.py", "absolute": "absolute.py", "loop": "loop.py", "folder": "folder", "weather": "weather/out.txt"
    }.items():  # fmt: skip
        assert key in keys(root)
        diagnostic = refused(root, key)
        assert (diagnostic.kind, diagnostic.file) == ("Link", file)


def test_links_below_a_folder_mod_may_stay_inside_it(root):
    put(root, "weather/__init__.py")
    put(root, "weather/data/v2.json", b"2")
    (root.path / "weather/current.json").symlink_to("data/v2.json")
    first = take(root, "weather", Limits())
    assert first.files["current.json"] == b"2"
    assert sign(root, "weather", Limits()) == first.signature
    (root.path / "weather/twin").symlink_to("data")
    assert refused(root, "weather").kind == "NotRegular"
    (root.path / "weather/twin").unlink()
    (root.path / "weather/nowhere").symlink_to("absent")
    assert (refused(root, "weather").message) == "it is a link that leads nowhere"
    (root.path / "weather/nowhere").unlink()
    (root.path / "weather/self").symlink_to("/proc/self/fd/0")
    assert refused(root, "weather").kind == "Link"


def test_a_folder_on_the_way_that_is_a_link(root, tmp_path):
    (tmp_path / "else").mkdir()
    (tmp_path / "else/x.py").write_text("secret")
    (root.path / "a").symlink_to(tmp_path / "else")
    assert refused(root, "a/x").kind == "Link"
    assert keys(root) == {"a": True}, "as likely as not a mod's folder; to know would be to look where it leads"
    assert refused(root, "a").kind == "Link"


def test_a_fifo_a_socket_and_a_folder_mod_with_one_do_not_hang(root):
    os.mkfifo(root.path / "pipe.py")
    put(root, "weather/__init__.py")
    os.mkfifo(root.path / "weather/pipe")
    here = Path.cwd()
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(root.path)  # a socket's path has to be short
        try:
            server.bind("sock.py")
        finally:
            os.chdir(here)
        for key in ("pipe", "weather", "sock"):
            assert refused(root, key).kind == "NotRegular"


def test_only_the_root_s_owner_s_files(root):
    file = put(root, "x.py")
    if os.geteuid() == 0:
        os.chown(file, 65534, 65534)
        stranger = root
    else:
        stranger = replace(root, owner=root.owner + 1)
    diagnostic = refused(stranger, "x")
    assert diagnostic.kind == "WrongOwner"
    assert take(replace(root, owner=file.stat().st_uid), "x", Limits()).files


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything; the suite also runs unprivileged")
def test_what_may_not_be_read_says_so(root):
    put(root, "x.py").chmod(0)
    put(root, "weather/__init__.py")
    put(root, "weather/data").chmod(0)
    assert (refused(root, "x").kind, refused(root, "weather").file) == ("Unreadable", "weather/data")
    for closed in (root.path / "weather", root.path):
        closed.chmod(0)
        try:
            assert refused(root, "weather").kind == "Unreadable", "it may well be there: not gone"
        finally:
            closed.chmod(0o700)


def test_a_writers_lease_is_waited_for(root):
    """As an editor on another machine has, by Samba: the file cannot be opened until it lets go."""
    fd = os.open(put(root, "x.py"), os.O_WRONLY)
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        with pytest.raises(Busy):
            take(root, "x", Limits(), patient=True)
        assert refused(root, "x").kind == "Unreadable"
    finally:
        os.close(fd)
    assert take(root, "x", Limits(), patient=True)


def test_no_look_leads_through_a_link(root, tmp_path):
    """What lies elsewhere is not to be told from what a link to it is called, nor is there to be waited for it."""
    (tmp_path / "else").mkdir()
    put(root, "plain/x.py")
    for target in (tmp_path / "else", tmp_path / "absent", "plain"):
        (root.path / "link").symlink_to(target)
        assert keys(root) == {"link": True, "plain/x": False}
        assert refused(root, "link").message == refused(root, "link/x").message
        with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
            tree.found(root.fd, "link/x.py")
        state = tree.found(root.fd, "link")
        assert state is not None
        assert stat.S_ISLNK(state.st_mode)
        (root.path / "link").unlink()
    (root.path / "LICENSE.txt").symlink_to(tmp_path / "else")
    assert keys(root) == {"plain/x": False}


def test_sizes_and_counts_are_checked_before_reading(root):
    limits = Limits(snapshot_bytes=100, snapshot_files=3)
    put(root, "fits.py", b"#" * 100)
    put(root, "large.py", b"#" * 101)
    giant = put(root, "giant.py")
    os.truncate(giant, 1 << 42)
    put(root, "weather/__init__.py", b"#" * 60)
    put(root, "weather/data", b"#" * 41)
    assert take(root, "fits", limits)
    for key, excess in {"large": 1, "giant": (1 << 42) - 100, "weather": 1}.items():
        diagnostic = refused(root, key, limits)
        assert diagnostic.kind == "TooLarge"
        assert f" {excess} bytes above" in diagnostic.message
    for number in range(2):
        put(root, f"many/{number}")
    put(root, "many/__init__.py")
    assert len(take(root, "many", limits).files) == 3
    put(root, "many/one-more")
    assert refused(root, "many", limits).kind == "TooManyFiles"


def test_a_mod_may_lower_its_own_size(root):
    put(root, "x.py", b"# /// script\n# [tool.fumehood.limits]\n# snapshot-bytes = 10\n# ///\n")
    assert refused(root, "x").kind == "TooLarge"
    put(root, "weather/__init__.py")
    put(root, "weather/mod.toml", b"[limits]\nsnapshot-files = 1\n")
    assert refused(root, "weather").kind == "TooManyFiles"


def test_a_hundred_thousand_files_are_not_listed_to_the_end(root):
    put(root, "weather/__init__.py")
    fd = os.open(root.path / "weather", os.O_RDONLY)
    try:
        for number in range(tree.MOST_ENTRIES + 1):
            os.close(os.open(f"f{number}", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=fd))
    finally:
        os.close(fd)
    assert refused(root, "weather").kind == "TooManyFiles"
    (root.path / "weather").rename(root.path / "plain")
    (root.path / "plain/__init__.py").unlink()
    *_, findings = tree.look(root)
    assert findings.blind == {"plain": f"more than {tree.MOST_ENTRIES} entries"}


def test_mods_without_end_are_not_looked_for_to_the_end(root, monkeypatch):
    monkeypatch.setattr(tree, "MOST_FOUND", 10)
    for number in range(40):
        put(root, f"d{number % 4}/{number}.py")
    *_, findings = tree.look(root)
    assert len(findings.mods) == 20
    assert findings.blind == {"": "more than 10 mods"}


def test_a_tree_too_deep_is_not_followed(root):
    deep = "/".join(["d"] * (tree.DEEPEST + 5))
    put(root, f"{deep}/x.py")
    put(root, f"weather/{deep}/x.py")
    put(root, "weather/__init__.py")
    *_, findings = tree.look(root)
    assert list(findings.mods) == ["weather"]
    assert findings.blind
    assert refused(root, "weather").kind == "TooDeep"
    assert max(path.count("/") for path, _ in tree.subfolders(root.fd)) == tree.DEEPEST - 1


def test_a_broken_manifest_is_refused_with_its_line(root):
    put(root, "a/x.py", b"# /// script\n# [tool.fumehood]\n# ordre = 1\n# ///\n")
    diagnostic = refused(root, "a/x")
    assert (diagnostic.file, diagnostic.line) == ("a/x.py", 3)
    put(root, "weather/__init__.py")
    put(root, "weather/mod.toml", b"\n?")
    diagnostic = refused(root, "weather")
    assert (diagnostic.file, diagnostic.line) == ("weather/mod.toml", 2)


# -- while it moves --------------------------------------------------------------------------------------------------


def hammer(root, work, tries=300):
    """Take snapshots while another thread runs `work` over and over; return what came of it."""
    stop = threading.Event()

    def run():
        while not stop.is_set():
            work()

    thread = threading.Thread(target=run)
    thread.start()
    outcomes = []
    try:
        for _ in range(tries):
            try:
                outcomes.append(take(root, "weather", Limits()))
            except Gone:
                outcomes.append(None)
            except Refused as error:
                outcomes.append(error.diagnostic.kind)
    finally:
        stop.set()
        thread.join()
    return outcomes


def test_a_file_that_grows_while_it_is_read(root):
    file = put(root, "weather.py", b"")
    with file.open("ab", buffering=0) as writer:

        def work():
            writer.write(b"#" * 1000)
            if writer.tell() > 1_000_000:
                writer.truncate(0)

        outcomes = hammer(root, work)
    for got in outcomes:
        assert got == "Unsteady" or len(got.files["weather.py"]) == got.signature[0][2]


def test_files_that_come_and_go_while_they_are_read(root):
    put(root, "weather/__init__.py", b"always")

    def work():
        put(root, "weather/data/a", b"a")
        (root.path / "weather/data/a").unlink()
        (root.path / "weather/data").rmdir()

    for got in hammer(root, work):
        assert got == "Unsteady" or got.files["__init__.py"] == b"always"


def test_a_folder_swapped_for_a_link_while_it_is_read(root, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "__init__.py").write_bytes(b"secret")
    put(root, "real/__init__.py", b"fine")
    (root.path / "link").symlink_to(secret)

    def work():
        for name in ("real", "link"):
            (root.path / name).rename(root.path / "weather")
            (root.path / "weather").rename(root.path / name)

    for got in hammer(root, work, 1000):
        assert got in (None, "Link", "Unsteady") or got.files == {"__init__.py": b"fine"}


# -- the root and openat2 --------------------------------------------------------------------------------------------


def test_a_root_that_is_none(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    for name, words in {"absent": "does not exist", "file": "not a folder", "loop": "loop"}.items():
        with pytest.raises(ConfigError, match=words):
            tree.Root.open(tmp_path / name)


def test_a_root_that_moved(root):
    assert not root.moved()
    root.path.rename(root.path.with_name("elsewhere"))
    assert root.moved()
    root.path.mkdir()
    assert root.moved()


def test_openat2_says_why(root, tmp_path):
    (root.path / "link").symlink_to("absent")
    for path, resolve, number in (
        ("..", BENEATH, errno.EXDEV),
        ("absent", BENEATH, errno.ENOENT),
        ("link", NO_SYMLINKS, errno.ELOOP),
        ("a\0b", BENEATH, errno.EINVAL),
    ):
        with pytest.raises(OSError, match=re.escape(os.strerror(number)) if "\0" not in path else "NUL") as caught:
            openat2(root.fd, path, os.O_RDONLY, resolve)
        assert caught.value.errno == number
    fd = openat2(root.fd, ".", os.O_RDONLY)
    assert not os.get_inheritable(fd)
    os.close(fd)


def test_no_descriptor_is_left_behind(root):
    put(root, "x.py")
    put(root, "weather/__init__.py")
    put(root, "bad/__init__.py")
    (root.path / "bad/link").symlink_to("/etc/passwd")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        for key in ("x", "weather", "bad", "absent"):
            try:
                take(root, key, Limits())
                sign(root, key, Limits())
            except (Gone, Refused):
                pass
        keys(root)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
