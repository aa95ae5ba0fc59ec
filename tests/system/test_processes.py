"""Nothing of ours outlives what it belongs to, whoever is killed; and with `fumehood run` the mods outlive the game."""

import contextlib
import os
import signal
import socket
import threading
from pathlib import Path

import psutil
import pytest
from fumehood.runner import connect, launch
from fumehood.shared.errors import AlreadyAttached, ConfigError, ModFailure, SupervisorDied
from fumehood.shared.policy import Limits
from fumehood.worker import mappings

GAME = """
import sys
from fumehood.runner import launch
mods = launch(sys.argv[1])
print(mods["a"].call("count", timeout=20), flush=True)
for line in sys.stdin:
    try:
        print(eval(line), flush=True)
    except Exception as error:
        print(type(error).__name__, flush=True)
"""

REDUCED = GAME.replace("launch(sys.argv[1])", "launch(sys.argv[1], confinement='reduced')")
GAMES = {"full": GAME, "reduced": REDUCED}
CONNECTED = GAME.replace("import launch", "import connect").replace("launch(sys.argv[1])", "connect(sys.argv[1])")

SLEEPY = """
@on("nap")
def nap():
    import time
    time.sleep(0.3)
    return "woke"
"""


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def left_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def left_in_top(folder):
    return sorted(path.name for path in Path(folder).iterdir())


# ── launch ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("confinement", ["full", "reduced"])
def test_close_leaves_nothing(launched, census, our_memfds, temporary, tmp_path, confinement):
    descriptors = open_descriptors()
    with launched(tmp_path / "mods", confinement=confinement) as bench:
        bench.load("a", bench.counter(1))
        bench.load("a", bench.counter(2))
        with census(bench.supervisor.pid) as taken:
            assert len(taken.pidfds) >= 5, "a supervisor, a zygote, an active worker, a standby, spares"
            assert taken.memfds
            bench.mods.close()
            taken.await_end()
    assert our_memfds(os.getpid()) == set()
    assert open_descriptors() == descriptors
    assert left_in(temporary) == []


def test_many_launches_leave_nothing(launched, our_memfds, temporary, tmp_path):
    with launched(tmp_path / "mods") as bench:
        bench.load("a", bench.counter(1))
    descriptors = open_descriptors()
    for _ in range(3):
        with launched(tmp_path / "mods") as bench:
            assert bench.mods["a"].call("count", timeout=20) == [1, 1]
    assert open_descriptors() == descriptors
    assert our_memfds(os.getpid()) == set()
    assert left_in(temporary) == []


@pytest.mark.parametrize("confinement", ["full", "reduced"])
def test_kill_9_of_the_supervisor_leaves_nothing(launched, census, our_memfds, temporary, tmp_path, confinement):
    with launched(tmp_path / "mods", confinement=confinement) as bench:
        bench.load("a", bench.counter(1))
        supervisor = bench.supervisor
        with census(supervisor.pid) as taken:
            supervisor.kill()
            mine = our_memfds(os.getpid())
            taken.memfds -= mine  # the game still maps its own until it closes
            taken.await_end()
            with pytest.raises((SupervisorDied, ModFailure)):
                bench.mods["a"].call("count", timeout=0.1)
            with pytest.raises(SupervisorDied):
                bench.mods.status()
            bench.mods.close()
            taken.memfds |= mine
            taken.await_end()
    assert left_in(temporary) == []


