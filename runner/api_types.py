"""The types in an `Api`: which ones can come from a mod, and how they are spelled for mods. Pure.

A mod sends what msgpack carries; msgspec makes of that whatever the annotations of the game say. Mods are told of it
what they can be checked by: the plain types. A class of the game's own travels as a map of its fields, or as a list.
"""

from typing import Any

from msgspec import inspect as types


def problem(hint: Any) -> str:
    """Why no value of a message can be of this type; "" when it can be one."""
    try:
        return _problem(types.type_info(hint), 0)
    except (TypeError, ValueError, RecursionError) as error:
        return str(error)


def spell(hint: Any) -> str:
    """The type in Python's words, made of plain types, `Literal` and `Any`."""
    return _spell(types.type_info(hint))


def _problem(kind: types.Type, depth: int) -> str:
    if isinstance(kind, types.CustomType):
        name = getattr(kind.cls, "__qualname__", repr(kind.cls))
        return f"a message carries no {name}: use plain types, a dataclass or a msgspec.Struct of them, or Any"
    if depth > 20 or isinstance(
        kind, types.StructType | types.DataclassType | types.TypedDictType | types.NamedTupleType
    ):
        return ""  # their fields may name themselves; what they hold is checked when it comes
    return next((why for part in _parts(kind) if (why := _problem(part, depth + 1))), "")


def _parts(kind: types.Type) -> tuple[types.Type, ...]:
    match kind:
        case types.ListType() | types.SetType() | types.FrozenSetType() | types.VarTupleType():
            return (kind.item_type,)
        case types.DictType():
            return kind.key_type, kind.value_type
        case types.TupleType():
            return kind.item_types
        case types.UnionType():
            return kind.types
        case types.Metadata():
            return (kind.type,)
    return ()


_PLAIN: dict[type[types.Type], str] = {
    types.IntType: "int",
    types.FloatType: "float",
    types.StrType: "str",
    types.BytesType: "bytes",
    types.BoolType: "bool",
    types.NoneType: "None",
}


def _spell(kind: types.Type) -> str:
    if (plain := _PLAIN.get(type(kind))) is not None:
        return plain
    match kind:
        case types.ListType():
            return f"list[{_spell(kind.item_type)}]"
        case types.SetType():
            return f"set[{_spell(kind.item_type)}]"
        case types.FrozenSetType():
            return f"frozenset[{_spell(kind.item_type)}]"
        case types.VarTupleType():
            return f"tuple[{_spell(kind.item_type)}, ...]"
        case types.TupleType():
            return f"tuple[{', '.join(map(_spell, kind.item_types)) or '()'}]"
        case types.DictType():
            return f"dict[{_spell(kind.key_type)}, {_spell(kind.value_type)}]"
        case types.UnionType():
            return " | ".join(map(_spell, kind.types))
        case types.LiteralType():
            return f"Literal[{', '.join(map(repr, sorted(kind.values, key=repr)))}]"
        case types.EnumType():
            return f"Literal[{', '.join(repr(member.value) for member in kind.cls)}]"
        case types.Metadata():
            return _spell(kind.type)
        case types.StructType():
            return "list[Any]" if kind.array_like else "dict[str, Any]"
        case types.DataclassType() | types.TypedDictType():
            return "dict[str, Any]"
        case types.NamedTupleType():
            return "list[Any]"
    return "Any"
