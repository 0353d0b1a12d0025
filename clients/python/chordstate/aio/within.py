"""Waits with an end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def within(what: Coroutine[Any, Any, T], timeout: float | None) -> T:
    """Raises asyncio.TimeoutError. As `asyncio.wait_for`, which before Python 3.12 forgets that its task was cancelled
    where that comes together with the end of the wait.
    """
    task = asyncio.ensure_future(what)
    try:
        await asyncio.wait([task], timeout=timeout)
        if not task.done():
            raise asyncio.TimeoutError
        return task.result()
    finally:
        if not task.cancel() and not task.cancelled():
            task.exception()  # taken notice of
