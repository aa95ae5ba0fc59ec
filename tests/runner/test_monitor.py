"""What is judged from outside: hangs, memory, CPU over time; the decisions alone, and one real process sampled."""

import mmap
import os
import subprocess
import sys

import psutil
import pytest
from fumehood.runner import monitor
from fumehood.runner.monitor import Sighting, hangs
from fumehood.shared import segment
from fumehood.shared.policy import Limits
from hypothesis import given
from hypothesis import strategies as st

HERE = Sighting((1, 0, 64), since=100.0, cpu=5.0)


def test_a_busy_handler_hangs_after_the_limit():
    assert not hangs(HERE, now=100.9, cpu=5.9, hang_after=1.0)
    assert hangs(HERE, now=101.0, cpu=5.6, hang_after=1.0)


def test_a_starved_or_sleeping_one_gets_more_time():
    assert not hangs(HERE, now=101.0, cpu=5.1, hang_after=1.0)
    assert hangs(HERE, now=102.0, cpu=5.0, hang_after=1.0)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0.001, 100))
def test_nothing_hangs_before_its_limit_and_everything_does_in_the_end(wall, cpu, limit):
    verdict = hangs(HERE, HERE.since + wall, HERE.cpu + cpu, limit)
    if HERE.since + wall - HERE.since < limit:
        assert not verdict
    if HERE.since + wall - HERE.since >= limit * monitor.STARVED_GRACE:
        assert verdict


def test_a_sample_tells_cpu_and_own_memory():
    process = psutil.Process(os.getpid())
    cpu, memory = monitor.sample(process)
    ballast = bytearray(os.urandom(1 << 20) * 32)
    later, more = monitor.sample(process)
    assert later >= cpu > 0
    assert more >= memory + (len(ballast) >> 1)


def test_shared_memory_counts_beyond_what_was_lent_and_files_never(tmp_path):
    process = psutil.Process(os.getpid())
    size = 32 << 20
    (tmp_path / "file").write_bytes(bytes(size))
    before = monitor.sample(process)[1]
    with (tmp_path / "file").open("rb") as file, mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as library:
        assert sum(library[::4096]) == 0
        assert monitor.sample(process, lent=1 << 40)[1] < before + size // 2  # lent: if the folder is in memory
    with mmap.mmap(-1, size) as shared:
        shared[::4096] = b"x" * (size // 4096)
        assert monitor.sample(process)[1] > before + size // 2
        assert monitor.sample(process, lent=1 << 40)[1] < before + size // 2


def test_a_process_that_is_gone_is_said_to_be():
    child = subprocess.Popen(["/bin/true"])
    process = psutil.Process(child.pid)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert monitor.sample(process)[1] == 0  # ended, not yet reaped
    child.wait()
    with pytest.raises(psutil.NoSuchProcess):
        monitor.sample(process)


def test_a_name_cannot_pass_for_a_number():
    code = "import ctypes, sys; ctypes.CDLL(None).prctl(15, b'\\nRssAnon: 9 kB'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        assert monitor.sample(psutil.Process(child.pid))[1] > 1 << 20
        child.stdin.close()


def test_a_worker_may_map_all_that_it_is_given():
    limits = Limits()
    rings = 2 * segment.ring_segment_size(limits.ring_bytes)
    assert monitor.lent(limits) >= rings + limits.state_bytes + limits.snapshot_bytes + limits.scratch_bytes
