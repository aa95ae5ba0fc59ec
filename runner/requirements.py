"""A mod that requires others carries their files in its own snapshot, so that it can import them.

Each mod lives in a process of its own: `from mods.mathlib import lerp` runs the library's code again there, as it was
when the snapshot was taken. So a change in a library is a change of everybody who requires it, and the digest says so.
Pure but for `take`, which reads; runs in the supervisor.
"""

import hashlib
import heapq
import posixpath
from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from typing import Final, NamedTuple

from ..shared.policy import Limits
from . import tree
from .manifest import FILE, Refused, refusal
from .snapshot import Gone, Library, Snapshot

MOST: Final = 32
"""Libraries of one mod, theirs counted too. More: a bulk change takes longer; fewer: nobody needs more."""


LONGEST_GUESSED: Final = 64
"""Characters of a name that another may be guessed from. Two of twice as many take a millisecond at worst."""
MOST_GUESSED: Final = 100
"""Names to guess from, those of the same letters first. Ten thousand took seconds."""


class Composition(NamedTuple):
    """A snapshot with its libraries, or why there can be none."""

    taken: Snapshot | Refused
    needs: frozenset[str]
    """Every key that was looked for: a change of any of them may change the answer."""


def compose(own: Snapshot, take: Callable[[str], Snapshot], known: set[str], limits: Limits) -> Composition:
    """Gather what `own` requires. `take` raises Gone or Refused; `known`: names to be guessed from."""
    found: dict[str, Snapshot] = {}
    """In load order."""
    taken: dict[str, Snapshot] = {}
    """In the order in which they were read."""
    asked: set[str] = set()

    def gather(requires: tuple[str, ...], path: list[str]) -> None:
        for key in requires:
            if key in path:
                raise _wrong(own, "Circular", f"it requires itself: {' → '.join([*path[path.index(key) :], key])}")
            if key in found:
                continue
            asked.add(key)
            if len(asked) > MOST:
                raise _wrong(own, "TooManyRequirements", f"it requires more than {MOST} mods, theirs counted too")
            library = taken[key] = _take(own, key, take, known)
            _check_size(own, taken, limits)  # before the next is read: they may be as many times too large
            gather(library.manifest.requires, [*path, key])
            found[key] = library

    try:
        gather(own.manifest.requires, [own.key])
    except Refused as refused:
        return Composition(refused, frozenset(asked))
    if not found:
        return Composition(own, frozenset())
    libraries = tuple(Library(key, lib.folder, lib.files) for key, lib in found.items())
    hashed = hashlib.sha256(own.digest.encode())
    for key, lib in found.items():
        name = key.encode()
        hashed.update(b"\n%d %d " % (lib.folder, len(name)) + name + lib.digest.encode())
    return Composition(
        replace(
            own,
            digest=hashed.hexdigest(),
            libraries=libraries,
            signature=own.signature + tuple(mark for key in sorted(found) for mark in found[key].signature),
        ),
        frozenset(asked),
    )


def _take(own: Snapshot, key: str, take: Callable[[str], Snapshot], known: set[str]) -> Snapshot:
    try:
        if key != posixpath.normpath(key) or key.startswith(("/", "..")) or key in ("", ".") or tree.unusable(key):
            raise Gone(key)
        return take(key)
    except Gone:
        near = _nearest(key, known - {own.key})
        hint = f"; did you mean {near!r}?" if near else ""
        raise _wrong(own, "MissingRequirement", f"it requires {key!r}, and there is no such mod{hint}") from None
    except Refused as refused:
        why = refused.diagnostic
        text = f"it requires {key!r}, which cannot be taken: {why.file}: {why.message}"
        raise _wrong(own, "BrokenRequirement", text) from None


def _nearest(key: str, known: set[str]) -> str:
    """What was meant by `key`, or "". Others chose all of these names, and comparing two may take cubic time."""
    if len(key) > LONGEST_GUESSED:
        return ""
    letters = set(key)
    short = (name for name in known if len(name) <= LONGEST_GUESSED)
    alike = heapq.nsmallest(MOST_GUESSED, short, lambda name: (len(letters ^ set(name)), abs(len(name) - len(key))))
    near = get_close_matches(key, alike, 1)
    return near[0] if near else ""


def _check_size(own: Snapshot, taken: dict[str, Snapshot], limits: Limits) -> None:
    every = [own, *taken.values()]
    files = sum(len(each.files) for each in every)
    size = sum(len(data) for each in every for data in each.files.values())
    if files > limits.snapshot_files:
        text = f"with what it requires it holds {files} files or more {limits.cite('snapshot_files')}"
        raise _wrong(own, "TooManyFiles", text)
    if size > limits.snapshot_bytes:
        raise _wrong(
            own, "TooLarge", f"with what it requires it is {size} bytes long or more {limits.cite('snapshot_bytes')}"
        )


def _wrong(own: Snapshot, kind: str, message: str) -> Refused:
    return refusal(kind, message, f"{own.key}/{FILE}" if own.folder else f"{own.key}.py")
