"""The loop of an edit for asyncio: see editing.py for what it decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from ..editing import Editing
from ..errors import ChordError
from ..model import WriteResult
from ..values import Document, JsonObject

if TYPE_CHECKING:
    from .client import Client

#: Changes its copy of the document, or answers another one; it may be async.
Change: TypeAlias = "Callable[[JsonObject], Document | Awaitable[Document | None] | None]"


async def edit(
    client: Client,
    editing: Editing,
    context_id: str,
    change: Change,
    update: Callable[..., Awaitable[WriteResult]],
    pause: Callable[[float], Awaitable[None]],
) -> WriteResult:
    while True:
        try:
            document = editing.read(await client.get(context_id, timeout=editing.left()))
        except ChordError as error:
            document = editing.unread(error)
        answer = change(document)
        result = editing.changed(await answer if isinstance(answer, Awaitable) else answer)
        if isinstance(result, WriteResult):
            return result
        mutations, expected = result
        left = editing.left()
        try:
            return await update(mutations=mutations, allow_missing=editing.missing, expected=expected, timeout=left)
        except ChordError as error:
            await pause(editing.refused(error))
