"""What one layer alone stops, as SECURITY.md lists it: a line for each layer, its attacks by category."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

DOCUMENT: Final = Path(__file__).parent.parent / "SECURITY.md"
_BEGIN: Final = "<!-- stress/layers.py --update writes this -->\n"
_END: Final = "<!-- up to here -->\n"
_WIDTH: Final = 120

Alone = Mapping[str, Sequence[str]]
"""Layer to the names of attacks, CATEGORY/NAME."""


def read() -> dict[str, list[str]]:
    """The list in SECURITY.md. Raises ValueError when its two marks are not there."""
    text = DOCUMENT.read_text()
    listed = text[text.index(_BEGIN) + len(_BEGIN) : text.index(_END)]
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


def differences(found: Alone, lacking: Collection[str] = ()) -> Differences:
    """Between what was found and the list. `lacking`: attacks that this machine says nothing of."""
    listed = {(layer, name) for layer, names in read().items() for name in names if name not in lacking}
    measured = {(layer, name) for layer, names in found.items() for name in names}
    return Differences(sorted(measured - listed), sorted(listed - measured))


def write(found: Alone, lacking: Collection[str] = ()) -> None:
    """Put the list in the place of what stands there, but for attacks that are `lacking` here: they stay as they are.
    The layer that most depends on comes first."""
    kept = {layer: [name for name in names if name in lacking] for layer, names in read().items()}
    found = {layer: sorted({*found.get(layer, ()), *kept.get(layer, ())}) for layer in {**found, **kept}}
    text = DOCUMENT.read_text()
    entries = [_entry(layer, names) for layer, names in sorted(found.items(), key=lambda each: -len(each[1])) if names]
    DOCUMENT.write_text(text[: text.index(_BEGIN) + len(_BEGIN)] + "".join(entries) + text[text.index(_END) :])


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
