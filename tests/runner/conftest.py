"""The kernel's inotify at its limits: a queue that overflows, a table that is full."""

import ctypes
import gc
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest


@pytest.fixture
def overflow():
    return _overflow


def _overflow(path):
    """Make more events than the kernel queues while the watcher's thread cannot run.

    ctypes.PyDLL keeps the interpreter's lock during the call, and the switch interval keeps it in between.
    """
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    libc = ctypes.PyDLL(None)
    names = [os.fsencode(path / "a"), os.fsencode(path / "b")]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    gc.disable()
    try:
        for number in range(most + 1000):
            libc.close(libc.open(names[number & 1], os.O_CREAT | os.O_WRONLY, 0o600))
    finally:
        gc.enable()
        sys.setswitchinterval(interval)


@pytest.fixture
def run():
    return _run


def _run(code, *args, prefix=()):
    return subprocess.run(
        [*prefix, sys.executable, "-c", textwrap.dedent(code), *args], capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def limited():
    return _limited


def _limited(**limits):
    """A command prefix: run in a user namespace with these inotify limits, or skip where there can be none."""
    settings = "".join(f"echo {value} > /proc/sys/user/{name}; " for name, value in limits.items())
    prefix = ["unshare", "--user", "--map-root-user", "sh", "-c", f'{settings}exec "$@"', "sh"]
    try:
        # This interpreter and not "true": inside, an interpreter in somebody's closed home cannot be reached.
        probe = subprocess.run([*prefix, sys.executable, "-c", ""], capture_output=True, text=True, timeout=20)
    except FileNotFoundError:
        pytest.skip("needs util-linux's unshare")
    if probe.returncode or probe.stderr:
        pytest.skip(f"needs a user namespace for limits of its own: {probe.stderr.strip()}")
    return prefix
