"""A member that is there as long as this process keeps it there, kept up by a task."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING

from ..errors import ChordError, closed
from ..model import PathLike
from ..presence import OnPresenceError, has_gone, report, until_renewal
from ..requests import Remove, Seconds, Set, seconds
from ..values import Json

if TYPE_CHECKING:
    from .client import Client


class Presence:
    """Made by `Client.presence`. Call `close` when done, or use `async with`."""

    def __init__(
        self,
        client: Client,
        context_id: str,
        path: PathLike,
        value: Json,
        ttl: Seconds,
        on_error: OnPresenceError | None,
    ) -> None:
        self._client = client
        self._context_id = context_id
        self._path = path
        self._value = value
        self._ttl = seconds(ttl)
        self._on_error = on_error
        self._closing = asyncio.Event()
        # Held while a value is written: the one that is set last is the one that is there.
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def _open(self) -> Presence:
        """Sets the member, and begins to renew it."""
        await self.set(self._value)
        self._task = asyncio.create_task(self._run(), name="chord-presence")
        return self

    async def set(self, value: Json) -> None:
        """Sets another value, which also renews the member. Of several at the same time, one waits for the other.

        Raises ChordError: `CANCELLED` after `close`.
        """
        async with self._turn:
            if self._closing.is_set():
                raise closed("presence")
            self._value = value
            await self._write()

    async def _write(self) -> None:
        mutations = [Set(self._path, self._value, self._ttl)]
        await self._client.update(self._context_id, mutations=mutations, allow_missing=True)

    async def close(self) -> None:
        """Ends the renewals and removes the member. Where the removal fails, the member expires. A second one does
        nothing.
        """
        if self._closing.is_set():
            return
        self._closing.set()
        if self._task is not None:
            await asyncio.wait([self._task])
        try:
            async with self._turn:
                await self._client.update(self._context_id, mutations=[Remove(self._path)], timeout=self._ttl)
        except ChordError as error:
            if not has_gone(error):
                report(error, self._on_error)
        finally:
            self._client._forget(self)

    async def __aenter__(self) -> Presence:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self) -> None:
        while not self._closing.is_set():
            try:
                await asyncio.wait_for(self._closing.wait(), until_renewal(self._ttl))
            except asyncio.TimeoutError:
                await self._renew()

    async def _renew(self) -> None:
        try:
            try:
                await self._client.touch(self._context_id, paths=[self._path], timeout=self._ttl)
            except ChordError as error:
                if not has_gone(error):
                    raise
                async with self._turn:
                    if not self._closing.is_set():
                        await self._write()
        except ChordError as error:
            if not self._closing.is_set():
                report(error, self._on_error)
