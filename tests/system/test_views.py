"""What a game publishes and its mods read: current in every version, never torn, never copied, and nothing is left."""

import array
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy
import pytest
from fumehood.runner import connect
from fumehood.shared.errors import MachineError, PayloadError, UsageError, ViewError, WrongThread
from fumehood.shared.policy import MIB, Limits

READER = """
import sys
from fumehood.worker import ViewError, game, on, state, view
V = {version}
kept = []
def told(a):
    return [str(a.dtype), list(a.shape), a.ravel()[:3].tolist()]
@on("read")
def read(name="npcs"):
    a = view(name)
    return [*told(a), view.version(name)]
@on("keep")
def keep(name="npcs"):
    kept.append(view(name)[1:])
@on("kept")
def all_kept():
    return [sorted(set(a.ravel().tolist())) for a in kept]
@on("miss")
def miss(name):
    try:
        view(name)
    except ViewError as error:
        return str(error)
"""
CRASH = """
@on("die")
def die():
    import os
    view("npcs")
    os._exit(3)
"""


@pytest.fixture(scope="module")
def house(launched, tmp_path_factory):
    """A game with numpy for its mods."""
    limits = Limits(hang_after=60.0, load_timeout=20.0)
    with launched(tmp_path_factory.mktemp("views") / "mods", packages=["numpy"], limits=limits) as it:
        yield it


def ask(bench, name, event="read", *args):
    return bench.mods[name].call(event, *args, timeout=20)


# ── what is published is read ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_view_is_there_for_the_very_next_call(house, mod):
    house.load(mod, READER.format(version=1))
    assert "no view 'rain_fall'" in ask(house, mod, "miss", "rain_fall")
    for version in range(1, 8):
        assert house.mods.publish("rainfall", numpy.full(5, version)) == version
        assert ask(house, mod, "read", "rainfall") == ["int64", [5], [version] * 3, version]
    assert "did you mean 'rainfall'?" in ask(house, mod, "miss", "rain_fall")


def test_dtype_shape_and_size_may_change_at_any_time(house, mod):
    house.load(mod, READER.format(version=1))
    point = numpy.dtype([("at", "f4"), ("name", "S3"), ("alive", "?")])
    shown = [
        (numpy.arange(6.0).reshape(2, 3), ["float64", [2, 3], [0.0, 1.0, 2.0]]),
        (numpy.array(7, dtype="u2"), ["uint16", [], [7]]),
        (numpy.zeros((0, 4), dtype="i1"), ["int8", [0, 4], []]),
        (numpy.arange(100_000, dtype="i4"), ["int32", [100_000], [0, 1, 2]]),
        (numpy.arange(6, dtype=">i4")[::2], [">i4", [3], [0, 2, 4]]),
        (numpy.array(["a", "bc"]), ["<U2", [2], ["a", "bc"]]),
        (numpy.array([1, 2], dtype="M8[s]").astype("i8"), ["int64", [2], [1, 2]]),
        (array.array("d", [1.5, 2.5]), ["float64", [2], [1.5, 2.5]]),
        (memoryview(bytes(range(6))).cast("B", (2, 3)), ["uint8", [2, 3], [0, 1, 2]]),
        (b"abc", ["uint8", [3], [97, 98, 99]]),
        ((ctypes.c_double * 2)(1, 2), ["float64", [2], [1.0, 2.0]]),
        (numpy.arange(300_000, dtype="i4"), ["int32", [300_000], [0, 1, 2]]),
    ]
    for version, (given, told) in enumerate(shown, 1):
        house.mods.publish("shapes", given)
        assert ask(house, mod, "read", "shapes") == [*told, version]
    house.mods.publish("shapes", numpy.array([(1.5, b"ann", True)], dtype=point))
    dtype, shape, values, _ = ask(house, mod, "read", "shapes")
    assert (dtype, shape, values) == (str(point), [1], [[1.5, b"ann", True]])


