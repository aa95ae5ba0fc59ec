"""Removing what somebody hostile has built. Held against real folders."""

import os
from pathlib import Path

import pytest
from fumehood.shared.removal import go_on, removal


def remove(path):
    """Remove all of it; how many turns it took."""
    return sum(1 for _ in removal(str(path)))


def nest(top, depth):
    """`depth` folders, one in the other, and a file at the bottom: deeper than a path may be long."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("folder", dir_fd=here)
        below = os.open("folder", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_tree_goes_and_each_entry_is_a_turn(tmp_path):
    top = tmp_path / "top"
    for folder in ("a/b/c", "a/d", "e"):
        (top / folder).mkdir(parents=True)
        (top / folder / "file").write_text("x")
    os.mkfifo(top / "a" / "pipe")
    before = descriptors()
    assert remove(top) >= 9
    assert not top.exists()
    assert descriptors() == before


def test_depth_costs_neither_stack_nor_descriptors(tmp_path):
    top = tmp_path / "top"
    top.mkdir()
    nest(top, 3000)
    work = removal(str(top))
    before, most = descriptors(), 0
    for _ in work:
        most = max(most, descriptors())
    assert most <= before + 3
    assert not top.exists()


@pytest.mark.parametrize("mode", [0o000, 0o100, 0o300, 0o400, 0o500, 0o600])
def test_permissions_are_restored_first(tmp_path, mode):
    top = tmp_path / "top"
    (top / "locked" / "inner").mkdir(parents=True)
    (top / "locked" / "inner" / "file").write_text("x")
    for folder in (top / "locked" / "inner", top / "locked", top):
        folder.chmod(mode)
    remove(top)
    assert not top.exists()


def test_links_are_removed_and_never_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o755)
    (outside / "file").write_text("precious")
    top = tmp_path / "top"
    (top / "a").mkdir(parents=True)
    (top / "link").symlink_to(outside)
    (top / "a" / "link").symlink_to(outside / "file")
    (top / "a" / "loop").symlink_to("..")
    remove(top)
    assert not top.exists()
    assert (outside / "file").read_text() == "precious"
    (tmp_path / "itself").symlink_to(outside)
    remove(tmp_path / "itself")
    assert (outside / "file").exists()


def test_a_tree_that_is_moved_about_leads_nowhere(tmp_path):
    """The way back up would end in the folder beside: nothing of that is touched."""
    beside = tmp_path / "beside"
    (beside / "b").mkdir(parents=True)
    (beside / "precious").write_text("x")
    top = tmp_path / "top"
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "b" / "file").write_text("x")
    work = removal(str(top))
    while (top / "a" / "b" / "file").exists():
        next(work)
    (top / "a" / "b").rename(beside / "moved")
    assert list(work) == []
    assert sorted(path.name for path in beside.iterdir()) == ["b", "moved", "precious"]


def test_what_cannot_go_stays_and_the_rest_goes(tmp_path):
    assert remove(tmp_path / "no such folder") == 0
    (tmp_path / "file").write_text("x")
    remove(tmp_path / "file")
    assert (tmp_path / "file").exists()


def test_it_is_done_a_little_at_a_time(tmp_path):
    top = tmp_path / "top"
    top.mkdir()
    for number in range(50):
        (top / str(number)).touch()
    work = removal(str(top))
    assert go_on(work, 0.0)
    assert len(list(top.iterdir())) == 49
    while go_on(work, 0.001):
        pass
    assert not top.exists()
    assert not go_on(work, 1.0)
