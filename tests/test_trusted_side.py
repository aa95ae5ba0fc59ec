"""The trusted side takes a mod's words for data: it unpickles, evaluates, imports and formats nothing of theirs.

By what is written in `runner/` and `shared/`, all of it, and by what the game and the supervisor import. Whatever could
turn text into code, a name into an attribute or a pattern into a look at an object is refused, but for the places in
ALLOWED, which say why; a place that does it no more has to leave the table.
"""

import ast
import json
import subprocess
import sys
from pathlib import Path

import fumehood
import pytest

PACKAGE = Path(fumehood.__file__).parent
SIDES = ("runner", "shared")

UNPICKLERS = {
    *("pickle", "_pickle", "marshal", "shelve", "dbm", "dill", "cloudpickle", "joblib", "jsonpickle", "yaml"),
    *("multiprocessing", "xmlrpc", "copyreg"),
}
"""Modules that make objects of bytes, and some of them code."""
RUNNERS = {"code", "codeop", "runpy", "imp", "pdb", "pty", "timeit", "zipimport"}
"""Modules that run what they are given."""
EVALUATORS = {"eval", "exec", "compile", "__import__", "get_type_hints", "ForwardRef", "eval_str"}
IMPORTERS = {"import_module", "exec_module", "load_module", "module_from_spec", "spec_from_file_location", "reload"}
REFLECTORS = {"getattr", "setattr", "delattr", "hasattr"}
INSIDES = {
    *("__dict__", "__globals__", "__builtins__", "__subclasses__", "__getattribute__", "__reduce__", "__code__"),
    *("vars", "globals", "locals", "attrgetter", "methodcaller"),
}
DANGEROUS = {
    "shell": ({"os", "subprocess", "asyncio"}, {"system", "popen", "getoutput", "getstatusoutput"}),
    "foreign": ({"ctypes"}, {"pythonapi", "string_at", "memmove", "cast", "CFUNCTYPE", "PYFUNCTYPE", "cdll", "pydll"}),
    "format": ({"string"}, {"Formatter", "Template"}),
    "a shell": ({"asyncio", "asyncio.subprocess"}, {"create_subprocess_shell"}),
}
"""By rule: names of certain modules."""
SPEAKERS = {"debug", "info", "warning", "error", "exception", "critical"}

GAMES = "the game's own functions and their annotations, before any mod is there"
CLOSED = "names of fields of our own types, from a list in the code or checked against them"
NUMBERS = "of numbers: the remainder"
RECORD = "a log record, by the name of a constant of ours"

