"""Measuring a hostile folder."""

import contextlib
import os
import subprocess
import sys

import pytest
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

LIMITS = Limits(scratch_bytes=64 * 1024, scratch_inodes=20)


def crossed(folder, limits):
    found = excess(str(folder), limits)
    assert found is not None
    return found


def test_within_its_limits_there_is_nothing_to_say(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(bytes(4096))
    assert excess(str(tmp_path), LIMITS) is None
    assert excess(str(tmp_path / "gone"), LIMITS) is None


def test_bytes_and_entries_are_counted_at_any_depth(tmp_path):
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "big").write_bytes(os.urandom(128 * 1024))
    assert "bytes" in excess(str(tmp_path), LIMITS).what
    (deep / "big").unlink()
    for number in range(30):
        (deep / str(number)).touch()
    assert "files and folders" in excess(str(tmp_path), LIMITS).what


@contextlib.contextmanager
def going_on(program, folder):
    """Another process does that in the folder."""
    with subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"on\n"
            yield
        finally:
            process.kill()


@pytest.mark.parametrize("program", [CHURN, RENAME], ids=["made and removed", "renamed"])
def test_folders_that_come_and_go_hide_nothing_for_long(tmp_path, program):
    """But from one look in a hundred: the kernel may list a folder under neither name while it is renamed."""
    big = tmp_path / "first" / "a" / "b" / "big"
    big.parent.mkdir(parents=True)
    big.write_bytes(os.urandom(128 * 1024))
    with going_on(program, tmp_path):
        assert [excess(str(tmp_path), LIMITS) for _ in range(2000)].count(None) < 100


def test_folders_may_come_and_go_as_fast_as_they_can(tmp_path):
    with going_on(CHURN, tmp_path):
        assert {excess(str(tmp_path), LIMITS) for _ in range(2000)} == {None}


def test_links_are_not_followed(tmp_path):
    (tmp_path / "everything").symlink_to("/")
    (tmp_path / "itself").symlink_to(".")
    assert excess(str(tmp_path), LIMITS) is None


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
    assert "cannot be measured" in excess(str(tmp_path), Limits(scratch_inodes=100)).what


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_hides_itself_is_too_much(tmp_path):
    (tmp_path / "hidden").mkdir(mode=0o000)
    assert "cannot be measured" in excess(str(tmp_path), LIMITS).what
    (tmp_path / "hidden").chmod(0o700)
