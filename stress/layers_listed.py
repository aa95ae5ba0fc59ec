"""What one layer alone stops, as SECURITY.md lists it: a line for each layer, its attacks by category. There are
two: what was found as root, and what an ordinary user has to add to it."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

DOCUMENT: Final = Path(__file__).parent.parent / "SECURITY.md"
_BEGIN: Final = {
    False: "<!-- stress/layers.py --update writes this -->\n",
    True: "<!-- stress/layers.py --update writes this, as an ordinary user -->\n",
}
"""By whether it is an ordinary user's."""
_END: Final = "<!-- up to here -->\n"
_WIDTH: Final = 120

Alone = Mapping[str, Sequence[str]]
"""Layer to the names of attacks, CATEGORY/NAME."""


def read(user: bool = False) -> dict[str, list[str]]:
    """The list in SECURITY.md. `user`: what an ordinary user has to add. Raises ValueError when its two marks are not
    there."""
    _, listed, _ = _parts(user)
    found: dict[str, list[str]] = {}
    for entry in re.split(r"^- ", listed, flags=re.MULTILINE)[1:]:
        layer, _, rest = " ".join(entry.split()).partition(": ")
        groups = (group.partition("/") for group in rest.rstrip(".").split("; "))
        found[layer.strip("*").partition(" (")[0].strip("*")] = [
            f"{category}/{name}" for category, _, names in groups for name in names.split(", ")
        ]
    return found


class Differences(NamedTuple):
    """Layers and attacks that stand in only one of both."""

    measured: list[tuple[str, str]]
    listed: list[tuple[str, str]]

    def lines(self) -> list[str]:
        """In words, a line each."""
        missing = [f"{name} is stopped by {layer} alone" for layer, name in self.measured]
        return missing + [f"{name} is not stopped by {layer} alone" for layer, name in self.listed]


def differences(found: Alone, lacking: Collection[str] = (), user: bool = False) -> Differences:
    """Between what was found and the list. `lacking`: attacks that this machine says nothing of. `user`: it was found
    as an ordinary user, to whom less than root's list may apply, but no more than both."""
    listed = {(layer, name) for layer, names in read(user).items() for name in names if name not in lacking}
    measured = {(layer, name) for layer, names in _added(found, user).items() for name in names}
    return Differences(sorted(measured - listed), sorted(listed - measured))


def write(found: Alone, lacking: Collection[str] = (), user: bool = False) -> None:
    """Put the list in the place of what stands there, but for attacks that are `lacking` here: they stay as they are.
    The layer that most depends on comes first."""
    found = _added(found, user)
    kept = {layer: [name for name in names if name in lacking] for layer, names in read(user).items()}
    found = {layer: sorted({*found.get(layer, ()), *kept.get(layer, ())}) for layer in {**found, **kept}}
    before, _, after = _parts(user)
    entries = [_entry(layer, names) for layer, names in sorted(found.items(), key=lambda each: -len(each[1])) if names]
    DOCUMENT.write_text(before + "".join(entries) + after)


def _parts(user: bool) -> tuple[str, str, str]:
    """The document: before the list, the list, after it."""
    text = DOCUMENT.read_text()
    begin = text.index(_BEGIN[user]) + len(_BEGIN[user])
    end = text.index(_END, begin)
    return text[:begin], text[begin:end], text[end:]


def _added(found: Alone, user: bool) -> Alone:
    """Without what stands in root's list already."""
    if not user:
        return found
    roots = read()
    return {layer: [name for name in names if name not in roots.get(layer, ())] for layer, names in found.items()}


def _entry(layer: str, names: Sequence[str]) -> str:
    categories = sorted({name.partition("/")[0] for name in names})
    groups = [
        f"{each}/" + ", ".join(n.partition("/")[2] for n in names if n.startswith(f"{each}/")) for each in categories
    ]
    words, lines = f"- **{layer}** ({len(names)}): {'; '.join(groups)}.".split(" "), [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + 1 + len(word) > _WIDTH:
            lines.append(" ")
        lines[-1] += f"{' ' if lines[-1] else ''}{word}"
    return "\n".join(lines) + "\n"