@pytest.mark.parametrize("confinement", GAMES)
@pytest.mark.parametrize("who", ["game", "zygote", "game with a call in hand"])
def test_kill_9_leaves_nothing(root, census, supervisor_of, zygote_of, script, temporary, who, confinement):
    root.save("a.py", root.counter(1, SLEEPY))
    game = script(GAMES[confinement], root.root)
    assert game.line() == "[1, 1]"
    supervisor = supervisor_of(game.pid)
    with census(game.pid) as taken:
        if who == "zygote":
            zygote_of(supervisor).kill()
            answer = "["
            while answer.startswith("["):  # its workers die with it, in their own time
                game.tell("mods['a'].call('count', timeout=1)")
                answer = game.line()
            assert answer in ("SupervisorDied", "ModUnavailable", "ModCrashed", "ModTimeout")
            while answer != "SupervisorDied":
                game.tell("mods.settle(10)")
                answer = game.line()
            game.tell("mods.close()")
            assert game.line() == "None"
            game.process.stdin.close()
        else:
            if "call" in who:
                game.tell("mods['a'].call('nap', timeout=10)")
            game.process.kill()
        game.process.wait(20)
        taken.await_end()
    assert left_in(temporary) == []


def test_kill_9_of_all_at_once_is_cleared_up_after_by_the_next_start(
    root, census, supervisor_of, zygote_of, script, temporary, until
):
    """In the reduced mode nobody is left to remove the workers' folders. Those of who runs are left alone."""
    root.save("a.py", root.counter(1))
    other = script(GAMES["reduced"], root.root)
    assert other.line() == "[1, 1]"
    (others,) = left_in_top(temporary)
    game = script(GAMES["reduced"], root.root)
    assert game.line() == "[1, 1]"
    supervisor = supervisor_of(game.pid)
    with census(game.pid) as taken:
        zygote = zygote_of(supervisor)
        for process in (supervisor, zygote):
            process.suspend()  # neither sees the other die
        for process in (zygote, supervisor, game.process):
            process.kill()
        game.process.wait(20)
        taken.await_end()
    assert len(left_in_top(temporary)) == 2
    with launch(root.root, confinement="reduced", log_level="error") as mods:
        assert mods["a"].call("count", timeout=20) == [1, 1]
        until(lambda: len(left_in_top(temporary)) == 2, "the dead one's is gone; the other's and ours are there")
        assert others in left_in_top(temporary)
        other.tell("mods['a'].call('count', timeout=20)")
        assert other.line() == "[2, 1]"
    assert left_in_top(temporary) == [others]
    other.process.stdin.close()
    other.process.wait(20)
    until(lambda: not left_in(temporary), "the other has cleared up after itself")


@pytest.mark.parametrize("confinement", GAMES)
@pytest.mark.parametrize("processes", [2, 3, 4, 5, 6])
def test_kill_9_of_the_game_while_it_starts_leaves_nothing(
    root, brood, script, until, temporary, processes, confinement
):
    """Killed when so many processes are there: itself, a supervisor, a zygote, workers. What comes later counts too."""
    root.save("a.py", root.counter(1))
    game = script(GAMES[confinement], root.root)
    until(lambda: len(brood.look()) >= processes, f"{processes} processes are there")
    game.process.kill()
    game.process.wait(20)
    brood.await_end()
    assert len(brood.seen) >= processes
    until(lambda: not left_in(temporary), "its temporary files are gone")


def test_ctrl_c_reaches_only_the_game(root, census, script):
    root.save("a.py", root.counter(1))
    told = "import signal\ntold = []\nsignal.signal(signal.SIGINT, lambda *_: told.append(1))\n"
    code = told + GAME.replace("for line", "while not told: mods.emit('x')\nprint('told', flush=True)\nfor line")
    game = script(code, root.root)
    assert game.line() == "[1, 1]"
    with census(game.pid) as taken:
        groups = {os.getpgid(pid) for pid in taken.pidfds if pid != game.pid}
        assert os.getpgid(game.pid) not in groups
        game.process.send_signal(signal.SIGINT)
        assert game.line() == "told"
        game.tell("mods['a'].call('count', timeout=20)")
        assert game.line() == "[2, 1]"
        game.process.stdin.close()
        game.process.wait(20)
        taken.await_end()


BLOCKING = """
@on("block")
def block():
    import time
    from fumehood.worker import log
    log.warning("it has begun")
    time.sleep(1000)
"""


