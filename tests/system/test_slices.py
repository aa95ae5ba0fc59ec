"""The game comes first: what it does not wait for runs in longer slices than it does itself."""

import ctypes
import os
import platform
import struct
import subprocess
import sys

import pytest
from fumehood.runner.slices import SLICE_NS

READ = {"x86_64": 315, "aarch64": 275}[platform.machine()]
ATTR = struct.Struct("=IIQiIQQQ")


def slice_of(pid: int) -> int:
    """ns, by sched_getattr(2); 0 before Linux 6.12, 3 ms or less where nobody asked for another."""
    room = ctypes.create_string_buffer(ATTR.size)
    if ctypes.CDLL(None, use_errno=True).syscall(READ, pid, room, ATTR.size, 0) != 0:
        raise OSError(ctypes.get_errno(), "sched_getattr")
    return int(ATTR.unpack(room.raw)[5])


@pytest.fixture(autouse=True)
def _told() -> None:
    if slice_of(os.getpid()) == 0:
        pytest.skip("this kernel does not tell of slices: they came with Linux 6.12")


def test_supervisor_and_workers_have_longer_slices_than_the_game(bench):
    bench.load("weather", "def on_ask(): return 1\n")
    (status,) = bench.mods.status()
    assert slice_of(os.getpid()) < SLICE_NS
    assert slice_of(bench.supervisor.pid) == SLICE_NS
    assert slice_of(status.pid) == SLICE_NS
    bench.load("weather", "def on_ask(): return 2\n")
    assert bench.mods["weather"].call("ask") == 2
    assert slice_of(bench.mods.status()[0].pid) == SLICE_NS, "a hand-over changes the policy, not the slice"


DECIDE = """
import os
{how}
before = os.sched_getscheduler(0), os.nice(0)
from fumehood.runner.slices import lengthen
print(lengthen(), (os.sched_getscheduler(0), os.nice(0)) == before)
"""


@pytest.mark.parametrize(
    ("how", "granted"),
    [("os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))", "False"), ("os.nice(7)", "True")],
)
def test_a_policy_or_a_niceness_that_somebody_else_decided_stays(how, granted):
    command = [sys.executable, "-c", DECIDE.format(how=how)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert shown == [granted, "True"]
