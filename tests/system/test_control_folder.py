"""Where the control socket of `fumehood run` lies: a folder of its owner's alone, or one clear error."""

import os
import shutil
import stat

import pytest
from fumehood.runner import address, connect

STRANGER = 65534

setpriv = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="root alone can be another user (setpriv)"
)


def address_in(folder):
    """The one socket below a folder."""
    (path,) = [path for path in folder.rglob("*") if path.is_socket()]
    return path


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777])
def test_folder_and_socket_are_the_owners_alone_whatever_the_umask(root, serve, temporary, mask):
    before = os.umask(mask)
    try:
        service = serve(root.root)
    finally:
        os.umask(before)
    path = address_in(temporary)
    for part, mode in ((path, 0o600), (path.parent, 0o700), (path.parent.parent, 0o700)):
        assert stat.S_IMODE(part.stat().st_mode) == mode
        assert part.stat().st_uid == os.getuid()
    with connect(root.root) as mods:
        assert list(mods) == []
    assert service.end() == 0
    assert not list(temporary.iterdir())


def refused(service, *words):
    """It ended at once, with one clear error and no traceback."""
    assert service.end() == 78
    said = "".join(service.said)
    assert all(word in said for word in words), said
    assert "Traceback" not in said
    assert len(said.strip().splitlines()) == 1


def ours_in(folder):
    """Where the first folder of ours will be."""
    return folder / f"fumehood-{os.getuid()}"


MODES = {"entered by all": 0o711, "read by a group": 0o740, "closed to its owner": 0o500}


@pytest.mark.parametrize("what", [*MODES, "a file", "a link", "a dead link"])
def test_a_folder_that_is_not_ours_alone_is_refused(root, serve, temporary, what):
    place = ours_in(temporary)
    if what == "a file":
        place.touch()
    elif "link" in what:
        (temporary / "real").mkdir(mode=0o700)
        place.symlink_to(temporary / ("gone" if "dead" in what else "real"))
    else:
        place.mkdir()
        place.chmod(MODES[what])
    refused(serve(root.root), str(place), "mode 0700", "XDG_RUNTIME_DIR")


@setpriv
@pytest.mark.parametrize("which", ["outer", "inner"])
def test_a_folder_of_another_user_is_refused(root, serve, temporary, which):
    place = address.folder_of(root.root) if which == "inner" else ours_in(temporary)
    for part in dict.fromkeys((ours_in(temporary), place)):
        part.mkdir(mode=0o700)
    os.chown(place, STRANGER, STRANGER)
    refused(serve(root.root), str(place), f"user {STRANGER}")


def test_something_else_in_the_sockets_place(root, serve, temporary):
    path = address.folder_of(root.root) / address.NAME
    for part in (path.parent.parent, path.parent, path):
        part.mkdir(mode=0o700)
    refused(serve(root.root), str(path), "remove it")


def test_a_path_too_long_for_a_socket(root, serve, temporary, monkeypatch):
    deep = temporary / ("d" * 90)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    refused(serve(root.root), "107 bytes", "XDG_RUNTIME_DIR")
