"""The loop of an edit: see editing.py for what it decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from .editing import Editing
from .errors import ChordError
from .model import WriteResult
from .values import Document, JsonObject

if TYPE_CHECKING:
    from .client import Client

#: Changes its copy of the document, or answers another one.
Change: TypeAlias = "Callable[[JsonObject], Document | None]"


def edit(
    client: Client,
    editing: Editing,
    context_id: str,
    change: Change,
    update: Callable[..., WriteResult],
    pause: Callable[[float], object],
) -> WriteResult:
    while True:
        try:
            document = editing.read(client.get(context_id, timeout=editing.left()))
        except ChordError as error:
            document = editing.unread(error)
        result = editing.changed(change(document))
        if isinstance(result, WriteResult):
            return result
        mutations, expected = result
        left = editing.left()
        try:
            return update(mutations=mutations, allow_missing=editing.missing, expected=expected, timeout=left)
        except ChordError as error:
            pause(editing.refused(error))
