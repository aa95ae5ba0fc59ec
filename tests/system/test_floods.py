"""Mods that report without end, in the longest words there are: the supervisor answers, and looks after the others."""

import os
import signal
import subprocess
import sys
import time

import pytest
from fumehood.shared.policy import Limits

DIAGNOSTIC = """
WORST, MARK = chr(0xe0001), chr(0x488)
def diagnostic(stage, message, traceback):
    return dict(stage=stage, kind="K", message=message, file="", line=1, column=0, end_column=0, source="",
                traceback=traceback)
"""
FLOODS = {
    "faults": "dict(type='Fault', event='e', count=1, diagnostic=diagnostic('run', MARK * 4000, MARK * 20000))",
    "log lines": "dict(type='LogLine', level=40, text=WORST * 15000)",
    "stages": "dict(type='Entered', stage='run')",
    "events": "dict(type='Bound', events=[['', 0]] * 9999, filters={}, state_version=0, stages={}, has_selftest=False)",
}
FLOOD = """
DATA = pack({what})
@on("flood")
def flood(seconds):
    fd, end = grip()["Link"]._fd, time.monotonic() + seconds
    while time.monotonic() < end:
        os.write(fd, DATA)
@on("ping")
def ping(): return "pong"
"""
SECONDS = 8.0
"""Of flood: what is to happen meanwhile takes 2 on an idle machine, and took longer than the flood when it was read."""
HANGS = """
# /// script
# [tool.fumehood.limits]
# hang_after = 0.5
# ///
def on_hang():
    while True: pass
def on_ping(): return "pong"
"""


@pytest.mark.parametrize("what", FLOODS)
def test_three_floods_keep_the_supervisor_from_nothing(launched, root, until, what):
    """While they last it finds the hang of another mod, and what is saved goes live."""
    flooding = [f"flood{number}" for number in range(3)]
    for name in flooding:
        root.save(f"{name}.py", root.hostile(DIAGNOSTIC + FLOOD.format(what=FLOODS[what])))
    root.save("good.py", root.counter(1))
    root.save("hangs.py", HANGS)
    with launched(root.root, limits=Limits(hang_after=20.0), log_level="error") as bench:
        used, began = sum(bench.supervisor.cpu_times()[:2]), time.monotonic()
        for name in flooding:
            bench.mods[name].post("flood", SECONDS)
        bench.mods["hangs"].post("hang")
        until(lambda: bench.mods["hangs"].call_outcome("ping", timeout=0.05).ok, "the hung mod answers again")
        for version in range(2, 6):
            bench.load("good", bench.counter(version))
            assert bench.status("good").version == version
        for name in flooding:
            assert type(bench.mods[name].call_outcome("ping", timeout=0.01).error).__name__ == "ModTimeout", (
                "it is over"
            )
        share = (sum(bench.supervisor.cpu_times()[:2]) - used) / (time.monotonic() - began)
        assert share < 0.6, "most of a core is left: it was all of one"


LONGEST = """
tell(type="Unfit", diagnostic=diagnostic("import", WORST * 4000, WORST * 9300 + "\\x01" * 10000))
time.sleep(9)
"""


def test_the_longest_words_of_a_refused_candidate_can_be_read(bench, mod):
    """They were ten times as long when they were escaped, no packet held them, and the supervisor took that for the end
    of the game."""
    bench.load(mod, "def on_ping(): return 'pong'\n")
    receipt = bench.load(mod, bench.hostile(DIAGNOSTIC + LONGEST), "refused")
    assert "more characters" in receipt.diagnostic.traceback
    assert bench.status(mod).diagnostic.message.startswith("\\U000e0001")
    assert bench.mods[mod].call("ping") == "pong"


DRAINS_TWICE = """
import signal
def twice(*_):
    for _ in range(2):
        tell(type="Drained", state=dict(size=0, version=1, data=b""), error="")
signal.signal(signal.SIGUSR2, twice)
@on("ping")
def ping(): return "pong"
"""


def test_one_that_says_twice_that_it_drained_while_the_game_does_not_look_is_condemned(bench, mod, until):
    """Each time its state was copied, as often as it said so: half of a core, until the game looked."""
    bench.load(mod, bench.hostile(DRAINS_TWICE))
    pid, since, link = bench.status(mod).pid, bench.mark(), bench.mods._link
    bench.save(f"{mod}.py", bench.counter(2))
    until(lambda: not link.settle(1.0, look=True), "the new version is on offer")
    os.kill(pid, signal.SIGUSR2)
    until(lambda: [r for r in link.receipts(since, 0.0) if r.mod == mod], "the old one is condemned")
    receipt = next(r for r in link.receipts(since, 0.0) if r.mod == mod)
    assert (receipt.verdict, receipt.diagnostic.kind) == ("superseded", "ProtocolError")
    assert "again that it drained" in receipt.diagnostic.message
    assert bench.next(mod, since).version == 2


GAME = """if True:
    import sys
    from fumehood.runner import launch
    from fumehood.shared.policy import Limits
    with launch(sys.argv[1], limits=Limits(log_bytes=1 << 20)) as mods:
        mods["talks"].call("talk", timeout=10)
        print("talked", flush=True)
        print(mods.wait("talks", version=2, timeout=20).verdict, len(mods.status()), flush=True)
    print("closed", flush=True)
"""
TALKS = """
import logging, time
def on_talk():
    for _ in range(100):
        logging.getLogger().error("x" * 4000)
        time.sleep(0.003)  # else they are dropped before they are sent
"""


def test_a_game_whose_stderr_nobody_reads_has_its_mods_looked_after(root):
    """The first 64 KiB of log lines filled the pipe, and the next one stopped the supervisor's loop."""
    root.save("talks.py", TALKS)
    game = subprocess.Popen(
        [sys.executable, "-c", GAME, str(root.root)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert game.stdout.readline() == "talked\n"
        root.save("talks.py", TALKS + "# 2\n")
        assert game.stdout.readline() == "live 1\n"
        assert game.stdout.readline() == "closed\n"
        assert game.wait(20) == 0
    finally:
        game.kill()
        game.communicate()
