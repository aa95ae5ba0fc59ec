"""How the types of a contract are written in a stub: with the names that are free there, and as values arrive. Pure."""

import ast
from collections.abc import Collection
from typing import Final

BUILTINS: Final = frozenset(("int", "float", "str", "bytes", "bool", "list", "set", "dict", "frozenset", "tuple"))
TYPING: Final = frozenset(("Any", "Literal"))
_SCALARS: Final = frozenset(("int", "float", "str", "bytes", "bool", "None"))


def written(spelled: str, taken: Collection[str] = ()) -> str:
    """A type of a contract as a formatter would leave it. `taken`: names that mean something else where it stands."""
    return _write(_parsed(spelled), taken)


def arriving(spelled: str) -> str:
    """The type of what comes out of a message when a value of this type was put in: tuples and sets come as lists."""
    return ast.unparse(_Arriving().visit(_parsed(spelled)))


def scalar(spelled: str) -> bool:
    """Whether it is made of numbers, text, bytes and None alone."""
    kind = _parsed(spelled)
    parts = []
    while isinstance(kind, ast.BinOp):
        parts.append(kind.right)
        kind = kind.left
    parts.append(kind)
    return all(
        (isinstance(part, ast.Name) and part.id in _SCALARS)
        or (isinstance(part, ast.Constant) and part.value is None)
        or (isinstance(part, ast.Subscript) and ast.unparse(part.value) == "Literal")
        for part in parts
    )


def quoted(text: str) -> str:
    """A str literal as a formatter writes it: double quotes, unless single ones need fewer escapes."""
    literal = repr(text)
    if literal[0] == '"' or text.count('"') > text.count("'"):
        return literal
    return '"' + literal[1:-1].replace("\\'", "'").replace('"', '\\"') + '"'


def _parsed(spelled: str) -> ast.expr:
    return ast.parse(spelled, mode="eval").body


def _write(kind: ast.expr, taken: Collection[str]) -> str:
    match kind:
        case ast.Name():
            if kind.id not in taken:
                return kind.id
            return f"{'typing' if kind.id in TYPING else 'builtins'}.{kind.id}"
        case ast.BinOp():
            return f"{_write(kind.left, taken)} | {_write(kind.right, taken)}"
        case ast.Subscript():
            return f"{_write(kind.value, taken)}[{_write(kind.slice, taken)}]"
        case ast.Tuple():
            return ", ".join(_write(part, taken) for part in kind.elts) or "()"
        case ast.Constant(value=str() as text):
            return quoted(text)
        case ast.Constant(value=value) if value is ...:
            return "..."
    return ast.unparse(kind)


class _Arriving(ast.NodeTransformer):
    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        name = ast.unparse(node.value)
        if name == "Literal":
            return node
        if name == "dict" and isinstance(node.slice, ast.Tuple):  # keys stay: a list is none
            node.slice.elts[1] = self.visit(node.slice.elts[1])
            return node
        if name not in ("tuple", "set", "frozenset"):
            node.slice = self.visit(node.slice)
            return node
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        kinds: list[str] = []
        for item in items:
            if isinstance(item, ast.Constant) and item.value is ...:
                continue
            if (kind := ast.unparse(self.visit(item))) not in kinds:
                kinds.append(kind)
        return _parsed(f"list[{' | '.join(kinds) or 'Any'}]")