def test_filled_in_place(house, mod):
    house.load(mod, READER.format(version=1))
    model = numpy.zeros((2, 2), dtype="i2")
    with house.mods.publishing("grid", like=model) as out:
        out[...] = 5
    with pytest.raises(ValueError, match="read-only"):
        out[0, 0] = 6
    assert ask(house, mod, "read", "grid") == ["int16", [2, 2], [5, 5, 5], 1]
    with pytest.raises(ZeroDivisionError), house.mods.publishing("grid", like=("f8", 9)) as out:
        out[...] = 1 / 0
    assert ask(house, mod, "read", "grid") == ["int16", [2, 2], [5, 5, 5], 1]
    with house.mods.publishing("grid", like=("f8", (1, 3))) as out:
        out[...] = 2
        with pytest.raises(UsageError, match="'grid' is being filled"):
            house.mods.publish("grid", model)
    assert ask(house, mod, "read", "grid") == ["float64", [1, 3], [2.0, 2.0, 2.0], 2]
    with pytest.raises(ZeroDivisionError), house.mods.publishing("unborn", like=model):
        raise ZeroDivisionError
    assert "no view 'unborn'" in ask(house, mod, "miss", "unborn")


def test_it_is_read_only_and_lies_in_no_memory_of_the_mods_own(house, mod, until):
    house.load(
        mod,
        """
from fumehood.worker import on, view
@on("write")
def write():
    a = view("land")
    said = []
    for attempt in (lambda: a.fill(1), lambda: a.setflags(write=True), lambda: memoryview(a).__setitem__(0, 1)):
        try: attempt()
        except (ValueError, TypeError) as error: said.append(type(error).__name__)
    return said
@on("sum")
def total(): return int(view("land").sum())
""",
    )
    house.mods.publish("land", numpy.ones(32 * MIB, dtype="u1"))
    pid = house.status(mod).pid

    def own(pid):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))

    before = own(pid)
    assert ask(house, mod, "write") == ["ValueError", "ValueError", "TypeError"]
    assert ask(house, mod, "sum") == 32 * MIB
    assert own(pid) - before < 4 * 1024  # KiB
    house.mods.publish("land", numpy.ones(1, dtype="u1"))


def test_what_a_mod_keeps_does_not_change_and_holds_nobody_up(house, mod):
    house.load(mod, READER.format(version=1))
    for number in range(20):
        house.mods.publish("kept", numpy.full(50, number))
        ask(house, mod, "keep", "kept")
    house.mods.publish("kept", numpy.full(50_000, 99))  # moved: the old memory is given up
    ask(house, mod, "keep", "kept")
    for _ in range(10):
        house.mods.publish("kept", numpy.full(50_000, 100))
        assert ask(house, mod, "read", "kept")[2] == [100] * 3
    assert ask(house, mod, "kept") == [*([number] for number in range(20)), [99]]
    assert house.mods.statistics()["overwritten_views"] == 0


def test_a_slow_handler_holds_nobody_up_and_sees_one_version(house, mod):
    """It goes on until the game has published fifty times more, with the first array in hand all the while."""
    house.load(
        mod,
        """
from fumehood.worker import game, on, view
@on("hold")
def hold():
    first, version = view("slow"), view.version("slow")
    game.begun()
    while view.version("slow") < version + 50: pass
    game.held(values=sorted(set(first.tolist())), newest=int(view("slow")[0]))
""",
    )
    house.mods.publish("slow", numpy.full(1000, 1))
    house.mods[mod].post("hold")
    told, number = [], 1
    while len(told) < 2:
        told += [intent for intent in house.mods.intents() if intent.mod == mod]
        if told and number < 52:
            number += 1
            house.mods.publish("slow", numpy.full(1000, number))
    assert told[1].fields["values"] == [1]
    assert told[1].fields["newest"] > 50
    assert house.mods.statistics()["overwritten_views"] == 0


# ── new workers, ways back, games that come back ──────────────────────────────────────────────────────────────────────


