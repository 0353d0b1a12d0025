"""Every public item says what it is."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import pytest

import chordstate
import chordstate.aio

PUBLIC = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in (chordstate, chordstate.aio)
    for name in module.__all__
}


def undocumented(name: str, item: Any) -> list[str]:
    """Aliases of types have no docstrings of their own: their line in the module says what they are."""
    if not inspect.isclass(item):
        return [] if not inspect.isfunction(item) or item.__doc__ else [name]
    made_up = dataclasses.is_dataclass(item) and (item.__doc__ or "").startswith(f"{item.__name__}(")
    found = [name] if made_up or not item.__dict__.get("__doc__") else []
    for key, member in inspect.getmembers(item):
        function = member.fget if isinstance(member, property) else member
        own = inspect.isfunction(function) and function.__module__.startswith("chordstate")
        if own and not key.startswith("_") and not inspect.getdoc(function):
            found.append(f"{name}.{key}")
    return found


@pytest.mark.parametrize("name", PUBLIC)
def test_it_is_documented(name: str) -> None:
    assert undocumented(name, PUBLIC[name]) == []
