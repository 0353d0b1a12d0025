"""A live local copy of contexts, kept up by a task."""

from __future__ import annotations

import asyncio
from types import TracebackType

from ..apply import DeltaMismatch
from ..copies import Copies, OnError
from ..course import OnDisconnect
from ..errors import ChordError, unavailable
from ..model import CaughtUp, Delta
from ..tracker import Target
from .client import Client


class Replica(Copies):
    """Read it at any time; call `close` when done, or use `async with`. Made inside of a running loop.

    Listeners are plain functions, called in the loop. on_error: hears what they raise, and the ChordError that ends the
    replica; without it they are logged. on_disconnect: as that of `watch`.
    """

    def __init__(
        self,
        client: Client,
        *targets: Target,
        on_error: OnError | None = None,
        on_disconnect: OnDisconnect | None = None,
    ) -> None:
        super().__init__(on_error)
        self._on_disconnect = on_disconnect
        self._watch = client.watch(*targets, on_disconnect=self._disconnected)
        self._settled = asyncio.Event()
        self._error: Exception | None = None
        client.closes(self)
        self._task = asyncio.create_task(self._run(), name="chord-replica")

    async def wait_ready(self, timeout: float | None = None) -> None:
        """Returns when everything that existed has come. Raises ChordError if it ends before, or TimeoutError."""
        try:
            await asyncio.wait_for(self._settled.wait(), timeout)
        except asyncio.TimeoutError:
            raise TimeoutError(f"not caught up within {timeout} s") from None
        if self._error is not None:
            raise self._error

    async def close(self) -> None:
        """Returns when the task is gone. No listener is called afterwards; the copy stays as it is."""
        self._closing = True
        await self._watch.close()
        await asyncio.wait([self._task])

    async def __aenter__(self) -> Replica:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self) -> None:
        try:
            async for event in self._watch:
                try:
                    self._take(event)
                except DeltaMismatch:
                    assert isinstance(event, Delta)
                    await self._watch.resync(event.context_id)
                if isinstance(event, CaughtUp):
                    self._settled.set()
            self._end(unavailable("the replica was closed"))
        except Exception as error:
            self._end(error)
            self._report(error, "a replica has ended")
        finally:
            self._live = False

    def _end(self, error: Exception) -> None:
        if not self._settled.is_set():
            self._error = error
            self._settled.set()

    def _disconnected(self, error: ChordError, delay: float) -> None:
        self._live = False
        if self._on_disconnect is not None and not self._closing:
            self._on_disconnect(error, delay)
