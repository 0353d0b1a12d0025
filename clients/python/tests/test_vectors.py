"""What all clients have in common: test/vectors of the repository, by way of the conformance driver's ops."""

from __future__ import annotations

import json
from typing import Any

import pytest

import chordstate
from conformance import vectors
from conformance.forms import Form, number

from .servers import VECTORS


def cases(name: str) -> list[Any]:
    path = VECTORS / f"{name}.json"
    return (
        [pytest.param(each, id=each["name"]) for each in json.loads(path.read_text(), parse_int=number)]
        if path.exists()
        else []
    )


@pytest.mark.parametrize("vector", cases("values"))
def test_values(vector: Form) -> None:
    assert exact(vectors.decode(vector)["value"]) == exact(vector["value"])
    if not vector.get("decodeOnly"):
        again = vectors.decode(vectors.encode(vector))["value"]
        assert exact(again) == exact(vector["value"])


@pytest.mark.parametrize("vector", cases("apply"))
def test_deltas(vector: Form) -> None:
    before = exact(vector["document"])
    if "value" in vector:
        assert exact(vectors.apply(vector)["value"]) == exact(vector["value"])
    else:
        with pytest.raises(chordstate.DeltaMismatch):
            vectors.apply(vector)
    assert exact(vector["document"]) == before


@pytest.mark.parametrize("vector", cases("errors"))
def test_errors(vector: Form) -> None:
    assert vectors.error(vector) == {"error": vector["error"], "transient": vector["transient"]}


@pytest.mark.parametrize("vector", cases("track"))
def test_watch_streams(vector: Form) -> None:
    for answer, step in zip(vectors.track(vector)["steps"], vector["steps"], strict=True):
        expected = {key: value for key, value in step.items() if key not in ("connect", "response")}
        assert {"events": [], **answer} == {"events": [], **expected}


def exact(value: Any) -> Any:
    """For comparison: True is not 1, -0.0 is not 0, but 1 is 1.0."""
    if isinstance(value, dict):
        return {key: exact(member) for key, member in value.items()}
    if isinstance(value, list):
        return [exact(element) for element in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return ("number", repr(float(value)))
    return value
