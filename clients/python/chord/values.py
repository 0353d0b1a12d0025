"""Python values to and from google.protobuf.Struct, faster than protobuf's own conversion and without its surprises.

Documents are dict, list, str, float, bool and None, and int: a number comes as int where it is integral and at most
2**53 either way, so that what was sent as 1 comes back as 1 and prints as 1; -0.0 and all others come as float.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import copysign, isfinite
from typing import Any, TypeAlias

from google.protobuf.struct_pb2 import NULL_VALUE, Struct, Value

from .errors import sendable

#: None, bool, int, float, str, list or dict of these; tuples are sent as lists.
Json: TypeAlias = Any
JsonObject: TypeAlias = "dict[str, Any]"

#: Levels of objects and lists in one document, the root being the first.
DEPTH_MAX = 32

_INTEGER_MAX = 2**53


def write_struct(struct: Struct, value: Mapping[str, Json], field: str = "value") -> None:
    """Fills a message. Raises ChordError INVALID_ARGUMENT for what is not JSON, or too deep."""
    with sendable(field):
        if not isinstance(value, dict):
            raise TypeError(f"{type(value).__name__} is not a dict")
        _write_members(struct, value, 1)


def write_value(message: Value, value: Json, field: str = "value") -> None:
    """Fills a message that stands inside of a document. Raises as write_struct."""
    with sendable(field):
        _write(message, value, 2)


def _write_members(struct: Struct, value: dict[str, Json], depth: int) -> None:
    if depth > DEPTH_MAX:
        raise ValueError(f"nested over {DEPTH_MAX} levels")
    if not value:
        struct.SetInParent()
    fields = struct.fields
    for key, member in value.items():
        if not isinstance(key, str):
            raise TypeError(f"{key!r} is not a str: keys are")
        _write(fields[key], member, depth + 1)


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
    elif isinstance(value, (float, int)):
        if not isfinite(value):
            raise ValueError(f"{value} is not a number of JSON")
        message.number_value = value
    elif value is None:
        message.null_value = NULL_VALUE
    elif isinstance(value, dict):
        _write_members(message.struct_value, value, depth)
    elif isinstance(value, (list, tuple)):
        _write_elements(message, value, depth)
    else:
        raise TypeError(f"{type(value).__name__} is not JSON")


def read_struct(struct: Struct) -> JsonObject:
    fields = struct.fields
    return {key: read_value(fields[key]) for key in fields}


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
