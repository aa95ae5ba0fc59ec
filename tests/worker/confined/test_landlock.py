"""Landlock by itself, in a fork that restricts itself and tells what it could open."""

import errno
import json
import os
import sys
from pathlib import Path

import pytest
from fumehood.worker.confine import calls, landlock, syscalls


def outcomes(rulesets, asks):
    """What `asks`, by name, come to under these rulesets: an errno's name, or "" ."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
            calls.run(landlock.restrict(*rulesets))
            told = {}
            for name, ask in asks.items():
                try:
                    ask()
                    told[name] = ""
                except OSError as error:
                    told[name] = errno.errorcode[error.errno]
            os.write(writing, json.dumps(told).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        text = told.read()
    os.waitpid(child, 0)
    return json.loads(text)


def test_packages_inside_the_librarys_folder_are_left_out_but_for_the_named(tmp_path):
    library, scratches = tmp_path / "lib", tmp_path / "scratches"
    others = library / "site-packages"
    for folder in (library / "json", others / "named", others / "other", scratches / "1", scratches / "2"):
        folder.mkdir(parents=True)
    inside = ("os.py", "json/x.py", "site-packages/named/x.py", "site-packages/other/x.py")
    for file in (*(library / name for name in inside), tmp_path / "y"):
        file.write_text("")
    (library / "link").symlink_to(tmp_path / "y")
    readable = [str(library), str(others / "named")]
    rulesets = [
        landlock.build(readable, [str(scratches / "1")]),
        landlock.build_without([str(others)], readable, str(scratches)),
    ]
    try:
        found = outcomes(
            rulesets,
            {
                **{name: (lambda path=library / name: path.read_text()) for name in (*inside, "link")},
                "listed": lambda: list(library.iterdir()),
                "written": lambda: (library / "os.py").write_text("x"),
                "own": lambda: (scratches / "1" / "file").write_text("x"),
                "moved": lambda: (scratches / "1" / "file").rename(scratches / "1" / "other"),
                "others": lambda: (scratches / "2" / "file").write_text("x"),
            },
        )
    finally:
        for ruleset in rulesets:
            os.close(ruleset)
    assert {name for name, outcome in found.items() if not outcome} == {
        "os.py", "json/x.py", "site-packages/named/x.py", "listed", "own", "moved",
    }  # fmt: skip
    assert set(found.values()) == {"", "EACCES"}


def test_a_worker_reads_no_package_inside_the_librarys_folder(cell):
    place = Path(os.__file__).parent / "site-packages" / "pip" / "__init__.py"
    if not place.exists() or place.is_relative_to(sys.prefix):
        pytest.skip("the interpreter keeps no packages there that nobody named")
    assert cell.errno(f"open({str(place)!r})") in ("EACCES", "ENOENT")
