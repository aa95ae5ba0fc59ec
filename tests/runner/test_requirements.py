"""What is guessed for a requirement that is not there, and what is read of those that are too many; the rest of
requirements is in tests/system/test_requires.py."""

import pytest
from fumehood.runner.manifest import Manifest
from fumehood.runner.requirements import LONGEST_GUESSED, MOST, compose
from fumehood.runner.snapshot import Gone, Snapshot
from fumehood.shared.policy import Limits


def answer(required, known):
    """What a mod is told that requires what is not there."""

    def take(key):
        raise Gone(key)

    own = Snapshot("own", False, "", {"own.py": b""}, Manifest(requires=(required,)), 0, 0, ())
    return compose(own, take, known | {"own"}, Limits()).taken.diagnostic.message


@pytest.mark.parametrize(
    ("required", "known", "hint"),
    [
        ("econmy", {"economy", "weather"}, "; did you mean 'economy'?"),
        ("econmy", {"economy"} | {f"x{number}" for number in range(5000)}, "; did you mean 'economy'?"),
        ("econmy", {"weather"}, "there is no such mod"),
        ("owm", set(), "there is no such mod"),  # not itself
        ("a" * (LONGEST_GUESSED + 1), {"a" * LONGEST_GUESSED}, "there is no such mod"),
        ("b" * LONGEST_GUESSED, {"b" * (LONGEST_GUESSED + 1)}, "there is no such mod"),
    ],
)
def test_what_may_have_been_meant_is_told(required, known, hint):
    assert answer(required, known).endswith(hint)


def test_a_folder_full_of_names_that_are_alike_is_not_compared_with_all_of_them():
    """Two names of 190 equal letters take difflib two milliseconds: all of these, minutes."""
    known = {"a" * 190 + f"{number:05}" for number in range(100_000)}
    assert answer("a" * 195, known).endswith("there is no such mod")
    short = {"a" * 58 + f"{number:05}" for number in range(100_000)}
    assert "did you mean" in answer("a" * 63, short)


@pytest.mark.parametrize(
    ("limits", "kind"), [({"snapshot_bytes": 2500}, "TooLarge"), ({"snapshot_files": 3}, "TooManyFiles")]
)
@pytest.mark.parametrize("chained", [False, True])
def test_libraries_are_read_until_they_are_too_much_and_no_further(limits, kind, chained):
    """32 of 8 MiB are a second's work, and as much again whenever one of them changes."""
    names = [f"lib{number}" for number in range(MOST)]
    read = []

    def take(key):
        read.append(key)
        after = tuple(names[len(read) : len(read) + 1]) if chained else ()
        return Snapshot(key, False, "", {f"{key}.py": b"#" * 1000}, Manifest(requires=after), 0, 0, ())

    own = Snapshot(
        "own", False, "", {"own.py": b""}, Manifest(requires=tuple(names[:1] if chained else names)), 0, 0, ()
    )
    taken, needs = compose(own, take, set(names), Limits(**limits))
    assert taken.diagnostic.kind == kind
    assert read == names[:3]
    assert needs == set(read), "a change of any of them may change that"
