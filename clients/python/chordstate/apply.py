"""From a document and the changes of a delta to the next document."""

from __future__ import annotations

from collections.abc import Sequence

from .frozen import FrozenDict, freeze
from .model import Added, Change, Delta, Modified, Path, Removed, Spliced, TextSpliced
from .position import ABSENT
from .values import Json, JsonObject


class DeltaMismatch(Exception):
    """A change that does not fit the document, or a delta in another format."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{list(path)}: {what}")
        self.path = path


def apply(changes: Delta | Sequence[Change], document: JsonObject) -> JsonObject:
    """A new document that shares with the old one all that did not change; the old one stays as it is.

    Of a frozen document, the new one is frozen. All or nothing: raises DeltaMismatch at the first change that does not
    fit, and for a delta in another format, whose changes are empty.

    changes: a delta, or its changes.
    """
    if isinstance(changes, Delta):
        if changes.formatted is not ABSENT or changes.inexpressible:
            raise DeltaMismatch((), "the changes came in another format")
        changes = changes.changes
    if not changes:
        return document
    # Dicts made here, which may be written to, by their id: each on a changed path is copied once.
    own: dict[int, JsonObject] = {}
    root = _copied_once(document, own)
    for change in changes:
        _apply_one(change, root, own)
    return root


def _apply_one(change: Change, root: JsonObject, own: dict[int, JsonObject]) -> None:
    path = change.path
    if not path:
        raise DeltaMismatch(path, "a path needs a key")
    parent = root
    for step in path[:-1]:
        child = parent.get(step)
        if not isinstance(child, dict):
            raise DeltaMismatch(path, f"no object at {step!r}")
        copy = _copied_once(child, own)
        _store(parent, step, copy)
        parent = copy
    key = path[-1]
    if (key in parent) is isinstance(change, Added):
        raise DeltaMismatch(path, "is there already" if key in parent else "is not there")
    if isinstance(change, (Added, Modified)):
        _store(parent, key, _like(parent, change.value))
    elif isinstance(change, Removed):
        dict.__delitem__(parent, key)
    elif isinstance(change, Spliced):
        _store(parent, key, _like(parent, _spliced(change, parent[key])))
    elif isinstance(change, TextSpliced):
        _store(parent, key, _text_spliced(change, parent[key]))
    else:
        raise DeltaMismatch(path, "a change of an unknown kind")


def _spliced(change: Spliced, old: object) -> list[object]:
    if not isinstance(old, list):
        raise DeltaMismatch(change.path, "is not a list")
    index, end = change.index, change.index + change.removed_count
    if end > len(old):
        raise DeltaMismatch(change.path, f"no {change.removed_count} elements at {index} of {len(old)}")
    return [*old[:index], *change.inserted, *old[end:]]


def _text_spliced(change: TextSpliced, old: object) -> str:
    if not isinstance(old, str):
        raise DeltaMismatch(change.path, "is not a string")
    index, end = change.index, change.index + change.removed_count
    if end > len(old):
        raise DeltaMismatch(change.path, f"no {change.removed_count} code points at {index} of {len(old)}")
    return old[:index] + change.inserted + old[end:]


def _copied_once(value: JsonObject, own: dict[int, JsonObject]) -> JsonObject:
    if id(value) in own:
        return value
    copy = type(value)(value)
    own[id(copy)] = copy
    return copy


#: Writes to a copy that is made here, frozen or not.
_store = dict.__setitem__


def _like(parent: JsonObject, value: Json) -> Json:
    """What is stored in a frozen document is frozen."""
    return freeze(value) if isinstance(parent, FrozenDict) else value
