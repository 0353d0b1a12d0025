"""A live local copy of contexts, kept up by a task."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import TracebackType

from ..apply import DeltaMismatch
from ..copies import Condition, Copies, OnError, State
from ..course import OnDisconnect
from ..errors import ChordError, closed
from ..model import CaughtUp, Event
from ..tracker import Target
from ..values import JsonObject
from .client import Client
from .within import within


class Replica(Copies):
    """Read it at any time; call `close` when done, or use `async with`. Made inside of a running loop.

    Listeners are called in the loop, one at a time; what they answer is awaited, and the next event waits for it.
    on_error: hears what they raise, and the ChordError that ends the replica; without it they are logged.
    on_disconnect: as that of `watch`. state: what it starts with, as `state()` of an earlier one answered it.
    """

    def __init__(
        self,
        client: Client,
        *targets: Target,
        on_error: OnError | None = None,
        on_disconnect: OnDisconnect | None = None,
        state: State | None = None,
    ) -> None:
        super().__init__(on_error, state)
        self._on_disconnect = on_disconnect
        self._watch = client.watch(*targets, known=self._known(), on_disconnect=self._disconnected)
        self._settled = asyncio.Event()
        # Set, and replaced, with each change.
        self._changed = asyncio.Event()
        self._error: Exception | None = None
        self._ended: Exception | None = None
        # Kept: the loop keeps no task alive.
        self._reporting: asyncio.Future[None] | None = None
        client._closes(self)
        self._task = asyncio.create_task(self._run(), name="chord-replica")

    async def wait_ready(self, timeout: float | None = None) -> None:
        """Returns when everything that existed has come. Raises ChordError if it ends before, or TimeoutError."""
        try:
            await within(self._settled.wait(), timeout)
        except asyncio.TimeoutError:
            raise TimeoutError(f"not caught up within {timeout} s") from None
        if self._error is not None:
            raise self._error

    async def wait_for(self, context_id: str, condition: Condition, timeout: float | None = None) -> JsonObject | None:
        """Until the copy of a context has come to a position (the same epoch, at least the version), or a predicate of
        its value holds. Answers the value. Raises ChordError if the replica ends before, TimeoutError, or what the
        predicate raises.
        """
        try:
            return await within(self._reached(context_id, condition), timeout)
        except asyncio.TimeoutError:
            raise TimeoutError(f"{context_id} did not get there within {timeout} s") from None

    async def _reached(self, context_id: str, condition: Condition) -> JsonObject | None:
        while not self._holds(context_id, condition):
            if self._ended is not None:
                raise self._ended
            await self._changed.wait()
        return self.get(context_id)

    async def close(self) -> None:
        """Returns when the task is gone. No listener is called afterwards; the copy stays as it is."""
        self._closing = True
        await self._watch.close()
        if asyncio.current_task() is not self._task:
            await asyncio.wait([self._task])

    async def __aenter__(self) -> Replica:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self) -> None:
        batch: list[Event] = []
        try:
            async for event in self._watch:
                batch.append(event)
                if not event.more:
                    await self._follow(batch)
                    batch = []
            self._end(closed("replica"))
        except Exception as error:
            try:
                self._log_end(error)
            finally:
                self._end(error)
            if self._on_error is not None:
                await self._reported(error)
        except asyncio.CancelledError:
            self._end(closed("replica"))
            raise

    async def _follow(self, batch: list[Event]) -> None:
        try:
            changes = self._take(batch)
        except DeltaMismatch:
            await self._watch.resync(batch)
            return
        self._wake()
        for change in changes:
            for listener in self._listeners:
                if self._closing:
                    return
                answer = self._tell(listener, change)
                if answer is None:
                    continue
                try:
                    await answer
                except Exception as error:
                    await self._reported(error)
        if isinstance(batch[-1], CaughtUp):
            self._settled.set()

    async def _reported(self, error: Exception) -> None:
        answer = self._report(error)
        if isinstance(answer, Awaitable):
            try:
                await answer
            except Exception as raised:
                self._log_on_error(raised)

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _end(self, error: Exception) -> None:
        self._live = False
        self._ended = error
        self._wake()
        if not self._settled.is_set():
            self._error = error
            self._settled.set()

    def _disconnected(self, error: ChordError, delay: float) -> None:
        self._live = False
        if self._on_disconnect is not None and not self._closing:
            try:
                self._on_disconnect(error, delay)
            except Exception as raised:
                self._reporting = asyncio.ensure_future(self._reported(raised))
