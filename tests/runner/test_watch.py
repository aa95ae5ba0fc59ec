"""The watchers against the real kernel. Each trap of watchdog that they are built around has a test here."""

import ctypes
import os
import tempfile
import threading
import time
from pathlib import Path

import pytest
from fumehood.runner import inotify, tree, watch
from fumehood.runner.inotify import Native
from fumehood.runner.watch import Event, Kind, Mailbox, Polling, unserved
from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, InotifyFD, Mask
from watchdog.utils import BaseThread

DEADLINE = 20.0


class Listener:
    """A mailbox whose events are waited for."""

    def __init__(self):
        self.rung = threading.Event()
        self.mailbox = Mailbox(self.rung.set)
        self.events: list[Event] = []

    def take(self):
        self.rung.clear()
        new = self.mailbox.take()
        self.events += new
        return new

    def until(self, kind, path):
        """Wait for one event; return those before it."""
        end = time.monotonic() + DEADLINE
        seen = 0
        while True:
            self.take()
            for number, event in enumerate(self.events[seen:], seen):
                if (event.kind, event.path) == (kind, path):
                    before = self.events[:number]
                    del self.events[: number + 1]
                    return before
            seen = len(self.events)
            assert self.rung.wait(end - time.monotonic()), f"no {kind.name} {path}: {self.events[-20:]}"

    def pass_twice(self):
        """Wait until the poller has begun and ended a look at everything."""
        end = time.monotonic() + DEADLINE
        wanted = self.watcher.passes + 2
        while self.watcher.passes < wanted:
            assert time.monotonic() < end
            self.rung.wait(0.01)


def kinds(events):
    return [(event.kind, event.path) for event in events]


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "mods"
    path.mkdir()
    return path


@pytest.fixture
def root(folder):
    opened = tree.Root.open(folder)
    yield opened
    opened.close()


@pytest.fixture
def native(root):
    listener = Listener()
    watcher = Native(root, listener.mailbox)
    listener.watcher = watcher
    yield listener
    watcher.close()
    assert not watcher.alive()
    assert watcher._order == sorted(watcher._watches)
    assert watcher._paths == {wd: path for path, (wd, _) in watcher._watches.items()}


# -- native ----------------------------------------------------------------------------------------------------------


def test_a_save_ends_with_wrote(folder, native):
    (folder / "x.py").write_text("one")
    before = native.until(Kind.WROTE, "x.py")
    assert kinds(before)[0] == (Kind.CREATED, "x.py")
    assert {kind for kind, _ in kinds(before)} <= {Kind.CREATED, Kind.OPENED}
    with (folder / "x.py").open("a") as file:
        file.write("two")
        file.flush()
        native.until(Kind.OPENED, "x.py")
    native.until(Kind.WROTE, "x.py")
    (folder / "x.py").rename(folder / "y.py")
    native.until(Kind.VANISHED, "x.py")
    native.until(Kind.WROTE, "y.py")
    (folder / "y.py").chmod(0o600)
    native.until(Kind.WROTE, "y.py")
    (folder / "y.py").unlink()
    native.until(Kind.VANISHED, "y.py")


def test_times_are_monotonic_and_come_in_order(folder, native):
    start = time.monotonic_ns()
    for number in range(20):
        (folder / f"{number}.py").write_text("")
    events = native.until(Kind.WROTE, "19.py")
    times = [event.at for event in events]
    assert times == sorted(times)
    assert start <= times[0]
    assert times[-1] <= time.monotonic_ns()


def test_our_own_reading_is_not_reported(folder, native):
    (folder / "x.py").write_text("one")
    native.until(Kind.WROTE, "x.py")
    for _ in range(50):
        (folder / "x.py").read_bytes()
        list(folder.iterdir())
    (folder / "end.py").write_text("")
    assert {event.path for event in native.until(Kind.WROTE, "end.py")} == {"end.py"}


def test_scratch_is_not_reported_and_its_folders_are_not_watched(folder, native):
    (folder / ".git/objects").mkdir(parents=True)
    (folder / ".git/index").write_text("")
    (folder / ".x.py.swp").write_text("")
    (folder / "x.py~").write_text("")
    (folder / "end.py").write_text("")
    assert {event.path for event in native.until(Kind.WROTE, "end.py")} == {"end.py"}
    assert native.watcher.folders == 1