@contextlib.contextmanager
def once_it_has_begun(said, until, act):
    """Another thread does `act` when the mod has said that it is in its handler: the game's own waits for that call."""

    def wait():
        until(lambda: "it has begun" in said.read_text(), "the handler has begun")
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        thread.join(30)


def test_a_blocked_call_wakes_when_the_worker_dies(launched, tmp_path, until):
    """Long before its deadline, and before anybody kills the worker for a hang."""
    said = tmp_path / "said"
    with launched(tmp_path / "mods", said=said, limits=Limits(hang_after=3600.0)) as bench:
        bench.load("a", bench.counter(1, BLOCKING))
        pid = bench.status("a").pid
        with once_it_has_begun(said, until, lambda: os.kill(pid, signal.SIGKILL)):
            outcome = bench.mods["a"].call_outcome("block", timeout=3600)
        assert type(outcome.error).__name__ == "ModCrashed"
        assert bench.mods["a"].call("count", timeout=20)[1] == 1


def test_a_blocked_call_ends_by_its_deadline_when_the_supervisor_dies(launched, tmp_path, until):
    said = tmp_path / "said"
    with launched(tmp_path / "mods", said=said, limits=Limits(hang_after=3600.0)) as bench:
        bench.load("a", bench.counter(1, BLOCKING))
        with once_it_has_begun(said, until, bench.supervisor.kill), pytest.raises((SupervisorDied, ModFailure)):
            bench.mods["a"].call("block", timeout=1.0)
        with pytest.raises(SupervisorDied):
            bench.mods.settle(1)
        with pytest.raises((SupervisorDied, ModFailure)):
            bench.mods["a"].call("count", timeout=0.1)


def test_emit_survives_the_supervisors_death(launched, tmp_path):
    """It never raises for a mod's fault; the supervisor's death is said, and never waited for."""
    with launched(tmp_path / "mods") as bench:
        bench.load("a", bench.counter(1))
        bench.supervisor.kill()
        for _ in range(3):
            with contextlib.suppress(SupervisorDied):
                report = bench.mods.emit("count", budget=0.05)
                assert report.late or report.failed or report.results
        with contextlib.suppress(SupervisorDied):
            bench.mods.intents()


# ── run and connect ───────────────────────────────────────────────────────────────────────────────────────────────────


def sockets(folder):
    return [path for path in folder.rglob("*") if path.is_socket()]


def test_a_game_that_comes_back_finds_the_mods_with_their_state(root, serve, script, temporary, census):
    root.save("a.py", root.counter(1))
    service = serve(root.root)
    with connect(root.root) as mods:
        assert [mods["a"].call("count", timeout=20) for _ in range(3)] == [[1, 1], [2, 1], [3, 1]]
        pid = mods.status()[0].pid
    with connect(root.root) as mods:
        assert mods.status()[0].pid == pid
        assert mods["a"].call("count", timeout=20) == [4, 1]
    game = script(CONNECTED, root.root)
    assert game.line() == "[5, 1]"
    game.process.kill()
    game.process.wait(20)
    with connect(root.root) as mods:
        assert mods.status()[0].pid == pid
        assert mods["a"].call("count", timeout=20) == [6, 1]
        assert mods["a"].post("count")
    with census(service.process.pid) as taken:
        assert service.end() == 0
        taken.await_end()
    assert left_in(temporary) == []


def test_a_game_that_dies_with_a_call_in_hand_leaves_no_answer_for_the_next(root, serve, script):
    root.save("a.py", root.counter(1, SLEEPY))
    serve(root.root)
    game = script(CONNECTED, root.root)
    assert game.line() == "[1, 1]"
    game.tell("[mods['a'].post('nap'), mods['a'].post('count'), mods['a'].call_outcome('count', timeout=0.01).ok]")
    assert game.line() == "[True, True, False]"
    game.process.kill()
    game.process.wait(20)
    with connect(root.root) as mods:
        assert mods["a"].call("count", timeout=20) == [4, 1]
        assert mods.statistics()["stray_replies"] >= 1


