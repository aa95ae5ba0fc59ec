"""The storm, small: everything comes out even; and each planted fault is caught, else the storm proves nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

STORM = Path(__file__).parents[2] / "stress" / "reload_storm.py"


def storm(*more: str) -> tuple[int, dict[str, Any], str]:
    """Run one: its exit status, its document, and what it said besides."""
    command = [sys.executable, str(STORM), "--mods", "20", "--changes", "100", "--seconds", "40", "--json", *more]
    run = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert run.stdout.startswith("{"), run.stderr
    return run.returncode, json.loads(run.stdout), run.stderr


def test_after_a_storm_everything_is_as_it_should_be():
    status, document, said = storm("--seed", "3")
    assert document["differences"] == [], document["journal_of_what_differs"]
    assert (status, document["ok"]) == (0, True), said
    assert document["posts"] == document["posts_handled"] + document["posts_lost"] > 0
    assert document["reloads"] > 20
    assert document["refused"] > 0


@pytest.mark.parametrize(
    ("plant", "blamed"),
    [
        ("old-bytes", ": live digest against the disk"),
        ("lost-post", ": posts"),
        ("leak-fd", "game: descriptors, /dev/null"),
    ],
)
def test_a_planted_fault_is_caught(plant: str, blamed: str):
    status, document, said = storm("--plant", plant, "--changes", "20")
    assert (status, document["ok"]) == (1, False)
    assert any(difference["what"].endswith(blamed) for difference in document["differences"]), document["differences"]
    assert blamed in said