def test_a_rename_out_of_the_tree_holds_nothing_back(folder, native, tmp_path):
    """watchdog's emitter waits 0.5 s for the other half, and every later event waits with it."""
    (folder / "x.py").write_text("")
    native.until(Kind.WROTE, "x.py")
    (folder / "x.py").rename(tmp_path / "gone.py")
    (folder / "y.py").write_text("")
    native.until(Kind.VANISHED, "x.py")
    native.until(Kind.WROTE, "y.py")
    # No emitter, no observer: nothing between the kernel's queue and the mailbox that could wait.
    assert [type(thread) for thread in threading.enumerate() if isinstance(thread, BaseThread)] == [InotifyFD]


def test_files_of_a_new_folder_are_seen_in_full(folder, native, tmp_path):
    """watchdog reports what it finds in a new folder as created and leaves the rest to luck."""
    (folder / "new").mkdir()
    (folder / "new/x.py").write_text("one")
    native.until(Kind.FOLDER, "new")
    (folder / "new/x.py").write_text("two")
    native.until(Kind.WROTE, "new/x.py")
    (tmp_path / "made/a/b").mkdir(parents=True)
    (tmp_path / "made").rename(folder / "moved")
    native.until(Kind.FOLDER, "moved")
    (folder / "moved/a/b/x.py").write_text("")
    native.until(Kind.WROTE, "moved/a/b/x.py")


def test_a_renamed_folder_reports_under_its_new_name(folder, native):
    (folder / "a/b").mkdir(parents=True)
    native.until(Kind.FOLDER, "a")
    for new, old in (("c", "a"), ("d", "c"), ("a", "d")):
        (folder / old).rename(folder / new)
        native.until(Kind.FOLDER, new)
        (folder / new / "b/x.py").write_text("")
        native.until(Kind.WROTE, f"{new}/b/x.py")
    assert native.watcher.folders == 3


def test_a_folder_that_left_is_no_longer_watched(folder, native, tmp_path):
    (folder / "a/b").mkdir(parents=True)
    native.until(Kind.FOLDER, "a")
    (folder / "a").rename(tmp_path / "out")
    native.until(Kind.VANISHED, "a")
    (tmp_path / "out/b/x.py").write_text("")
    (folder / "end.py").write_text("")
    assert all(event.path == "end.py" for event in native.until(Kind.WROTE, "end.py"))
    assert native.watcher.folders == 1


def test_a_burst_of_renames_is_seen_to_the_end(folder, native):
    """watchdog's emitter searches its queue for each."""
    for number in range(3000):
        (folder / f"f{number}").touch()
    native.until(Kind.WROTE, "f2999")
    for number in range(3000):
        (folder / f"f{number}").rename(folder / f"g{number}")
    events = [*native.until(Kind.WROTE, "g2999")]
    assert sum(event.kind is Kind.WROTE for event in events) == 2999
    assert sum(event.kind is Kind.VANISHED for event in events) == 3000


def test_a_root_that_was_renamed_says_so(folder, native):
    """watchdog does not ask for IN_MOVE_SELF and goes on reporting the old tree."""
    folder.rename(folder.with_name("old"))
    native.until(Kind.ROOT, "")


def test_an_overflow_is_heard_and_the_tree_is_watched_anew(folder, native, overflow):
    """watchdog only logs it; what was created meanwhile would stay silent."""
    (folder / "sub").mkdir()
    native.until(Kind.FOLDER, "sub")
    overflow(folder)
    native.until(Kind.OVERFLOW, "")
    (folder / "sub/x.py").write_text("")
    native.until(Kind.WROTE, "sub/x.py")


def test_a_folder_that_may_not_be_watched(run):
    """watchdog takes EACCES for success and stores descriptor -1."""
    code = """
        import os, sys, warnings
        from pathlib import Path
        from fumehood.runner import tree
        from fumehood.runner.inotify import Native
        from fumehood.runner.watch import Kind, Mailbox
        warnings.simplefilter("error")
        if os.geteuid() == 0:
            os.setgroups([]); os.setgid(65534); os.setuid(65534)
        mailbox = Mailbox(lambda: None)
        native = Native(tree.Root.open(Path(sys.argv[1])), mailbox)
        print([(e.kind.name, e.path[3:]) for e in mailbox.take()], native.folders)
        try:
            native._watch("two", os.open(sys.argv[1] + "/two", os.O_PATH))  # closed a moment after it was opened
        except OSError as error:
            print(error.strerror, native.folders)
        native.close()
    """
    with tempfile.TemporaryDirectory() as name:  # not tmp_path: its parents are closed to the user this changes to
        folder = Path(name)
        folder.chmod(0o755)
        for closed in ("one", "two"):
            (folder / closed).mkdir(mode=0)
        (folder / "open").mkdir(mode=0o755)
        got = run(code, name)
    assert got.stdout == "[('BLIND', ': Permission denied')] 2\nPermission denied 2\n", got.stderr