def test_what_is_saved_while_no_game_is_there_is_live_when_one_comes(root, serve, until):
    root.save("a.py", root.counter(1, "from fumehood.worker import log\ndef on_load(): log.info('loaded %s', V)\n"))
    service = serve(root.root)
    with connect(root.root) as mods:
        assert mods["a"].call("count", timeout=20) == [1, 1]
    for version in (2, 3):
        root.save(
            "a.py", root.counter(version, "from fumehood.worker import log\ndef on_load(): log.info('loaded %s', V)\n")
        )
        until(lambda version=version: any(f"a@{version} live" in line for line in service.said), "it went live alone")
    root.save("b.py", root.counter(1))
    until(lambda: any("b@1 live" in line for line in service.said), "so did a new one")
    with connect(root.root) as mods:
        assert sorted(mods) == ["a", "b"]
        assert mods["a"].call("count", timeout=20) == [2, 3]
        assert mods["b"].call("count", timeout=20) == [1, 1]
        root.save("a.py", root.counter(4))
        assert mods.wait("a", version=4).live_version == 4
        assert mods["a"].call("count", timeout=20) == [3, 4]


def test_a_crash_while_no_game_is_there_is_rolled_back(root, serve, until, script):
    root.save("a.py", root.counter(1))
    service = serve(root.root)
    until(lambda: any("a@1 live" in line for line in service.said), "version 1 is live")
    root.save(
        "a.py", root.counter(2, "@on('die')\ndef die():\n    import os, time\n    time.sleep(0.2)\n    os._exit(1)\n")
    )
    until(lambda: any("a@2 live" in line for line in service.said), "version 2 is live")
    game = script(CONNECTED, root.root)
    assert game.line() == "[1, 2]"
    game.tell("mods['a'].post('die')")
    assert game.line() == "True"
    game.process.kill()
    game.process.wait(20)
    until(lambda: any("a@2 rolled back" in line for line in service.said), "it is rolled back alone")
    with connect(root.root) as mods:
        assert mods["a"].call("count", timeout=20)[1] == 1
        assert mods.status()[0].lost_posts == 1


def test_a_second_game_is_refused_while_the_first_is_there(root, serve):
    root.save("a.py", root.counter(1))
    serve(root.root)
    with connect(root.root) as mods:
        with pytest.raises(AlreadyAttached):
            connect(root.root)
        assert mods["a"].call("count", timeout=20) == [1, 1]
    with connect(root.root) as mods:
        assert mods["a"].call("count", timeout=20) == [2, 1]


def test_two_supervisors_of_one_folder(root, serve):
    root.save("a.py", root.counter(1))
    serve(root.root)
    second = serve(root.root)
    assert second.end() == 75
    assert "already serves" in "".join(second.said)
    with connect(root.root) as mods:
        assert mods["a"].call("count", timeout=20) == [1, 1]


def answers(mod):
    """Whether it still does: the supervisor's death takes the zygote's along, and that the worker's, in a moment."""
    try:
        mod.call("count", timeout=0.1)
    except (SupervisorDied, ModFailure):
        return False
    return True


def test_kill_9_of_a_service_leaves_its_socket_file_which_the_next_replaces(root, serve, until, temporary, census):
    root.save("a.py", root.counter(1))
    first = serve(root.root)
    with connect(root.root) as mods, census(first.process.pid) as taken:
        assert mods["a"].call("count", timeout=20) == [1, 1]
        first.end(signal.SIGKILL)
        until(lambda: not answers(mods["a"]), "its worker has died too")
        mods.close()
        taken.await_end()
    assert len(sockets(temporary)) == 1
    with pytest.raises(ConfigError, match="fumehood run"):
        connect(root.root)
    second = serve(root.root)
    with connect(root.root) as mods:
        assert mods["a"].call("count", timeout=20) == [1, 1]
    assert second.end() == 0
    assert left_in(temporary) == []


def test_ctrl_c_ends_a_service(root, serve, census):
    service = serve(root.root)
    with census(service.process.pid) as taken:
        assert service.end(signal.SIGINT) == 0
        taken.await_end()


