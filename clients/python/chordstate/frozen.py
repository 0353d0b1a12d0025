"""Documents that cannot be changed: those of a replica, which all its readers share."""

from __future__ import annotations

import copy
from typing import Any, NoReturn

from .values import Json


class FrozenDict(dict[str, Any]):
    """A dict in all but writing, which is a TypeError. Copies of it (also by `copy`, pickle, `|`) are plain dicts."""

    __slots__ = ()

    def __copy__(self) -> dict[str, Any]:
        return dict(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return {key: copy.deepcopy(value, memo) for key, value in self.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


class FrozenList(list[Any]):
    """The same of a list."""

    __slots__ = ()

    def __copy__(self) -> list[Any]:
        return list(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        return [copy.deepcopy(value, memo) for value in self]

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise TypeError("documents of a replica are read-only: copy.deepcopy makes one to change")


_WRITES = {
    FrozenDict: ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault", "update"),
    FrozenList: (
        *("__setitem__", "__delitem__", "__iadd__", "__imul__"),
        *("append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"),
    ),
}
for _kind, _names in _WRITES.items():
    for _name in _names:
        setattr(_kind, _name, _refuse)


def freeze(value: Json) -> Any:
    """A frozen copy; parts that are frozen already are not copied."""
    if type(value) is dict:
        return FrozenDict({key: freeze(member) for key, member in value.items()})
    if type(value) is list:
        return FrozenList([freeze(element) for element in value])
    return value
