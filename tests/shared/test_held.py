"""Folders that are somebody's for as long as they hold the lock. Held against real folders and processes."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fumehood.shared import held

MAKER = """
import os, sys
from fumehood.shared import held
fd = held.make(held.name_in(sys.argv[1]))
reading, writing = os.pipe()
if os.fork() == 0:
    os.close(fd)  # as a worker does at once
    os.close(writing)
    sys.stdin.read()
    os._exit(0)
os.close(writing)
os.read(reading, 1)  # nothing: the child has let go
print("made", flush=True)
sys.stdin.read()
"""


IN_BETWEEN = """
import fcntl, os, sys
from pathlib import Path
from fumehood.shared import held
place, event, who = sys.argv[1:]
kept = []

def come_in_between(name, _):
    global event
    if name != event:
        return
    event = ""  # once
    if who == "a whole sweep":
        list(held.sweep(place))
    else:  # one that has begun, and takes its time
        (folder,) = os.listdir(place)
        kept.append(os.open(f"{place}/{folder}", os.O_RDONLY))
        fcntl.flock(kept[0], fcntl.LOCK_EX)

sys.addaudithook(come_in_between)
fd = held.make(held.name_in(place))
for each in kept:
    os.close(each)
print(event == "", len(os.listdir(place)))
list(held.sweep(place))
print(len(os.listdir(place)))
"""


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def names(folder):
    return sorted(each.name for each in folder.iterdir())


def swept(folder):
    for _ in held.sweep(str(folder)):
        pass
    return names(folder)


def test_what_is_held_stays_and_what_was_let_go_of_goes(tmp_path):
    path = held.name_in(str(tmp_path))
    fd = held.make(path)
    (tmp_path / path / "worker" / "deep").mkdir(parents=True)
    (tmp_path / path / "worker" / "file").write_text("x")
    assert Path(path).stat().st_mode & 0o777 == 0o700
    assert len(swept(tmp_path)) == 1
    os.close(fd)
    assert swept(tmp_path) == []


def test_a_killed_process_lets_go_though_a_child_of_its_lives_on(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", MAKER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as maker:
        assert maker.stdout.readline() == b"made\n"
        assert len(swept(tmp_path)) == 1
        maker.send_signal(signal.SIGKILL)
        maker.wait(20)
        assert swept(tmp_path) == []
        maker.stdin.close()  # the child ends


@pytest.mark.parametrize(
    ("event", "who"),
    [
        ("open", "a whole sweep"),
        ("fcntl.flock", "a whole sweep"),
        ("os.rename", "a whole sweep"),
        ("fcntl.flock", "a slow one"),
    ],
)
def test_it_is_held_whenever_a_sweep_comes_in_between(tmp_path, event, who):
    """Another start may look at the folder at any time before it is held."""
    done = subprocess.run(
        [sys.executable, "-c", IN_BETWEEN, str(tmp_path), event, who], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout.split(), done.stderr) == (["True", "1", "1"], "")


@pytest.mark.parametrize("name", ["fumehood-1000", "fumehood-demo-x", "fumehood-scratch", "else"])
def test_what_has_another_name_is_not_looked_at(tmp_path, name):
    (tmp_path / name).mkdir()
    assert swept(tmp_path) == [name]


def test_what_is_no_folder_is_left_alone(tmp_path):
    """Links are not followed: who plants one in /tmp has nothing removed with our rights."""
    aside = tmp_path / "aside"
    aside.mkdir()
    (aside / "precious").write_text("x")
    place = tmp_path / "place"
    place.mkdir()
    (place / f"{held.PREFIX}link").symlink_to(aside)
    (place / f"{held.PREFIX}file").write_text("x")
    os.mkfifo(place / f"{held.PREFIX}pipe")
    assert len(swept(place)) == 3
    assert names(aside) == ["precious"]


def test_an_ordinary_user_takes_only_their_own(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder that is another's")
    tmp_path.chmod(0o777)
    for user in (0, 65534, 65533):
        path = tmp_path / f"{held.PREFIX}{user}"
        path.mkdir(0o777)
        path.chmod(0o777)
        os.chown(path, user, user)
    child = os.fork()
    if child == 0:
        os.chdir(tmp_path)  # the folders above are root's alone
        os.setresuid(65534, 65534, 65534)
        list(held.sweep("."))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert names(tmp_path) == [f"{held.PREFIX}0", f"{held.PREFIX}65533"]
    assert swept(tmp_path) == []


def test_a_folder_that_is_being_swept_is_left_to_who_sweeps_it(tmp_path):
    path = tmp_path / f"{held.PREFIX}1"
    path.mkdir()
    (path / "file").write_text("x")
    fd = os.open(path, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    assert swept(tmp_path) == [path.name]
    os.close(fd)
    assert swept(tmp_path) == []


def test_no_folder_and_no_descriptor_is_left_where_it_cannot_be_made(tmp_path):
    before = descriptors()
    (tmp_path / f"{held.PREFIX}1").write_text("a file stands there")
    with pytest.raises(OSError, match="Not a directory"):
        held.make(str(tmp_path / f"{held.PREFIX}1"))
    with pytest.raises(FileNotFoundError):
        held.make(str(tmp_path / "nowhere" / "x"))
    assert names(tmp_path) == [f"{held.PREFIX}1"]
    assert descriptors() == before
    assert list(held.sweep(str(tmp_path / "nowhere"))) == []