def test_a_folder_that_is_a_link_by_the_time_it_is_looked_at(folder, native):
    """Walked through, it would lead to the root under another name, by which all its events would go from then on."""
    (folder / "evil").symlink_to("..")
    watcher = native.watcher
    watcher.on_event(
        InotifyEvent(watcher._watches[""][0], Mask(InotifyConstants.IN_CREATE | InotifyConstants.IN_ISDIR), 0, b"evil")
    )
    watcher.on_event(
        InotifyEvent(
            watcher._watches[""][0], Mask(InotifyConstants.IN_CREATE | InotifyConstants.IN_ISDIR), 0, b"evil/mods"
        )
    )
    assert watcher.folders == 1
    (folder / "x.py").write_text("")
    native.until(Kind.WROTE, "x.py")


def test_two_folders_exchanged_are_both_watched_on(folder, native):
    """The events are: from a, to b, from b, to a. The third is of what b was, and by then b is another."""
    (folder / "a/one").mkdir(parents=True)
    (folder / "b/two").mkdir(parents=True)
    native.until(Kind.FOLDER, "b")
    libc = ctypes.CDLL(None, use_errno=True)
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    a, b = bytes(folder / "a"), bytes(folder / "b")
    for turn in range(5):
        assert libc.renameat2(here, a, here, b, exchange) == 0, os.strerror(ctypes.get_errno())
        for path in ("a/two", "b/one") if turn % 2 == 0 else ("a/one", "b/two"):
            (folder / path / f"{turn}.py").write_text("")
            native.until(Kind.WROTE, f"{path}/{turn}.py")
    assert native.watcher.folders == 5


def test_a_folder_and_a_link_take_turns(folder, native, tmp_path, monkeypatch):
    monkeypatch.setattr(inotify, "PATIENCE", 60.0)  # a slow machine takes long for so many
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to(tmp_path)
    for number in range(3000):
        name = "ab"[number & 1]
        (tmp_path / name).rename(folder / "evil")
        (folder / "evil").rename(tmp_path / name)
    (folder / "x.py").write_text("")
    seen = native.until(Kind.WROTE, "x.py")
    assert {event.path for event in seen} <= {"evil", "x.py"}
    assert native.watcher.folders == 1


def test_the_root_mounted_below_itself_keeps_its_name(folder, run, limited):
    (folder / "again").mkdir()
    code = """
        import subprocess, sys
        from pathlib import Path
        from fumehood.runner import tree
        from fumehood.runner.inotify import Native
        from fumehood.runner.watch import Mailbox
        subprocess.run(["mount", "--bind", sys.argv[1], sys.argv[1] + "/again"], check=True)
        mailbox = Mailbox(lambda: None)
        native = Native(tree.Root.open(Path(sys.argv[1])), mailbox)
        print(sorted(native._watches), mailbox.take())
        native.close()
    """
    got = run(code, str(folder), prefix=[*limited(), "unshare", "--mount"])
    assert got.stdout == "['', 'again/again'] []\n", got.stderr


def test_who_is_busy_looking_through_folders_gives_up(folder, native, tmp_path, monkeypatch):
    """A folder of 4000 folders, its mode changed for half a second, was looked through for a minute."""
    (tmp_path / "a/b").mkdir(parents=True)
    monkeypatch.setattr(inotify, "PATIENCE", -1.0)
    (tmp_path / "a").rename(folder / "a")
    native.until(Kind.STALE, "")
    (folder / "x.py").write_text("")
    deadline = time.monotonic() + 0.2
    while time.monotonic() < deadline:
        native.rung.wait(deadline - time.monotonic())
        assert not any(event.path == "x.py" for event in native.take()), "another is to take its place"


def test_who_gave_up_is_not_alive_and_that_is_never_lost(native, monkeypatch):
    monkeypatch.setattr(watch, "MOST_WAITING", 0)
    with native.watcher._lock:
        native.watcher._give_up()
    assert not native.watcher.alive()
    native.until(Kind.STALE, "")


def test_an_overflow_while_the_root_cannot_be_looked_at(native, monkeypatch):
    """No watch is left then, not even the root's."""
    monkeypatch.setattr(tree, "openat2", lambda *_: os.open("/nonexistent", os.O_RDONLY))
    native.watcher.on_queue_overflow()
    native.until(Kind.STALE, "")