ALLOWED = {
    ("runner/amounts.py", "_example", "attribute"): CLOSED,
    ("runner/amounts.py", "read", "attribute"): CLOSED,
    ("runner/api.py", "Entry.bound", "attribute"): CLOSED,
    ("runner/api.py", "_can_be_read", "evaluate"): GAMES,
    ("runner/api.py", "_signature", "evaluate"): GAMES,
    (
        "runner/api_lookup.py",
        "find_api",
        "attribute",
    ): "`fumehood stubs`: the place in it, likewise",
    ("runner/api_lookup.py", "find_api", "import"): "`fumehood stubs`: the game's module, which its user names",
    ("runner/api_lookup.py", "find_api", "insides"): "what that module holds, to say which names there are",
    ("runner/config.py", "merge", "attribute"): CLOSED,
    ("runner/demo.py", "Game.frame", "format"): NUMBERS,
    ("runner/demo.py", "Game.probe", "format"): NUMBERS,
    ("runner/demo.py", "Game.talk", "format"): NUMBERS,
    ("runner/demo_view.py", "FullScreen.frame", "format"): NUMBERS,
    ("runner/pipes.py", "document", "format"): "msgspec.json.format, which lays JSON out",
    ("runner/game_helpers.py", "by_value", "unpickler"): "dumps what the game provides, and loads nothing",
    ("runner/lane.py", "Lane._exited", "attribute"): CLOSED,
    ("runner/trial.py", "Trial._frame", "format"): NUMBERS,
    (
        "runner/trial.py",
        "Trial._planted",
        "code in a string",
    ): "a script of the corpus, which is ours, in a process of its own",
    ("runner/trial.py", "Trial._text", "format"): "a text of ours, with texts of ours",
    ("runner/shelf.py", "Shelf.why_not", "format"): NUMBERS,
    ("runner/lane.py", "Lane._kill_slow", "attribute"): CLOSED,
    ("runner/lane.py", "Lane.execute", "attribute"): CLOSED,
    ("runner/launch.py", "spawn", "code in a string"): "a constant of ours that starts the supervisor by its place",
    ("runner/lifecycle.py", "Lifecycle.tick", "attribute"): CLOSED,
    (
        "runner/link.py",
        "Link._decode",
        "attribute",
    ): "the name of an error, as the supervisor refuses with",
    ("runner/logs.py", "<module>", "insides"): "the fields that every log record has",
    ("runner/logs.py", "LinesHandler._apology", "format"): "logging's own name for laying a record out",
    ("runner/logs.py", "LinesHandler.emit", "format"): "logging's own name for laying a record out",
    ("runner/logs.py", "TextFormatter.format", "attribute"): RECORD,
    ("runner/logs.py", "extras", "insides"): "fields of a record of the supervisor's own, shown as JSON",
    ("runner/logs.py", "told", "attribute"): RECORD,
    ("runner/loop_link.py", "_error", "attribute"): "the name of an error, as the supervisor refuses with",
    ("runner/manifest.py", "Manifest.within", "attribute"): CLOSED,
    ("runner/manifest.py", "_Reader._limits", "attribute"): CLOSED,
    ("runner/nursery.py", "Nursery._needs_own", "attribute"): CLOSED,
    ("runner/nursery.py", "Nursery._needs_own.differs", "attribute"): CLOSED,
    ("runner/nursery.py", "Nursery._patrol_scratch", "format"): NUMBERS,
    ("runner/queries.py", "Answerer._log", "format"): "its callers' literals; what a mod says is an argument of them",
    ("runner/receipts.py", "fields", "attribute"): CLOSED,
    ("runner/stubs.py", "stub", "format"): "a constant of ours (stub_frame.HEADER)",
    ("runner/targets.py", "Targets._share", "foreign"): "words of ours, into memory of ours, for attacks to read",
    ("shared/packets.py", "receive", "format"): NUMBERS,
    ("shared/payload.py", "_parts", "attribute"): "fields that a value's own type declares",
    ("shared/policy.py", "Limits.cite", "attribute"): CLOSED,
    ("shared/policy.py", "Limits.within", "attribute"): CLOSED,
}
"""(file, function, rule): why it is no way in for a mod."""

OUTSIDE = {
    "msgspec": "decodes what mods say, totally and to data alone; holds the types of our own messages",
    "cloudpickle": "the game dumps its own helpers with it, and loads nothing (game_helpers)",
    "watchdog": "the supervisor's: tells that files changed, not what is in them",
    "psutil": "the supervisor's: what the kernel says of workers",
    "packaging": "versions and ranges of versions, in a manifest and of packages: parsed by regular expressions",
}
"""Every module beyond the standard library that the game or the supervisor imports, and why it may."""


