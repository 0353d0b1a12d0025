"""Waiting for what no check says: see until.py of the client for threads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from ..apply import DeltaMismatch
from ..errors import closed
from ..model import CaughtUp
from ..retry import TIMEOUT_MAX
from ..until import Held, follow, overdue
from ..values import JsonObject
from .watch import Watch

#: Gets the document; None where the context is missing. It may be async.
Predicate: TypeAlias = "Callable[[JsonObject | None], bool | Awaitable[bool]]"


async def until(watch: Watch, holds: Predicate, timeout: float | None) -> Held:
    """Closes the watch. Raises ChordError, and what the predicate raises."""
    task = asyncio.ensure_future(_found(watch, holds))
    try:
        await asyncio.wait([task], timeout=None if timeout is None else min(timeout, TIMEOUT_MAX))
        if not task.done():
            raise overdue()
        return task.result()
    finally:
        task.cancel()
        await asyncio.wait([task])
        await watch.close()


async def _found(watch: Watch, holds: Predicate) -> Held:
    held: Held = None
    async for event in watch:
        if isinstance(event, CaughtUp):
            continue
        try:
            held = follow(held, event)
        except DeltaMismatch:
            await watch.resync([event])
            continue
        answer = holds(held and held[0])
        if await answer if isinstance(answer, Awaitable) else answer:
            return held
    raise closed()
