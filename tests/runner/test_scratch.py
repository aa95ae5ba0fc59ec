"""Measuring a hostile folder."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest
from fumehood.runner import scratch
from fumehood.runner.scratch import excess
from fumehood.shared.policy import Limits

CHURN = """
import os, sys
os.chdir(sys.argv[1])
print("on", flush=True)
while True:
    for name in "abcdefgh":
        os.mkdir(name)
    for name in "hgfedcba":
        os.rmdir(name)
"""
RENAME = """
import os, sys
os.chdir(sys.argv[1])
print("on", flush=True)
while True:
    os.rename("first", "other")
    os.rename("other", "first")
"""
RENAME_ANEW = """
import os, sys
os.chdir(sys.argv[1])
print("on", flush=True)
name, number = "first", 0
while True:
    number += 1
    try:
        os.rename(name, str(number))
    except FileNotFoundError:
        continue
    name = str(number)
"""

LIMITS = Limits(scratch_bytes=64 * 1024, scratch_inodes=20)


def crossed(folder, limits):
    found = excess(str(folder), limits, contextlib.nullcontext)
    assert found is not None
    return found


def test_within_its_limits_there_is_nothing_to_say(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(bytes(4096))
    assert excess(str(tmp_path), LIMITS, contextlib.nullcontext) is None
    assert excess(str(tmp_path / "gone"), LIMITS, contextlib.nullcontext) is None


def test_bytes_and_entries_are_counted_at_any_depth(tmp_path):
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "big").write_bytes(os.urandom(128 * 1024))
    assert "bytes" in excess(str(tmp_path), LIMITS, contextlib.nullcontext).what
    (deep / "big").unlink()
    for number in range(30):
        (deep / str(number)).touch()
    assert "files and folders" in excess(str(tmp_path), LIMITS, contextlib.nullcontext).what


@contextlib.contextmanager
def going_on(program, folder):
    """Another process does that in the folder. Gives what holds it."""

    @contextlib.contextmanager
    def hold():
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    with subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"on\n"
            yield hold
        finally:
            process.kill()


@pytest.mark.parametrize("program", [CHURN, RENAME, RENAME_ANEW], ids=["made and removed", "renamed", "renamed anew"])
def test_folders_that_come_and_go_hide_nothing(tmp_path, program):
    """The kernel may list a folder under neither name while it is renamed; the links of the one above tell."""
    if os.lstat(tmp_path).st_nlink < 2:
        pytest.skip("this file system does not count the links of folders")
    big = tmp_path / "first" / "a" / "b" / "big"
    big.parent.mkdir(parents=True)
    big.write_bytes(os.urandom(128 * 1024))
    with going_on(program, tmp_path) as hold:
        assert [excess(str(tmp_path), LIMITS, hold) for _ in range(500)].count(None) == 0


def test_folders_may_come_and_go_as_fast_as_they_can(tmp_path):
    with going_on(CHURN, tmp_path) as hold:
        assert {excess(str(tmp_path), LIMITS, hold) for _ in range(500)} == {None}


def test_folders_that_nobody_can_hold_are_too_much(tmp_path, monkeypatch):
    looks = []
    monkeypatch.setattr(scratch, "_measure", lambda *_: (looks.append(1), (None, False))[1])
    assert "come and go too fast" in crossed(tmp_path, LIMITS).what
    assert len(looks) == scratch.LOOKS + 1


def test_links_are_not_followed(tmp_path):
    (tmp_path / "everything").symlink_to("/")
    (tmp_path / "itself").symlink_to(".")
    assert excess(str(tmp_path), LIMITS, contextlib.nullcontext) is None


def test_a_tree_that_is_too_deep_to_walk_is_too_much(tmp_path):
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        for _ in range(40):
            os.mkdir("d" * 200, dir_fd=here)
            below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
    finally:
        os.close(here)
    assert "cannot be measured" in excess(str(tmp_path), Limits(scratch_inodes=100), contextlib.nullcontext).what


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_hides_itself_is_too_much(tmp_path):
    (tmp_path / "hidden").mkdir(mode=0o000)
    assert "cannot be measured" in excess(str(tmp_path), LIMITS, contextlib.nullcontext).what
    (tmp_path / "hidden").chmod(0o700)
