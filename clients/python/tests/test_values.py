"""What vectors cannot say: Python's own types, and what is refused."""

from __future__ import annotations

import math
from collections import OrderedDict
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

import chordstate
from chordstate.values import read_struct, write_struct


def there_and_back(value: Any) -> Any:
    struct = Struct()
    write_struct(struct, {"v": value})
    return read_struct(Struct.FromString(struct.SerializeToString()))["v"]


@pytest.mark.parametrize(
    "value", [0, 1, -1, 0.5, 2**53, -(2**53), 2.0**54, 1e308, 5e-324, True, False, None, "", {}, [], [[]], {"": {}}]
)
def test_types_are_kept(value: Any) -> None:
    result = there_and_back(value)
    assert (result, type(result)) == (value, type(value))


def test_integral_numbers_come_as_int_up_to_2_53() -> None:
    assert isinstance(there_and_back(3.0), int)
    assert isinstance(there_and_back(2.0**53), int)
    assert isinstance(there_and_back(2.0**53 + 2), float)


def test_negative_zero_keeps_its_sign() -> None:
    result = there_and_back(-0.0)
    assert isinstance(result, float)
    assert math.copysign(1, result) == -1


def test_relatives_of_json_types_are_sent_as_these() -> None:
    class Color(IntEnum):
        RED = 3

    assert there_and_back((1, (2,))) == [1, [2]]
    assert there_and_back(OrderedDict(a=Color.RED)) == {"a": 3}
    assert there_and_back(MappingProxyType({"a": MappingProxyType({})})) == {"a": {}}
    assert there_and_back(2**60) == 2.0**60


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def test_32_levels_and_no_more() -> None:
    assert there_and_back(nested(31)) == nested(31)
    with pytest.raises(chordstate.ChordError, match="nested over 32 levels"):
        there_and_back(nested(32))


CYCLE: list[Any] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        2**53 + 1,
        10**400,
        "\ud800",
        {"\udfff": 1},
        {1: 2},
        b"bytes",
        {1, 2},
        object(),
        CYCLE,
    ],
    ids=repr,
)
def test_what_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises(chordstate.ChordError) as caught:
        there_and_back(value)
    assert caught.value.reason == "INVALID_ARGUMENT"
    assert caught.value.violations[0].field.startswith("value.v")
    assert not caught.value.transient


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"l": [1, {"a.b": math.nan}]}, "value.l[1]['a.b']"),
        ({"a": {"s": "\ud800"}}, "value.a.s"),
        ({"a": ({1: 2},)}, "value.a[0][1]"),
        ({"n": 9007199254740993}, "value.n"),
        (MappingProxyType({"m": MappingProxyType({"b": b""})}), "value.m.b"),
        (nested(33), "value" + ".a" * 32),
        (["no document"], "value"),
    ],
)
def test_an_error_names_the_path(value: Any, field: str) -> None:
    with pytest.raises(chordstate.ChordError) as caught:
        write_struct(Struct(), value)
    assert caught.value.violations[0].field == field


def test_apply_shares_what_did_not_change() -> None:
    document = {"a": {"x": 1}, "b": {"y": 1}}
    result = chordstate.apply([chordstate.Modified(("a", "x"), 2), chordstate.Added(("a", "z"), 3)], document)
    assert result == {"a": {"x": 2, "z": 3}, "b": {"y": 1}}
    assert document == {"a": {"x": 1}, "b": {"y": 1}}
    assert result["b"] is document["b"]


def test_apply_leaves_the_values_of_changes_alone() -> None:
    added = chordstate.Added(("a",), {"x": 1})
    result = chordstate.apply([added, chordstate.Modified(("a", "x"), 2)], {})
    assert result == {"a": {"x": 2}}
    assert added.value == {"x": 1}


def test_no_changes_are_the_same_document() -> None:
    document = {"a": 1}
    assert chordstate.apply([], document) is document
