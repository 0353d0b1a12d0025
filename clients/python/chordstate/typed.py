"""From documents to the program's own types: dataclasses, TypedDicts, and what their annotations name.

Members that a dataclass does not have are ignored, those that a TypedDict does not have are kept. A missing member has
the default of its field. Writing needs nothing of this: values.py takes both as they are.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

from .errors import ChordError, unsendable
from .values import Json, JsonObject, member_path

T = TypeVar("T")

_LISTS = (list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_QUALIFIERS = ("Required", "NotRequired", "ReadOnly", "Annotated")


def read_as(as_: type[T], document: JsonObject, field: str = "value") -> T:
    """Raises ChordError INVALID_ARGUMENT where the document is none; the violation names the path inside of it."""
    made: T = _read(as_, document, field)
    return made


def _read(wanted: Any, value: Json, field: str) -> Any:
    origin, args = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        return _read_union(args, value, field)
    if origin is Literal:
        return (
            value if any(value == each and type(value) is type(each) for each in args) else _refuse(args, value, field)
        )
    if wanted in (Any, object) or isinstance(wanted, TypeVar):
        return value
    if wanted is None or wanted is types.NoneType:
        return None if value is None else _refuse("None", value, field)
    return _reader(origin or wanted)(wanted, value, field)


def _reader(kind: Any) -> Callable[[Any, Json, str], Any]:
    if not isinstance(kind, type):
        raise TypeError(f"{kind!r} cannot be read from JSON")
    if dataclasses.is_dataclass(kind):
        return _read_dataclass
    if is_typeddict(kind):
        return _read_typed_dict
    if kind in _MAPPINGS:
        return _read_mapping
    if kind in _LISTS:
        return _read_list
    if kind is tuple:
        return _read_tuple
    if issubclass(kind, Enum):
        return _read_enum
    if kind in (str, bool, int, float):
        return _read_scalar
    raise TypeError(f"{kind.__name__} cannot be read from JSON")


def _read_scalar(wanted: Any, value: Json, field: str) -> Any:
    if wanted is float and type(value) is int:
        return float(value)  # whole numbers come as int
    return value if type(value) is wanted else _refuse(wanted.__name__, value, field)


def _read_enum(wanted: type[Enum], value: Json, field: str) -> Any:
    try:
        return wanted(value)
    except ValueError:
        return _refuse(wanted.__name__, value, field)


def _read_union(arms: tuple[Any, ...], value: Json, field: str) -> Any:
    """As the first arm that fits; the error is that of the only one that is not None, or of all."""
    if value is None and types.NoneType in arms:
        return None
    others = [arm for arm in arms if arm is not types.NoneType]
    for arm in others:
        try:
            return _read(arm, value, field)
        except ChordError:
            if len(others) == 1:
                raise
    return _refuse(" or ".join(getattr(arm, "__name__", str(arm)) for arm in arms), value, field)


def _read_list(wanted: Any, value: Json, field: str) -> Any:
    if not isinstance(value, (list, tuple)):
        return _refuse("a list", value, field)
    (element,) = get_args(wanted) or (Any,)
    return [_read(element, each, f"{field}[{i}]") for i, each in enumerate(value)]


def _read_tuple(wanted: Any, value: Json, field: str) -> Any:
    args = get_args(wanted) or (Any, ...)
    if not isinstance(value, (list, tuple)):
        return _refuse("a list", value, field)
    if len(args) == 2 and args[1] is ...:
        args = (args[0],) * len(value)
    if len(args) != len(value):
        raise unsendable(field, f"a list of {len(args)} was expected, it has {len(value)} elements")
    return tuple(_read(arg, each, f"{field}[{i}]") for i, (arg, each) in enumerate(zip(args, value, strict=True)))


def _read_mapping(wanted: Any, value: Json, field: str) -> Any:
    if not isinstance(value, collections.abc.Mapping):
        return _refuse("an object", value, field)
    _, element = get_args(wanted) or (str, Any)
    return {key: _read(element, each, member_path(field, key)) for key, each in value.items()}


def _read_typed_dict(wanted: Any, value: Json, field: str) -> Any:
    if not isinstance(value, collections.abc.Mapping):
        return _refuse(wanted.__name__, value, field)
    made = dict(value)
    for key, (hint, required) in _members(wanted).items():
        if key in made:
            made[key] = _read(hint, made[key], member_path(field, key))
        elif required:
            raise unsendable(member_path(field, key), "is missing")
    return made


def _read_dataclass(wanted: Any, value: Json, field: str) -> Any:
    if not isinstance(value, collections.abc.Mapping):
        return _refuse(wanted.__name__, value, field)
    members = {}
    for key, (hint, required) in _members(get_origin(wanted) or wanted).items():
        if key in value:
            members[key] = _read(hint, value[key], member_path(field, key))
        elif required:
            raise unsendable(member_path(field, key), "is missing")
    try:
        return wanted(**members)
    except (TypeError, ValueError) as error:  # of its __post_init__
        raise unsendable(field, error) from error


@lru_cache(maxsize=1024)
def _members(wanted: Any) -> dict[str, tuple[Any, bool]]:
    """By name: the type of a member, and whether it has to be there."""
    hints = get_type_hints(wanted, include_extras=True)
    if dataclasses.is_dataclass(wanted):
        return {
            each.name: (
                _unqualified(hints[each.name])[0],
                each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING,
            )
            for each in dataclasses.fields(wanted)
            if each.init
        }
    required = wanted.__required_keys__
    members = {}
    for key, hint in hints.items():
        plain, qualifiers = _unqualified(hint)
        members[key] = (plain, "Required" in qualifiers or (key in required and "NotRequired" not in qualifiers))
    return members


def _unqualified(hint: Any) -> tuple[Any, list[str]]:
    qualifiers = []
    while (name := _qualifier(hint)) is not None:
        qualifiers.append(name)
        hint = hint.__origin__ if name == "Annotated" else get_args(hint)[0]
    return hint, qualifiers


def _qualifier(hint: Any) -> str | None:
    """Also of typing_extensions, for Python 3.10."""
    if get_origin(hint) is typing.Annotated:
        return "Annotated"
    name = getattr(get_origin(hint), "_name", None)
    return name if name in _QUALIFIERS else None


def _refuse(wanted: object, value: Json, field: str) -> Any:
    raise unsendable(field, f"{wanted} was expected, it is {_kind(value)}")


def _kind(value: Json) -> str:
    if value is None:
        return "null"
    if isinstance(value, collections.abc.Mapping):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "a list"
    return type(value).__name__
