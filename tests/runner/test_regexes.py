"""No regular expression of the trusted side takes a time for hostile text that is more than linear, or nearly so.

One that is cubic stops the supervisor for hours with 2 KB. Each is applied to texts that make those with overlapping
parts try every way to divide them, as the code uses it; the watchdog ends what takes too long.
"""

import ast
import importlib
import pkgutil
import re
import signal
from collections import defaultdict
from functools import cache
from itertools import permutations
from pathlib import Path

import pytest
from fumehood import runner, shared

LENGTH = 64 * 1024
"""Characters of a text: a quadratic pattern takes seconds for it, a linear one milliseconds."""
CHARACTERS = [
    " ",
    "\n",
    "\t",
    "[",
    "]",
    "{",
    "(",
    "a",
    "1",
    "_",
    "/",
    "-",
    ".",
    ",",
    "=",
    "#",
    '"',
    "'",
    "\\",
    "\u0300",
]
PIECES = [
    "\r\n", " \n", "a ", "a.", "a-", "1.", "[a", "[1]", "a=", '"a', "/a", "# ", '"""', "# ///\n", "# /// script\n#\n",
    'File "/mods/', "/mods/", "(at line 1, ", ", column 1", "___jb_", ".sw",
]  # fmt: skip


def patterns():
    """All of the trusted side by name."""
    found = {}
    for package in (runner, shared):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(info.name)
            for name, value in vars(module).items():
                if isinstance(value, re.Pattern):
                    found.setdefault(id(value), (f"{info.name}.{name}", value))
    return dict(found.values())


def texts():
    """Repetitions of one thing, and halves of two."""
    for piece in CHARACTERS + PIECES:
        yield piece * (LENGTH // len(piece))
    for one, other in permutations(CHARACTERS, 2):
        yield one * (LENGTH // 2) + other * (LENGTH // 2)
    for one, other in permutations(PIECES, 2):
        yield one * (LENGTH // 2 // len(one)) + other


def sources():
    """Every file of the trusted side, parsed."""
    for package in (runner, shared):
        for file in sorted(Path(package.__file__).parent.glob("*.py")):
            yield file, ast.parse(file.read_bytes())


@cache
def uses():
    """The methods that are called on anything of a name, anywhere: a pattern that is only matched is never searched."""
    found = defaultdict(set)
    for _, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                found[node.value.id].add(node.attr)
    return found


def apply(pattern, ways=("match", "fullmatch", "search")):
    """Use it on every text."""
    anchored = [getattr(pattern, way) for way in ("match", "fullmatch") if way in ways]
    for text in texts():
        given = text if isinstance(pattern.pattern, str) else text.encode()
        for way in anchored:
            way(given)
        if {"search", "finditer", "findall", "sub", "subn", "split"}.intersection(ways):
            for _ in pattern.finditer(given):
                pass


@pytest.mark.timeout(60, method="signal")  # `re` looks for signals; a thread would wait until it is done
@pytest.mark.parametrize("name", patterns())
def test_a_pattern_takes_linear_time(name):
    ways = uses()[name.rpartition(".")[2]]
    assert {"match", "fullmatch", "search", "finditer", "findall", "sub", "subn", "split"} & ways, "nobody uses it"
    apply(patterns()[name], ways)


class TooLong(Exception):
    """Raised by the watchdog."""


@pytest.mark.parametrize(
    "known",
    [
        r"""^\s*(?:\[+[^\]#]*)?(?:[\w.-]+\.)?["']?bogus["']?\s*(?:[=.\]]|$)""",  # manifest, where a key is set: cubic
        r"\s*\(at line (\d+), column (\d+)\)$",
        r"(?m)^\s*File ",
        rb"(a|a)*b",
    ],
)
def test_those_that_are_not_linear_are_found(known):
    def ring(*_):
        raise TooLong

    pattern = re.compile(known)
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 2)
    try:
        with pytest.raises(TooLong):
            apply(pattern)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_every_pattern_is_one_that_is_tried():
    """One that is compiled where it is used would be missed above."""
    for file, tree in sources():
        named = [node.value for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
        for node in ast.walk(tree):
            assert not (isinstance(node, ast.ImportFrom) and node.module == "re"), file
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re."):
                assert node in named or ast.unparse(node.func) == "re.escape", f"{file}:{node.lineno}"
