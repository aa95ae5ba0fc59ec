"""A mod that turns on the game gets no further than its own messages: its neighbours' frames go on."""

import json
import os
import time

import pytest
from fumehood.shared.errors import ModFailure

ATTACK = """
@on("ping")
def ping(): return "pong"
@on("attack")
def attack():
    up, port, link = (grip()[kind] for kind in ("Segment", "Port", "Link"))
    {attack}
"""

LIES = {
    "head far ahead": "up.store64(_ring.HEAD, 2**63)",
    "head behind": "up.store64(_ring.HEAD, 0)\n    up.nudge()",
    "head not aligned": "up.store64(_ring.HEAD, up.load64(_ring.HEAD) + 3)",
    "all ones": "up.write(0, b'\\xff' * _ring.CARD)",
    "zeros": "up.write(0, bytes(_ring.CARD))",
    "garbage in the ring": "up.write(_ring.RING, os.urandom(4096))\n"
    "    up.store64(_ring.HEAD, up.load64(_ring.HEAD) + 2048)",
    "garbage as a message": "port.push(os.urandom(300))",
    "an unknown tag": "port.push(b'\\x93\\x63\\x01\\x02')",
    "nested without end": "port.push(b'\\x91' * 60000)",
    "somebody else's answer": "[port.push(pack([1, n, 'forged'])) for n in range(100)]",
    "the magic gone": "up.store64(0, 0)",
    "started and done in the future": "up.store64(_ring.TAIL, 2**62)\n    up.store64(_ring.STARTED, 2**62)",
    "started and done in the past": "up.store64(_ring.TAIL, 0)\n    up.store64(_ring.STARTED, 0)",
    "bell without end": "[up.nudge() for _ in range(100_000)]",
    "parked for ever": "up.store32(_ring.PARKED, 1)",
    "garbage on its socket": "os.write(link._fd, os.urandom(100))",
    "a packet too long": "os.write(link._fd, b'x' * 70_000)",
    "live again": "[tell(type='Live', at=-(2**63), restore_us=0.0, on_load_us=0.0) for _ in range(50)]",
    "live in a hundred years": "tell(type='Live', at=2**63 - 1, restore_us=1e308, on_load_us=-1.0)",
    "drained while live": "tell(type='Drained', state={'size': 10**9}, error='')",
    "a state of another length": "tell(type='Drained', state={'size': 10, 'data': b'FHS1'}, error='')",
    "a state from a version that cannot be": "tell(type='Drained', state={'version': -(2**63)}, error='')",
    "a state of its own making": "tell(type='Drained', state={'size': 4, 'data': b'FHS1'}, error='')",
    "a second confinement": "tell(type='Confined', steps=[], times=b'')",
    "a hundred stages": "[tell(type='Entered', stage='import') for _ in range(100)]",
    "its socket closed": "os.close(link._fd)",
    "every descriptor closed": "os.closerange(0, 100)",
}


@pytest.fixture(scope="module")
def neighbour(bench):
    """A mod whose frames go on whatever the others do."""
    bench.load("neighbour", "def on_frame(n): return n\n")
    return "neighbour"


@pytest.fixture(autouse=True)
def undisturbed(bench, neighbour):
    """After each attack: same worker, same epoch, every frame answered; and the mods with attacks are taken away."""
    before = (bench.mods[neighbour].epoch, bench.status(neighbour).pid)
    yield
    assert bench.mods.emit("frame", 1, budget=10).results == {neighbour: [1]}
    assert (bench.mods[neighbour].epoch, bench.status(neighbour).pid) == before
    assert bench.supervisor.is_running()
    for file in bench.root.glob("*.py"):
        if file.stem != neighbour:
            file.unlink()


@pytest.mark.parametrize("how", LIES)
def test_a_lie_to_the_game_or_the_supervisor_ends_in_a_typed_outcome(bench, mod, neighbour, how):
    bench.load(mod, bench.hostile(ATTACK.format(attack=LIES[how])))
    for n in range(20):
        outcome = bench.mods[mod].call_outcome("attack" if n == 0 else "ping", timeout=0.5)
        if not outcome.ok:
            assert isinstance(outcome.error, ModFailure)
            assert getattr(outcome.error, "kind", "") not in {"AttributeError", "NameError", "TypeError"}, "no attack"
        assert bench.mods.emit("frame", n, budget=10).results[neighbour] == [n]
        bench.mods.intents()
    answers = []
    deadline = time.monotonic() + 20
    while answers[-3:] != ["pong"] * 3 and time.monotonic() < deadline:
        answers.append(bench.mods[mod].call_outcome("ping", timeout=1).value)
    assert answers[-3:] == ["pong"] * 3, "it, or its successor, answers again"
    bench.load(mod, bench.hostile(ATTACK.format(attack="return 'mended'")))
    assert bench.mods[mod].call("attack", timeout=10) == "mended"