class Look(ast.NodeVisitor):
    """Walks one file and notes what the trusted side does not do: (function, rule, line)."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str, int]] = []
        self._within: list[str] = []

    def note(self, rule: str, node: ast.AST) -> None:
        self.found.append((".".join(self._within) or "<module>", rule, node.lineno))

    def _inner(self, node) -> None:
        for outer in (*node.decorator_list, *([] if isinstance(node, ast.ClassDef) else [node.args])):
            self.visit(outer)
        self._within.append(node.name)
        for part in (*(node.bases if isinstance(node, ast.ClassDef) else ()), *node.body):
            self.visit(part)
        self._within.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _inner  # noqa: N815  # names of ast's

    def _module(self, name: str, node: ast.AST) -> None:
        top = name.partition(".")[0]
        if top in UNPICKLERS:
            self.note("unpickler", node)
        if top in RUNNERS:
            self.note("runner", node)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._module(alias.name, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if not node.level:
            self._module(node.module, node)
        for alias in node.names:
            self._name(alias.name, node)
            self._of(node.module or "", alias.name, node)

    def _of(self, module: str, name: str, node: ast.AST) -> None:
        for rule, (modules, names) in DANGEROUS.items():
            if module in modules and name in names:
                self.note(rule, node)

    def _name(self, name: str, node: ast.AST) -> None:
        """A name, wherever it stands: to hand `eval` on is as good as to call it."""
        for rule, names in (("evaluate", EVALUATORS), ("import", IMPORTERS), ("insides", INSIDES)):
            if name in names:
                self.note(rule, node)

    def visit_Name(self, node: ast.Name) -> None:
        self._name(node.id, node)
        if node.id in REFLECTORS and node not in self._called:
            self.note("attribute", node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        of = node.value.id if isinstance(node.value, ast.Name) else ""
        if (of, node.attr) != ("re", "compile"):
            self._name(node.attr, node)
        self._of(of, node.attr, node)
        if node.attr == "format_map":
            self.note("format", node)
        self.generic_visit(node)

    _called: tuple[ast.AST, ...] = ()

    def visit_Call(self, node: ast.Call) -> None:
        self._called = (*self._called, node.func)
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if isinstance(node.func, ast.Name) and name in REFLECTORS and not _text(node.args[1:2]):
            self.note("attribute", node)
        if isinstance(node.func, ast.Attribute) and name == "format" and not _text([node.func.value]):
            self.note("format", node)
        if isinstance(node.func, ast.Name) and name == "format" and node.args[1:] and not _text(node.args[1:2]):
            self.note("format", node)
        if isinstance(node.func, ast.Attribute) and name in SPEAKERS and node.args and not _text(node.args[:1]):
            self.note("format", node)
        if isinstance(node.func, ast.Attribute) and name == "log" and not _text(node.args[1:2]):
            self.note("format", node)
        if name in ("CDLL", "PyDLL", "find_library") and not all(isinstance(each, ast.Constant) for each in node.args):
            self.note("foreign", node)
        for keyword in node.keywords:
            if keyword.arg == "shell" and not (isinstance(keyword.value, ast.Constant) and not keyword.value.value):
                self.note("shell", node)
            if keyword.arg in EVALUATORS:
                self.note("evaluate", node)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Mod) and not any(isinstance(side, ast.Constant) for side in (node.left, node.right)):
            self.note("format", node)
        self.generic_visit(node)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> None:
        spec = node.format_spec
        if spec is not None and not all(isinstance(part, ast.Constant) for part in spec.values):
            self.note("format", node)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if node.value == "-c":
            self.note("code in a string", node)


def _text(nodes: list[ast.expr]) -> bool:
    """Whether it is a text that stands there: a literal, or literals joined, or an f-string's own choice of two."""
    for node in nodes:
        if isinstance(node, ast.IfExp):
            return _text([node.body]) and _text([node.orelse])
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return True
    return False


def looked_at(text: str) -> list[tuple[str, str, int]]:
    """What is found in a program's text."""
    look = Look()
    look.visit(ast.parse(text))
    return look.found


def everything_found() -> dict[tuple[str, str, str], list[int]]:
    """Lines by file, function and rule, of all of the trusted side."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for side in SIDES:
        for file in sorted((PACKAGE / side).rglob("*.py")):
            for function, rule, line in looked_at(file.read_text()):
                found.setdefault((str(file.relative_to(PACKAGE)), function, rule), []).append(line)
    return found


def imported_by(file: Path) -> set[str]:
    """Absolute dotted names of all that a file imports, wherever in it; of `from a import b` both a and a.b."""
    package = ("fumehood", *file.relative_to(PACKAGE).parent.parts)
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes(), str(file))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return names


def source_of(name: str) -> Path | None:
    """The Python file of a module of ours; None: it is none, or is written in C."""
    if name.partition(".")[0] != "fumehood":
        return None
    place = PACKAGE.joinpath(*name.split(".")[1:])
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()), None)


def reached_from(*names: str) -> tuple[set[str], set[str]]:
    """Modules of ours that these import, at any remove; and the other modules that those import."""
    ours, others, todo = set(), set(), list(names)
    while todo:
        name = todo.pop()
        if name in ours:
            continue
        file = source_of(name)
        if file is None:
            if name.partition(".")[0] != "fumehood":
                others.add(name.partition(".")[0])
            continue
        ours.add(name)
        todo += [name.rpartition(".")[0], *imported_by(file)] if "." in name else imported_by(file)
    return ours, others


ENDS = ("fumehood.runner.game", "fumehood.runner.supervisor", "fumehood.runner.serve", "fumehood.runner.child")


def test_nothing_is_done_with_a_mods_words_but_what_the_table_names():
    found = everything_found()
    new = [f"{file}:{lines[0]} {function}: {rule}" for (file, function, rule), lines in found.items()
           if (file, function, rule) not in ALLOWED]  # fmt: skip
    assert not new, "name it in ALLOWED with the reason why no mod gets there, or do without"


def test_the_table_names_nothing_that_is_gone():
    assert not set(ALLOWED) - set(everything_found())
    assert all(ALLOWED.values())


def test_the_game_and_the_supervisor_import_what_is_named():
    ours, others = reached_from(*ENDS)
    assert {"fumehood.runner.attachment", "fumehood.shared.messages", "fumehood.runner.mod"} <= ours
    assert not [name for name in ours if name.startswith("fumehood.worker")]
    assert others - set(sys.stdlib_module_names) == set(OUTSIDE)
    assert not others & (UNPICKLERS - set(OUTSIDE) | RUNNERS)


WATCH = """
import builtins, json, sys
told, real = [], builtins.__import__
def watched(name, namespace=None, *rest, **more):
    told.append([(namespace or {}).get("__name__", ""), name])
    return real(name, namespace, *rest, **more)
