"""Python values to and from google.protobuf.Struct, faster than protobuf's own conversion and without its surprises.

Documents are dict (any Mapping, and any dataclass, is sent as one), list, str, float, bool and None, and int: a number
comes as int where it is integral and at most 2**53 either way, so that what was sent as 1 comes back as 1 and prints as
1; -0.0 and all others come as float.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import lru_cache
from math import copysign, isfinite
from typing import Any, ClassVar, Protocol, TypeAlias

from google.protobuf.struct_pb2 import NULL_VALUE, Struct, Value

from .errors import sendable, text, unsendable

#: None, bool, int, float, str, list or dict of these; any Mapping or dataclass is sent as a dict, tuples as lists.
Json: TypeAlias = Any
JsonObject: TypeAlias = "dict[str, Any]"


class Dataclass(Protocol):
    """An instance of a dataclass: its fields are the members."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


#: What is sent as a document: a dict or TypedDict, any other Mapping, a dataclass.
Document: TypeAlias = "Mapping[str, Any] | Dataclass"


def is_dataclass_instance(value: object) -> bool:
    return hasattr(type(value), "__dataclass_fields__")


def members_of(value: Any) -> Mapping[str, Json]:
    """The same Mapping, or the fields of a dataclass, one level deep."""
    if not is_dataclass_instance(value):
        mapping: Mapping[str, Json] = value
        return mapping
    kind: Any = type(value)
    return {name: getattr(value, name) for name in _names_of(kind)}


@lru_cache(maxsize=1024)
def _names_of(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


#: Levels of objects and lists in one document, the root being the first.
DEPTH_MAX = 32

_INTEGER_MAX = 2**53


def write_struct(struct: Struct, value: Document, field: str = "value") -> None:
    """Fills a message. Raises ChordError INVALID_ARGUMENT for what is not JSON, or too deep; it names the path."""
    if not isinstance(value, Mapping) and not is_dataclass_instance(value):
        raise unsendable(field, f"{type(value).__name__} is neither a Mapping nor a dataclass")
    try:
        _write_members(struct, members_of(value), 1)
    except (TypeError, ValueError, OverflowError) as error:
        _blame(field, value, 1)
        raise unsendable(field, error) from error


def check_struct(value: Document, field: str = "value") -> None:
    """Raises as write_struct."""
    write_struct(Struct(), value, field)


def write_value(message: Value, value: Json, field: str = "value") -> None:
    """Fills a message that stands inside of a document. Raises as write_struct."""
    try:
        _write(message, value, 2)
    except (TypeError, ValueError, OverflowError) as error:
        _blame(field, value, 2)
        raise unsendable(field, error) from error


def _blame(field: str, value: Json, depth: int) -> None:
    """Raises ChordError for the first fault in a value; a container here stands at level `depth`.

    Looked for only when sending has failed: what is right costs nothing.
    """
    members: Iterable[tuple[str, Json, Json]]
    if is_dataclass_instance(value):
        value = members_of(value)
    if isinstance(value, Mapping):
        members = ((member_path(field, key), key, member) for key, member in value.items())
    elif isinstance(value, (list, tuple)):
        members = ((f"{field}[{i}]", "", element) for i, element in enumerate(value))
    else:
        with sendable(field):
            _write(Value(), value, depth)
        return
    if depth > DEPTH_MAX:
        raise unsendable(field, f"nested over {DEPTH_MAX} levels")
    for path, key, member in members:
        if not isinstance(key, str):
            raise unsendable(path, f"{key!r} is not a str: keys are")
        text(path, key)
        _blame(path, member, depth + 1)


def member_path(field: str, key: object) -> str:
    """The path of a member inside of a document, for errors."""
    return f"{field}.{key}" if _NAME.fullmatch(str(key)) else f"{field}[{key!r}]"


#: Keys that stand in a path as they are; others are quoted.
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


def _write_members(struct: Struct, value: Mapping[str, Json], depth: int) -> None:
    if depth > DEPTH_MAX:
        raise ValueError(f"nested over {DEPTH_MAX} levels")
    if not value:
        struct.SetInParent()
    sent = struct.fields
    for key, member in value.items():
        if not isinstance(key, str):
            raise TypeError(f"{key!r} is not a str: keys are")
        _write(sent[key], member, depth + 1)


def _write_elements(message: Value, elements: Iterable[Json], depth: int) -> None:
    if depth > DEPTH_MAX:
        raise ValueError(f"nested over {DEPTH_MAX} levels")
    list_value = message.list_value
    list_value.SetInParent()
    add = list_value.values.add
    for element in elements:
        _write(add(), element, depth + 1)


def _write(message: Value, value: Json, depth: int) -> None:
    """An object or list in it stands at level `depth`."""
    if isinstance(value, str):
        message.string_value = value
    elif isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, float):
        if not isfinite(value):
            raise ValueError(f"{value} is not a number of JSON")
        message.number_value = value
    elif isinstance(value, int):
        if not -_INTEGER_MAX <= value <= _INTEGER_MAX and float(value) != value:
            raise ValueError(f"{value} would lose digits: numbers are doubles, larger integers belong in strings")
        message.number_value = value
    elif value is None:
        message.null_value = NULL_VALUE
    elif isinstance(value, (dict, Mapping)):
        _write_members(message.struct_value, value, depth)
    elif isinstance(value, (list, tuple)):
        _write_elements(message, value, depth)
    elif is_dataclass_instance(value):
        _write_members(message.struct_value, members_of(value), depth)
    else:
        raise TypeError(f"{type(value).__name__} is not JSON")


def read_struct(struct: Struct) -> JsonObject:
    received = struct.fields
    return {key: read_value(received[key]) for key in received}


def read_value(message: Value) -> Json:
    kind = message.WhichOneof("kind")
    if kind == "string_value":
        return message.string_value
    if kind == "number_value":
        number = message.number_value
        small = -_INTEGER_MAX <= number <= _INTEGER_MAX
        minus_zero = number == 0 and copysign(1, number) < 0
        return int(number) if small and number.is_integer() and not minus_zero else number
    if kind == "struct_value":
        return read_struct(message.struct_value)
    if kind == "list_value":
        return [read_value(element) for element in message.list_value.values]
    if kind == "bool_value":
        return message.bool_value
    return None