def test_a_worker_that_pretends_to_be_idle_and_spins_is_replaced(bench, mod):
    """It stores `done` itself and never comes back: the watch over `started` and `done` sees nothing."""
    bench.load(mod, bench.hostile(ATTACK.format(attack="return 'none'")))
    bench.load(
        mod,
        bench.hostile(ATTACK.format(attack="up.store64(_ring.TAIL, up.load64(_ring.STARTED))\n    while True: pass")),
    )
    since = bench.mark()
    assert type(bench.mods[mod].call_outcome("attack", timeout=0.5).error).__name__ in ("ModTimeout", "ModCrashed")
    deadline = time.monotonic() + 30
    while bench.mods[mod].call_outcome("ping", timeout=0.5).value != "pong":
        assert time.monotonic() < deadline, "nobody noticed"
    assert bench.next(mod, since, "rolled back").live_version == 1


def test_a_flood_of_intents_is_bounded_and_others_are_heard(bench, mod, neighbour):
    flood = "from fumehood.worker import game\ndef on_flood():\n    for n in range(1_000_000): game.x(n=n)\n"
    talk = "from fumehood.worker import game\ndef on_talk(): game.hello()\n"
    bench.load(f"{mod}_flood", flood)
    bench.load(f"{mod}_talk", talk)
    bench.mods[f"{mod}_flood"].post("flood")
    heard = 0
    for n in range(50):
        bench.mods.emit("talk", budget=1)
        intents = bench.mods.intents()
        assert len(intents) <= 20_001
        heard += sum(intent.mod == f"{mod}_talk" for intent in intents)
        assert bench.mods.emit("frame", n, budget=10).results[neighbour] == [n]
    assert heard == 50


def test_floods_of_logs_and_stderr_leave_the_supervisor_answering(bench, mod, neighbour):
    text = """
import os, sys
from fumehood.worker import log
def on_logs():
    for n in range(20_000): log.error("line %d", n)
def on_prints():
    for n in range(20_000): print("x" * 100)
def on_stderr():
    for n in range(200): os.write(2, b"y" * 4096)
def on_ping(): return "pong"
"""
    bench.load(mod, text)
    for event in ("logs", "prints", "stderr"):
        bench.mods[mod].post(event)
        for n in range(20):
            assert bench.mods.emit("frame", n, budget=10).results[neighbour] == [n]
            assert bench.status(neighbour).version == 1
        deadline = time.monotonic() + 20
        while bench.mods[mod].call_outcome("ping", timeout=2).value != "pong":
            assert time.monotonic() < deadline


ESC = "\x1b]0;owned\x07\x1b[2J\r\u202e"
SHOWN = r"\x1b]0;owned\x07\x1b[2J\x0d\u202e"
"""What a terminal may be shown of it."""
SPOKEN = f"""
import os
from fumehood.worker import log, on
ESC = {ESC!r}
Bad = type("Bad" + ESC, (Exception,), {{}})
@on("fail")
@on("fail " + ESC)
def fail(): raise Bad("raised " + ESC)
@on("forge")
def forge(): raise Bad("one\\nFORGED")
@on("hang " + ESC)
def hang():
    while True: pass
@on("say")
def say():
    log.error("logged %s", ESC)
    print("printed", ESC)
@on("write")
def write():
    os.write(2, ("written " + ESC).encode())
    os._exit(3)
"""


