"""What the documents name is there: a test, a file, a constant that was renamed is found here."""

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
DOCUMENTS = ("ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md")
FOLDERS = ("", "runner", "worker", "worker/confine", "shared", "tests", "stress")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_test_that_is_named_is_one(document):
    defined = {
        name
        for file in (CHECKOUT / "tests").rglob("test_*.py")
        for name in [file.stem, *re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)]
    }
    named = set(re.findall(r"\btest_\w+", (CHECKOUT / document).read_text(encoding="utf-8")))
    assert named <= defined, named - defined


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_is_named_is_there(document):
    for name in re.findall(r"`([\w./-]+\.(?:py|pyi|c|h|md|toml))`", (CHECKOUT / document).read_text(encoding="utf-8")):
        assert any((CHECKOUT / folder / name).is_file() for folder in FOLDERS), name


def test_every_trap_that_a_test_numbers_is_told():
    told = {int(number) for number in re.findall(r"^(\d+)\. ", _traps(), re.MULTILINE)}
    tests = (CHECKOUT / "tests/worker/confined/test_confinement.py").read_text(encoding="utf-8")
    numbered = {int(number) for number in re.findall(r"^    # (\d+)\.", tests, re.MULTILINE)}
    assert numbered
    assert numbered <= told


def _traps():
    text = (CHECKOUT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    return text.partition("## Traps of confinement")[2].partition("\n## ")[0]