def test_a_new_version_reads_the_current_one_at_import(house, mod):
    house.mods.publish("import", numpy.full(4, 7))
    text = READER.format(version=1) + "SEEN = view('import').tolist()\n@on('seen')\ndef seen(): return SEEN\n"
    house.load(mod, text)
    assert ask(house, mod, "seen") == [7] * 4
    house.mods.publish("import", numpy.full(4, 8))
    house.load(
        mod, text + "def selftest():\n assert view('import')[0] == 8\ndef on_load(): kept.append(view('import'))\n"
    )
    for number in (9, 10, 11):
        house.mods.publish("import", numpy.full(4, number))
    assert (ask(house, mod, "seen"), ask(house, mod, "kept")) == ([8] * 4, [[8]])


def test_a_way_back_reads_the_current_one(house, mod):
    """The standby was parked while the view moved to other memory, twice, and had kept an array of the first."""
    house.mods.publish("npcs", numpy.full(4, 1))
    house.load(mod, READER.format(version=1))
    ask(house, mod, "keep")
    house.load(mod, READER.format(version=2) + CRASH)
    house.mods.publish("npcs", numpy.full(5_000, 2))
    house.mods.publish("npcs", numpy.full(50_000, 3))
    since = house.mark()
    assert type(house.mods[mod].call_outcome("die", timeout=20).error).__name__ == "ModCrashed"
    house.next(mod, since, "rolled back")
    assert ask(house, mod)[1:3] == [[50_000], [3, 3, 3]]
    for number in range(8):  # what the dead one had pinned is free again
        house.mods.publish("npcs", numpy.full(50_000, number))
        assert ask(house, mod)[2] == [number] * 3
    assert ask(house, mod, "kept") == [[1]]


def test_across_many_reloads_and_rollbacks_it_is_always_the_current_one(house, mod):
    number = 0
    for version in range(1, 7):
        house.load(mod, READER.format(version=version) + CRASH)
        for size in (10, 3_000 * version):
            number += 1
            house.mods.publish("npcs", numpy.full(size, number))
            assert ask(house, mod)[1:3] == [[size], [number] * 3]
        if version % 3 == 0:
            since = house.mark()
            assert not house.mods[mod].call_outcome("die", timeout=20).ok
            house.next(mod, since, "rolled back")
            assert ask(house, mod)[2] == [number] * 3


WORK = """
 while time.process_time() < until: pass
 return n
"""
SERVED = """
import sys
from fumehood.runner import connect
mods = connect(sys.argv[1])
mods.publish("npcs", bytes([3] * 10))
mods.publish("other", bytes([4] * 10))
print(mods["a"].call("read", timeout=20), flush=True)
sys.stdin.readline()
"""
PLAIN = """
from fumehood.worker import ViewError, on, view
@on("read")
def read(name="npcs"):
    a = view(name)
    return [a.format, list(a.shape), a.tolist(), view.version(name), view.names()]
"""