def test_closing_in_the_middle_of_a_look_says_nothing(folder, native, tmp_path, monkeypatch):
    """watchdog closes its descriptor at once; another's may have the number when the look goes on."""
    for number in range(20):
        (tmp_path / f"big/{number}").mkdir(parents=True)
    closer = threading.Thread(target=native.watcher.close)
    watched, kept, begun = native.watcher._watch, [], threading.Event()

    def slowly(path, fd):
        kept.append(path)
        if len(kept) == 3:
            closer.start()
            begun.set()
            assert native.watcher._reader.stopped_event.wait(DEADLINE)
        watched(path, fd)

    monkeypatch.setattr(native.watcher, "_watch", slowly)
    (tmp_path / "big").rename(folder / "big")
    assert begun.wait(DEADLINE)
    closer.join(DEADLINE)
    assert len(kept) == 3
    assert Kind.BLIND not in {event.kind for event in native.take()}


def test_a_mode_that_is_changed_leads_to_no_look_through_what_is_watched(folder, native, monkeypatch):
    (folder / "a/b").mkdir(parents=True)
    (folder / "after.py").write_text("")
    native.until(Kind.WROTE, "after.py")  # both folders are watched, and no event of theirs is to come
    native.events.clear()
    monkeypatch.setattr(inotify, "PATIENCE", -1.0)
    (folder / "a").chmod(0o711)
    native.until(Kind.FOLDER, "a")
    (folder / "x.py").write_text("")
    native.until(Kind.WROTE, "x.py")


def test_the_roots_mode_is_heard_of(folder, native):
    """Its name is not in its events; closed and opened again by its owner, all in it came back a minute later."""
    folder.chmod(0o711)
    native.until(Kind.SOMEWHERE, "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into everything; the suite also runs unprivileged")
def test_what_could_not_be_looked_into_is_watched_once_it_can(folder, native):
    (folder / "a/b").mkdir(parents=True)
    native.until(Kind.FOLDER, "a")
    (folder / "a").chmod(0o600)
    native.until(Kind.FOLDER, "a")
    with native.watcher._lock:
        native.watcher._cover("a")
    (folder / "a").chmod(0o700)
    native.until(Kind.STALE, "")


def test_there_are_no_more_watches_than_folders_looked_at(folder, native, monkeypatch):
    monkeypatch.setattr(tree, "MOST_FOLDERS", 5)
    for number in range(9):
        (folder / f"{number}").mkdir()
        native.until(Kind.FOLDER, f"{number}")
    assert native.watcher.folders == 5


@pytest.mark.parametrize("left", [0, 1])
def test_no_descriptor_to_look_with_is_heard(folder, run, left):
    for number in range(3):
        (folder / f"d{number}").mkdir()
    code = """
        import os, resource, sys, threading
        from pathlib import Path
        from fumehood.runner import tree
        from fumehood.runner.inotify import Native
        from fumehood.runner.watch import Mailbox
        mailbox = Mailbox(lambda: None)
        native = Native(tree.Root.open(Path(sys.argv[1])), mailbox)
        with native._lock:
            native._uncover("")
        highest = os.dup(0)
        os.close(highest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + int(sys.argv[2]),) * 2)
        native.on_queue_overflow()
        print([(e.kind.name, "ulimit -n" in e.path) for e in mailbox.take()])
        native.close()
    """
    got = run(code, str(folder), str(left))
    assert got.stdout == "[('EXHAUSTED', True), ('STALE', False), ('OVERFLOW', False)]\n", got.stderr


def test_a_full_watch_table_is_heard(folder, run, limited):
    """watchdog swallows the error for subfolders, which then stay silent for ever."""
    for number in range(10):
        (folder / f"d{number}").mkdir()
    code = """
        import sys
        from pathlib import Path
        from fumehood.runner import tree
        from fumehood.runner.inotify import Native
        from fumehood.runner.watch import Mailbox
        mailbox = Mailbox(lambda: None)
        native = Native(tree.Root.open(Path(sys.argv[1])), mailbox)
        print([(e.kind.name, "max_user_watches" in e.path) for e in mailbox.take()], native.folders)
        native.close()
    """
    got = run(code, str(folder), prefix=limited(max_inotify_watches=5))
    assert got.stdout == "[('EXHAUSTED', True)] 5\n", got.stderr


@pytest.mark.parametrize("limit", ["max_inotify_instances", "max_inotify_watches"])
def test_no_inotify_at_all_is_an_error(folder, limit, run, limited):
    code = """
        import os, sys, threading
        from pathlib import Path
        from fumehood.runner import tree
        from fumehood.runner.inotify import Native
        from fumehood.runner.watch import Mailbox
        root = tree.Root.open(Path(sys.argv[1]))
        before = len(os.listdir("/proc/self/fd"))
        try:
            Native(root, Mailbox(lambda: None))
        except OSError as error:
            print("limit" in str(error), len(os.listdir("/proc/self/fd")) - before, threading.active_count())
    """
    got = run(code, str(folder), prefix=limited(**{limit: 0}))
    assert got.stdout == "True 0 1\n", got.stderr