def raw(text):
    """Control characters of a mod's in there. Line ends are the log's own: those of ESC are returns."""
    return [char for char in text if char in "\x1b\x07\r\u202e"]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_control_characters_of_a_mod_reach_no_terminal(launched, tmp_path, until, log_format):
    """Every text of a mod's that the supervisor logs or the game is told: first that it is there, then that it is
    escaped."""
    said = tmp_path / "said"
    with launched(tmp_path / "mods", said=said, log_format=log_format, log_level="debug") as bench:
        bench.load("a", SPOKEN.replace('Bad("raised', 'Bad("before'))
        bench.load("a", SPOKEN)
        mod = bench.mods["a"]
        error = mod.call_outcome("fail").error
        assert (error.kind, error.mod) == (f"Bad{SHOWN}", "a")
        assert f"raised Bad{SHOWN}: raised {SHOWN}" in str(error)
        assert f"raised {SHOWN}" in error.traceback
        assert mod.call_outcome(f"fail {ESC}").error.kind == error.kind
        assert not mod.call_outcome("forge").ok
        mod.call("say")
        since = bench.mark()
        assert not mod.call_outcome("write", timeout=20).ok
        written = bench.next("a", since, "rolled back").diagnostic
        assert f"written {SHOWN}" in written.traceback
        since = bench.mark()
        assert not mod.call_outcome(f"hang {ESC}", timeout=20).ok
        hung = bench.next("a", since, "rolled back").diagnostic
        assert "its handler of 'hang " in hung.message
        refused = bench.load("a", f"raise ValueError({'refused ' + ESC!r})\n", "refused").diagnostic
        assert refused.message == f"refused {SHOWN}"
        expected = {
            "log line": f": logged {SHOWN}",
            "print": f": printed {SHOWN}",
            "event, kind and text of what was raised": f": fail {SHOWN} raised Bad{SHOWN}: raised {SHOWN} (a.py:",
            "line end in a text": ": one" + {"text": r"\x0a", "json": "\n"}[log_format] + "FORGED",
            "event of what hung": hung.message,
            "refusal": f"ValueError: refused {SHOWN}",
        }

        def log():
            text = said.read_bytes().decode()
            lines = text.splitlines() if log_format == "text" else [json.loads(x)["message"] for x in text.splitlines()]
            return text, "\n".join(lines)

        for what, line in expected.items():
            until(lambda line=line: line in log()[1], f"the log has the {what}")
        texts = [str(error), error.kind, error.traceback]
        for diagnostic in (written, hung, refused, bench.status("a").diagnostic):
            texts += [diagnostic.message, diagnostic.kind, diagnostic.file, diagnostic.source, diagnostic.traceback]
        for text in (*texts, *log()):
            assert raw(text) == []
        begins = {"text": "20", "json": '{"time":"20'}[log_format]
        lines = log()[0].rstrip("\n").split("\n")  # a diagnostic's source and caret stand below it, indented
        assert [line for line in lines if not line.startswith((begins, "    "))] == [], "forged"
    assert raw(said.read_bytes().decode()) == [], "nor as it ended"


def test_a_name_with_control_characters_reaches_no_terminal(launched, tmp_path, until):
    """Such a file is no mod: it is named as what is refused, and a readable one beside it is served."""
    name = f"a{ESC}b"
    said = tmp_path / "said"
    with launched(tmp_path / "mods", said=said) as bench:
        bench.save(f"{name}.py", "def on_ping(): return 1\n")
        bench.load("plain", "def on_ping(): return 2\n")
        until(lambda: f"a{SHOWN}b" in said.read_bytes().decode(), "the log says which")
        assert bench.mods.settle(20)
        assert bench.mods.emit("ping", budget=20).results == {"plain": [2]}
        (refused,) = [status for status in bench.mods.status() if status.name != "plain"]
        found = refused.diagnostic
        assert (refused.name, found.file, found.kind) == (f"a{SHOWN}b", f"a{SHOWN}b", "BadName")
        for text in (refused.name, found.file, found.message, repr(bench.mods.receipts()), repr(list(bench.mods))):
            assert raw(text) == []
    assert raw(said.read_bytes().decode()) == []


