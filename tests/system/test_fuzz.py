"""The fuzzer, short: what is kept passes, planted faults are found, and a machine that cannot build it says so."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

STRESS = Path(__file__).parents[2] / "stress"
SEEDS = STRESS / "fuzz_seeds"


def fuzz(*more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(STRESS / "fuzz.py"), *more]
    environ = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, env=environ)


def told(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert run.stdout.startswith("{"), run.stderr
    document: dict[str, Any] = json.loads(run.stdout)
    return document


def test_every_input_that_is_kept_passes(tmp_path: Path):
    run = fuzz("--kept-only", "--json", "--keep", str(tmp_path))
    document = told(run)
    assert document["findings"] == []
    assert run.returncode == 0
    kept = {folder.name: len(list(folder.iterdir())) for folder in SEEDS.iterdir()}
    assert {each["target"]: each["executions"] for each in document["targets"]} == kept


@pytest.mark.parametrize(
    ("plant", "blamed"),
    [
        ("letter-length", "AddressSanitizer: use-after-poison, in answer_query at shared/_query.h"),
        ("raw-error", "UnicodeDecodeError"),
    ],
)
def test_a_planted_fault_is_found_kept_and_found_again(plant: str, blamed: str, tmp_path: Path):
    run = fuzz("--plant", plant, "--seconds", "30", "--json", "--keep", str(tmp_path / "kept"))
    (finding,) = told(run)["findings"]
    assert run.returncode == 1
    assert blamed in finding["what"]
    if plant == "letter-length":
        again = fuzz("--plant", plant, "--replay", finding["file"])
        assert (again.returncode, "use-after-poison" in again.stdout) == (1, True), again.stdout + again.stderr
        assert fuzz("--replay", finding["file"]).returncode == 0


def test_without_a_compiler_it_says_what_to_install(tmp_path: Path):
    run = fuzz("--target", "decoder", "--seconds", "1", PATH=str(tmp_path))
    assert (run.returncode, run.stdout) == (69, "")
    assert run.stderr.count("\n") == 1
    assert "gcc is needed" in run.stderr
    assert "apt-get install gcc" in run.stderr


@pytest.mark.parametrize("what", [b"{}", b'{"target": "none", "data": ""}', b"plain"])
def test_what_is_no_finding_is_not_replayed(what: bytes, tmp_path: Path):
    (tmp_path / "finding").write_bytes(what)
    run = fuzz("--replay", str(tmp_path / "finding"))
    assert (run.returncode, run.stdout) == (2, "")
    assert "is neither a finding nor an input" in run.stderr