def test_a_game_that_comes_back_publishes_anew(root, script, tmp_path, until, monkeypatch):
    """The mods keep what the last game published, also in workers that begin while no game is there."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    root.save("a.py", PLAIN)
    argv = [sys.executable, "-m", "fumehood.runner.cli", "run", str(root.root)]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as service:
        try:
            for line in service.stderr:
                if "attach with" in line:
                    break
            drain = threading.Thread(target=service.stderr.read)
            drain.start()
            for how in ("close", "kill"):
                game = script(SERVED, root.root)
                assert game.line() == str(["B", [10], [3] * 10, 1, ["npcs", "other"]])
                if how == "kill":
                    game.process.kill()
                else:
                    game.tell("")
                game.process.wait(20)
                with connect(root.root) as mods:
                    assert mods["a"].call("read", timeout=20) == ["B", [10], [3] * 10, 1, ["npcs", "other"]]
                    receipts = len(mods.receipts())
                    root.save("a.py", PLAIN + f"# {how}\n")
                    mods.wait("a", since=receipts, timeout=20)
                    assert mods["a"].call("read", timeout=20)[2:4] == [[3] * 10, 1]
                    mods.publish("other", array.array("i", [1]))  # at the place that npcs had
                    assert mods["a"].call("read", timeout=20)[2:4] == [[3] * 10, 1]
                    for number in range(10):
                        mods.publish("npcs", array.array("h", [number]))
                        assert mods["a"].call("read", timeout=20)[:3] == ["h", [1], [number]]
        finally:
            service.send_signal(signal.SIGTERM)
            assert service.wait(20) == 0
            drain.join(20)


def test_without_numpy_it_is_a_memoryview(launched, tmp_path):
    with launched(tmp_path / "mods") as bench:
        bench.load("a", PLAIN)
        shown = [
            (array.array("d", [1, 2]), ["d", [2], [1.0, 2.0]]),
            (numpy.arange(4, dtype="i4").reshape(2, 2), ["i", [2, 2], [[0, 1], [2, 3]]]),
            (numpy.zeros((3, 0)), ["d", [0], []]),
            (numpy.array(5, dtype="u1"), ["B", [], 5]),
        ]
        for given, told in shown:
            bench.mods.publish("npcs", given)
            assert ask(bench, "a")[:3] == told
        bench.mods.publish("npcs", numpy.zeros(2, dtype="f2"))
        outcome = bench.mods["a"].call_outcome("read", timeout=20)
        assert "packages=['numpy']" in str(outcome.error)
        with bench.mods.publishing("npcs", like=array.array("q", [0, 0])) as out:
            out[0], out[1] = 8, 9
        assert ask(bench, "a")[:3] == ["l", [2], [8, 9]]


# ── never torn ────────────────────────────────────────────────────────────────────────────────────────────────────────

WATCHER = """
from fumehood.worker import game, on, view
@on("watch")
def watch(reads):
    newest, torn, older = 0, 0, []
    for n in range(reads):
        a = view("race")
        first = int(a[0])
        torn += int(a.min() != first or a.max() != first or len(a) != 500 + first % 7 or first < newest)
        newest = first
        if n % 5 == 0:
            older.append((first, a))
            if len(older) > 4:
                torn += sum(int(b.min() != at or b.max() != at) for at, b in older)
                older.clear()
    game.watched(torn=torn, newest=newest)