CRIMES = """
import ctypes, os, signal, socket, subprocess, sys, threading, time
from fumehood.worker import on
def attempt(act):
    try:
        result = act()
    except BaseException as error:
        return type(error).__name__
    return repr(result)
def read(path):
    with open(path, "rb") as file: return file.read(100)
@on("crimes")
def crimes():
    libc = ctypes.CDLL(None, use_errno=True)
    return {
        "passwd": attempt(lambda: read("/etc/passwd")),
        "shadow": attempt(lambda: read("/etc/shadow")),
        "root": attempt(lambda: os.listdir("/")),
        "home": attempt(lambda: os.listdir("/root")),
        "proc": attempt(lambda: read("/proc/self/environ")),
        "mods": attempt(lambda: os.listdir(MODS)),
        "up": attempt(lambda: read("../../../../../../etc/passwd")),
        "inet": attempt(lambda: socket.socket()),
        "udp": attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
        "unix": attempt(lambda: socket.socket(socket.AF_UNIX)),
        "netlink": attempt(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)),
        "vsock": attempt(lambda: socket.socket(40, socket.SOCK_STREAM)),
        "fork": attempt(os.fork),
        "spawn": attempt(lambda: subprocess.run(["/bin/true"])),
        "exec": attempt(lambda: os.execv("/bin/true", ["true"])),
        "kill parent": attempt(lambda: os.kill(os.getppid() or 1, signal.SIGKILL)),
        "kill the game": attempt(lambda: os.kill(GAME, signal.SIGKILL)),
        "kill all": attempt(lambda: os.kill(-1, signal.SIGKILL)),
        "thread": attempt(lambda: threading.Thread(target=print).start()),
        "ptrace": libc.ptrace(16, GAME, 0, 0),
        "memfd": attempt(lambda: os.memfd_create("x")),
        "mount": libc.mount(b"none", b"/", b"tmpfs", 0, None),
        "setuid": attempt(lambda: os.setuid(0)),
        "chown": attempt(lambda: os.chown("/", 0, 0)),
        "nice": attempt(lambda: os.setpriority(os.PRIO_PROCESS, 0, -20)),
        "policy": attempt(lambda: os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))),
        "environ": sorted(os.environ),
        "host": attempt(lambda: os.uname().nodename),
    }
"""


DENIED = [
    *("passwd", "shadow", "root", "home", "proc", "mods", "up"),
    *("inet", "udp", "unix", "netlink", "vsock"),
    *("fork", "spawn", "exec", "thread", "memfd", "kill parent", "kill the game", "kill all"),
    *("setuid", "chown", "nice", "policy"),
]
REFUSALS = {
    "PermissionError",
    "FileNotFoundError",
    "OSError",
    "ProcessLookupError",
    "NotADirectoryError",
    "RuntimeError",
}


@pytest.mark.parametrize("confinement", ["full", "reduced"])
def test_what_a_mod_may_not_do_it_cannot(launched, tmp_path, monkeypatch, confinement):
    monkeypatch.setenv("FUMEHOOD_TEST_SECRET", "hunter2")
    root = tmp_path / "mods"
    root.mkdir()
    (root / "evil.py").write_text(CRIMES.replace("GAME", str(os.getpid())).replace("MODS", repr(str(root))))
    with launched(root, confinement=confinement) as bench:
        outcome = bench.mods["evil"].call_outcome("crimes", timeout=10)
        assert outcome.error is None, outcome.error.traceback
        tried = outcome.value
        denied = {key: tried[key] for key in DENIED}
        assert set(denied.values()) <= REFUSALS, denied
        assert (tried["ptrace"], tried["mount"]) == (-1, -1)
        assert set(tried) == {*DENIED, "ptrace", "mount", "environ", "host"}, "nothing is tried and not looked at"
        assert tried["host"] == repr("fumehood" if confinement == "full" else os.uname().nodename)
        assert "FUMEHOOD_TEST_SECRET" not in tried["environ"]
        assert bench.mods["evil"].call("crimes", timeout=10)["fork"] in REFUSALS, "nothing of it killed it either"


@pytest.mark.parametrize("what", ["signal handlers", "blocked"])
def test_signals_a_mod_plays_with_do_not_save_it(bench, mod, what):
    code = {
        "signal handlers": "[signal.signal(n, signal.SIG_IGN) for n in range(1, 32) if n not in (9, 19)]\n"
        "    while True: pass",
        "blocked": "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))\n    while True: pass",
    }[what]
    bench.load(mod, "def on_ping(): return 'pong'\n")
    bench.load(mod, f"import os, signal\ndef on_ping(): return 'pong'\ndef on_attack():\n    {code}\n")
    since = bench.mark()
    assert not bench.mods[mod].call_outcome("attack", timeout=20).ok
    assert bench.mods[mod].call("ping", timeout=20) == "pong"
    assert bench.next(mod, since, "rolled back").live_version == 1