def test_closing_leaves_no_thread_and_no_descriptor(root):
    before = len(list(Path("/proc/self/fd").iterdir())), threading.active_count()
    for kind in (lambda box: Native(root, box), lambda box: Polling(root, box, 5.0)):
        watcher = kind(Listener().mailbox)
        assert watcher.alive()
        watcher.close()
        assert not watcher.alive()
    assert (len(list(Path("/proc/self/fd").iterdir())), threading.active_count()) == before


# -- polling ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def polling(root, folder, tmp_path):
    (tmp_path / "outside").mkdir()
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "up").symlink_to("..")
    (folder / ".git").mkdir()
    listener = Listener()
    watcher = listener.watcher = Polling(root, listener.mailbox, 0.05)
    yield listener
    watcher.close()


def test_polling_notices_each_kind_of_change(folder, polling):
    for change in (
        lambda: (folder / "x.py").write_text("one"),
        lambda: (folder / "x.py").write_text("longer"),
        lambda: (folder / "x.py").rename(folder / "y.py"),
        lambda: (folder / "a/b").mkdir(parents=True),
        lambda: (folder / "a/b/x.py").write_text(""),
        lambda: (folder / "y.py").unlink(),
    ):
        change()
        polling.until(Kind.SOMEWHERE, "")
        polling.pass_twice()
        polling.take()
        polling.events.clear()


def test_polling_notices_a_save_that_keeps_size_and_time(folder, polling):
    file = folder / "x.py"
    file.write_text("one")
    polling.until(Kind.SOMEWHERE, "")
    polling.pass_twice()
    polling.take()
    polling.events.clear()
    before = file.stat()
    with file.open("r+") as opened:
        opened.write("two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    polling.until(Kind.SOMEWHERE, "")


def test_polling_follows_no_link_and_skips_scratch(folder, polling, tmp_path):
    (tmp_path / "outside/x.py").write_text("")
    (folder / ".git/x.py").write_text("")
    (folder / "x.py~").write_text("")
    polling.pass_twice()
    assert not polling.take()


def test_polling_walks_into_no_folder_that_is_a_link_by_then(folder, polling, tmp_path):
    """Nor does it end the look at the others."""
    (tmp_path / "outside/x.py").write_text("")
    assert [each.name for each in polling.watcher._list(str(folder / "link"))] == []
    assert [each.name for each in polling.watcher._list(str(folder / "up/mods"))] == []
    assert {each.name for each in polling.watcher._list(str(folder))} == {"link", "up"}


def test_polling_a_root_that_cannot_be_looked_at_leaves_nothing_open(folder):
    opened = tree.Root.open(folder)
    folder.rmdir()
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="No such file"):
        Polling(opened, Listener().mailbox, 5.0)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    opened.close()


def test_polling_says_when_the_root_is_gone(folder, polling):
    for link in ("link", "up"):
        (folder / link).unlink()
    (folder / ".git").rmdir()
    folder.rmdir()
    polling.until(Kind.ROOT, "")


# -- the mailbox and the choice --------------------------------------------------------------------------------------


def test_the_mailbox_wakes_once_and_is_bounded(monkeypatch):
    monkeypatch.setattr(watch, "MOST_WAITING", 10)
    wakes = []
    box = Mailbox(lambda: wakes.append(1))
    for number in range(25):
        box.put(Kind.WROTE, str(number))
    assert wakes == [1]
    got = kinds(box.take())
    assert got == [(Kind.WROTE, str(n)) for n in range(10)] + [(Kind.OVERFLOW, "")]
    box.put(Kind.WROTE, "again")
    assert wakes == [1, 1]
    assert kinds(box.take()) == [(Kind.WROTE, "again")]


def test_nothing_is_lost_between_threads():
    """Many writers, one reader that sleeps unless it was woken."""
    rung = threading.Event()
    box = Mailbox(rung.set)
    writers = [
        threading.Thread(target=lambda n=n: [box.put(Kind.WROTE, f"{n}/{i}") for i in range(2000)]) for n in range(4)
    ]
    for writer in writers:
        writer.start()
    got = []
    while len(got) < 8000:
        assert rung.wait(DEADLINE)
        rung.clear()
        got += box.take()
    for writer in writers:
        writer.join()
    assert len({event.path for event in got}) == 8000


def test_a_local_file_system_is_served(tmp_path):
    root = tree.Root.open(tmp_path)
    try:
        assert unserved(root) in {"", "9p", "virtiofs"}
    finally:
        root.close()