builtins.__import__ = watched
for name in sys.argv[1:]:
    real(name)
print(json.dumps(told))
"""


def test_no_module_of_ours_imports_an_unpickler_when_they_are_loaded():
    """As it happens, in a fresh interpreter; what is imported later the test above has read."""
    done = subprocess.run([sys.executable, "-c", WATCH, *ENDS], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert any(importer == "fumehood.runner.supervisor" for importer, _ in told)
    wrong = [each for each in told if each[0].startswith("fumehood") and each[1].partition(".")[0] in UNPICKLERS]
    assert not wrong


REFUSED = {
    "import pickle": "unpickler",
    "from pickle import loads": "unpickler",
    "def f(data):\n    import cloudpickle as c\n    return c.loads(data)": "unpickler",
    "import marshal": "unpickler",
    "import yaml": "unpickler",
    "from multiprocessing.connection import Client": "unpickler",
    "import runpy": "runner",
    "eval(text)": "evaluate",
    "run = exec": "evaluate",
    "builtins.eval(text)": "evaluate",
    "compile(text, 'm', 'exec')": "evaluate",
    "__import__(name)": "evaluate",
    "typing.get_type_hints(thing)": "evaluate",
    "inspect.signature(f, eval_str=True)": "evaluate",
    "import importlib\nimportlib.import_module(name)": "import",
    "from importlib import import_module": "import",
    "spec.loader.exec_module(module)": "import",
    "text.format(value)": "format",
    "(a + 'b').format(value)": "format",
    "text.format_map(values)": "format",
    "lay = text.format_map": "format",
    "format(value, spec)": "format",
    "text % (value,)": "format",
    "text % values": "format",
    "f'{value:{spec}}'": "format",
    "log.warning(text, value)": "format",
    "log.log(level, text)": "format",
    "log.error(f'{text}', value)": "format",
    "import string\nstring.Formatter()": "format",
    "from string import Template": "format",
    "getattr(thing, name)": "attribute",
    "getattr(thing, name, None)": "attribute",
    "setattr(thing, name, value)": "attribute",
    "map(getattr, things, names)": "attribute",
    "operator.attrgetter(name)": "insides",
    "vars(thing)[name]": "insides",
    "thing.__dict__[name]": "insides",
    "subprocess.run(text, shell=True)": "shell",
    "subprocess.run(text, shell=wanted)": "shell",
    "os.system(text)": "shell",
    "from os import popen": "shell",
    "asyncio.create_subprocess_shell(text)": "a shell",
    "subprocess.run([sys.executable, '-c', text])": "code in a string",
    "ctypes.CDLL(name)": "foreign",
    "ctypes.string_at(place)": "foreign",
}
TAKEN = [
    "re.compile(text)",
    "getattr(thing, 'name', None)",
    "'{} is {}'.format(a, b)",
    "'%s is' % name",
    "number % 2",
    "f'{value:>8} {other:.1f}'",
    "log.warning('%s: %s', name, text)",
    "log.log(level, 'x' if a else 'y')",
    "task.exception()",
    "subprocess.run(['ls'], shell=False)",
    "ctypes.CDLL(None, use_errno=True)",
    "import json",
    "view.cast('B')",
]


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text.splitlines()[-1].strip())
def test_the_check_refuses(text):
    assert REFUSED[text] in {rule for _, rule, _ in looked_at(text)}


@pytest.mark.parametrize("text", TAKEN)
def test_the_check_takes(text):
    assert not looked_at(text)


def test_the_check_says_where():
    assert looked_at("class A:\n    def b(self):\n        x = lambda: eval(t)\n") == [("A.b", "evaluate", 3)]


def test_the_walk_of_imports_sees_late_and_relative_ones():
    ours, others = reached_from("fumehood.runner.game_helpers")
    assert "cloudpickle" in others, "imported within a function"
    assert "fumehood.shared.segment" in ours
