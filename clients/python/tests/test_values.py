"""What vectors cannot say: Python's own types, and what is refused."""

from __future__ import annotations

import math
from collections import OrderedDict
from enum import IntEnum
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

import chord
from chord.values import read_struct, write_struct


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
    assert there_and_back(2**53 + 1) == 2**53


def test_negative_zero_keeps_its_sign() -> None:
    result = there_and_back(-0.0)
    assert isinstance(result, float)
    assert math.copysign(1, result) == -1


def test_relatives_of_json_types_are_sent_as_these() -> None:
    class Color(IntEnum):
        RED = 3

    assert there_and_back((1, (2,))) == [1, [2]]
    assert there_and_back(OrderedDict(a=Color.RED)) == {"a": 3}


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def test_32_levels_and_no_more() -> None:
    assert there_and_back(nested(31)) == nested(31)
    with pytest.raises(chord.ChordError, match="nested over 32 levels"):
        there_and_back(nested(32))


CYCLE: list[Any] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, 10**400, "\ud800", {"\udfff": 1}, {1: 2}, b"bytes", {1, 2}, object(), CYCLE],
    ids=repr,
)
def test_what_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises(chord.ChordError) as caught:
        there_and_back(value)
    assert caught.value.reason == "INVALID_ARGUMENT"
    assert caught.value.violations[0].field == "value"
    assert not caught.value.transient


def test_apply_shares_what_did_not_change() -> None:
    document = {"a": {"x": 1}, "b": {"y": 1}}
    result = chord.apply([chord.Modified(("a", "x"), 2), chord.Added(("a", "z"), 3)], document)
    assert result == {"a": {"x": 2, "z": 3}, "b": {"y": 1}}
    assert document == {"a": {"x": 1}, "b": {"y": 1}}
    assert result["b"] is document["b"]


def test_apply_leaves_the_values_of_changes_alone() -> None:
    added = chord.Added(("a",), {"x": 1})
    result = chord.apply([added, chord.Modified(("a", "x"), 2)], {})
    assert result == {"a": {"x": 2}}
    assert added.value == {"x": 1}


def test_no_changes_are_the_same_document() -> None:
    document = {"a": 1}
    assert chord.apply([], document) is document