"""


def test_no_reader_ever_sees_half_an_update(house):
    """A publisher that flips as fast as it can, by copies and in place, against readers that check every element."""
    names, reads = ["watch_a", "watch_b", "watch_c"], 70_000
    arrays = [numpy.zeros(500 + rest, dtype="i8") for rest in range(7)]
    house.mods.publish("race", arrays[0])
    for name in names:
        house.load(name, WATCHER)
    for name in names:
        assert house.mods[name].post("watch", reads)
    told, number = [], 0
    while len(told) < len(names):
        for _ in range(200):
            number += 1
            given = arrays[number % 7]
            if number & 1:
                given.fill(number)
                house.mods.publish("race", given)
            else:
                with house.mods.publishing("race", like=given) as out:
                    out.fill(number)
        told += [intent.fields for intent in house.mods.intents() if intent.name == "watched"]
        assert all(house.mods[name].role == "active" for name in names)
    assert [each["torn"] for each in told] == [0, 0, 0]
    assert min(each["newest"] for each in told) > 1000
    assert house.mods.statistics()["overwritten_views"] == 0


# ── mistakes of the game's ────────────────────────────────────────────────────────────────────────────────────────────


def test_what_cannot_be_published_is_said(house):
    publish = house.mods.publish
    inner = numpy.dtype([("x", "f4"), ("who", "O")])
    for given, said in [
        (numpy.array([object()]), "the array holds Python objects"),
        (numpy.zeros(2, dtype=[("id", "i4"), ("at", inner)]), "field 'at.who' of publish"),
        ([1, 2], "is a list; publish an array"),
        (memoryview(bytes(8))[::2], "not contiguous"),
        (numpy.zeros(1, dtype=[(f"{'n' * 40}{n}", "u1") for n in range(200)]), "shorten names"),
    ]:
        with pytest.raises(PayloadError, match=said):
            publish("wrong", given)
    for name in ("", 5, "a\n", "n" * 201):
        with pytest.raises(UsageError, match="a view's name is text"):
            publish(name, b"x")
    for like in [("no such type", 3), ("f8", -1), ("f8", "many")]:
        with pytest.raises(UsageError, match="no \\(dtype, shape\\)"), house.mods.publishing("wrong", like=like):
            raise AssertionError("nothing is handed out")
    with (
        pytest.raises((ViewError, MachineError), match="1073741824 for all views"),
        house.mods.publishing("wrong", ("u1", 2**31)),
    ):
        raise AssertionError("nothing is handed out")


def test_views_are_bounded_in_number_and_belong_to_one_thread(launched, tmp_path, our_memfds):
    with launched(tmp_path / "mods") as bench:
        for number in range(32):
            bench.mods.publish(f"v{number}", b"x")
        with pytest.raises(ViewError, match="one too many"):
            bench.mods.publish("v32", b"x")
        bench.load("a", PLAIN)
        assert ask(bench, "a", "read", "v31")[2] == [120]
        raised = []

        def elsewhere():
            try:
                bench.mods.publish("v1", b"y")
            except WrongThread as error:
                raised.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert len(raised) == 1
        child = os.fork()
        if child == 0:
            try:
                bench.mods.publish("v1", b"y")
            except WrongThread:
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    with pytest.raises(UsageError, match="closed"):
        bench.mods.publish("v1", b"y")


def test_a_view_that_does_not_fit_into_a_mod_says_so(launched, tmp_path):
    with launched(tmp_path / "mods", limits=Limits(memory=16 * MIB)) as bench:
        bench.load("a", PLAIN)
        bench.mods.publish("npcs", bytes(32 * MIB))
        outcome = bench.mods["a"].call_outcome("read", timeout=20)
        assert "limit: memory" in str(outcome.error)
        bench.mods.publish("small", b"small")
        assert ask(bench, "a", "read", "small")[2] == list(b"small")


def test_a_view_is_not_counted_as_memory_of_a_mods_own(launched, tmp_path):
    """It is looked at four times a second while it works; what it reads is larger than all it may use."""
    with launched(tmp_path / "mods", limits=Limits(resident=16 * MIB, hang_after=30.0)) as bench:
        text = "import time\nfrom fumehood.worker import on, view\n@on('work')\ndef work():\n"
        text += " n = sum(view('land')[::4096])\n until = time.process_time() + 1\n"
        bench.load("a", text + WORK)
        pid = bench.status("a").pid
        bench.mods.publish("land", b"\1" * (48 * MIB))
        assert ask(bench, "a", "work") == 48 * MIB // 4096
        status = bench.status("a")
        assert (status.pid, status.rollbacks) == (pid, 0)


# ── nothing is left ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_view_that_grows_and_grows_leaves_no_memory_and_no_descriptor(house, mod):
    house.load(mod, READER.format(version=1))
    house.mods.publish("growing", b"x")
    ask(house, mod, "read", "growing")

    def held(pid):
        links = []
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # it is gone again
                links.append(str(entry.readlink()))
        return sum("fumehood:view-growing" in link for link in links)

    size = 1
    for _ in range(14):
        size = size * 3 // 2 + 4096
        house.mods.publish("growing", bytes(size))
        ask(house, mod, "keep", "growing")
    assert [held(os.getpid()), held(house.supervisor.pid)] == [1, 1]
    views = {
        line.split()[4]
        for line in Path(f"/proc/{house.status(mod).pid}/maps").read_text().splitlines()
        if "fumehood:view-growing" in line
    }
    assert len(views) <= 1  # of the old memories it has nothing: what it keeps is its own


@pytest.mark.parametrize("who", ["game", "supervisor"])
def test_kill_9_leaves_no_view(root, script, census, supervisor_of, who):
    root.save("a.py", PLAIN)
    game = script(SERVED.replace("import connect", "import launch").replace("connect(", "launch("), root.root)
    assert game.line().startswith("['B'")
    with census(game.pid) as taken:
        os.kill(game.pid if who == "game" else supervisor_of(game.pid).pid, signal.SIGKILL)
        if who == "supervisor":
            game.tell("")
        game.process.wait(20)
        taken.await_end()