def test_the_socket_is_the_owners_alone(root, serve, temporary):
    serve(root.root)
    (path,) = sockets(temporary)
    for part, mode in ((path, 0o600), (path.parent, 0o700), (path.parent.parent, 0o700)):
        assert part.stat().st_mode & 0o777 == mode
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as garbage:
        garbage.connect(str(path))
        garbage.send(b"\xff" * 100)
        garbage.settimeout(20)
        assert garbage.recv(100) == b"", "who speaks nonsense is let go"
    with connect(path) as mods:
        assert list(mods) == []


def test_connect_where_nobody_serves(tmp_path, temporary):
    with pytest.raises(ConfigError, match="fumehood run"):
        connect(tmp_path)
    assert Path(temporary).exists()


KEPT = 'SAVED = "saved"\n@on("put")\ndef put(value): state["n"] = value\n'


def test_a_save_outlives_the_game_and_the_supervisor(root, serve, temporary, census):
    root.save("a.py", root.counter(1, KEPT))
    first = serve(root.root)
    with connect(root.root) as mods:
        mods["a"].call("put", 7, timeout=20)
        data = mods.save()
        mods["a"].call("put", 50)
    with connect(root.root) as mods:
        assert mods.load(data).restored == ["a"]
        assert mods["a"].call("count") == [8, 1]
    assert first.end() == 0
    second = serve(root.root)
    with connect(root.root) as mods:
        assert mods.load(data).restored == ["a"]
        assert mods["a"].call("count") == [8, 1]
    with census(second.process.pid) as taken:
        assert second.end() == 0
        taken.await_end()
    assert left_in(temporary) == []


def test_kill_9_of_a_game_that_saves_or_loads_leaves_mods_that_serve(root, serve, script, until, temporary, census):
    """Whatever it had begun: what was offered goes its way, the rest is given up."""
    hang = (
        "import time\n@on('nap')\ndef nap(): time.sleep(0.5)\ndef on_load(): time.sleep(0.3 if 'n' in state else 0)\n"
    )
    root.save("a.py", root.counter(1, KEPT + hang))
    service = serve(root.root)
    for doing in ("(mods['a'].post('nap'), print('now', flush=True), mods.save(timeout=30))",
                  "(mods['a'].call('put', 3), print('now', flush=True), mods.load(mods.save()))"):  # fmt: skip
        game = script(CONNECTED, root.root)
        game.line()
        game.tell(doing)
        assert game.line() == "now"
        game.process.kill()
        game.process.wait(20)
        with connect(root.root) as mods:
            assert mods["a"].call("count", timeout=20)[1] == 1
            data = mods.save()
            assert mods.load(data).ok
    until(lambda: len(psutil.Process(service.process.pid).children(recursive=True)) <= 6, "no worker of theirs is left")
    with census(service.process.pid) as taken:
        service.end(signal.SIGKILL)
        taken.await_end()


def test_helpers_outlive_the_game_that_provided_them(root, serve):
    root.save("a.py", "from fumehood.worker import helpers, on\n@on('use')\ndef use(): return helpers.twice(21)\n")
    serve(root.root)
    with connect(root.root) as mods:
        mods.provide("twice", lambda n: 2 * n)
        assert mods["a"].call("use", timeout=20) == 42
    with connect(root.root) as mods:
        assert mods["a"].call("use", timeout=20) == 42
        mods.provide("twice", lambda n: n)
        assert mods["a"].call("use") == 21


def test_a_zygote_has_few_mappings(root, supervisor_of, zygote_of):
    """Of each library what lies side by side is one: its forks copy the list."""
    root.save("it.py", "V = 0")
    with launch(root.root, log_level="error"):
        zygote = zygote_of(supervisor_of(os.getpid()))
        found = mappings.parse(Path(f"/proc/{zygote.pid}/maps").read_text())
        assert sum(".so" in each.file for each in found) > 100
        assert mappings.widened(found) == []
