"""A stream of events that connects again by itself, from where it stands."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any

import grpc.aio

from ..channel import Stream
from ..course import Course, ended
from ..errors import ChordError
from ..model import Event
from ..retry import TIMEOUT_MAX
from ..status import from_rpc_error


class Watch(AsyncIterator[Event]):
    """`async for event in client.watch(...)`, in one task at a time.

    Events are read from the network as they are taken: a slow reader gets merged deltas. Raises ChordError where it
    cannot go on. A batch comes when it is complete, its events back to back, each but the last with `more`.
    Cancelling a task that waits for an event loses nothing: the next one to ask gets it. Closed by
    `close`, by `async with`, by the client, or when it is garbage-collected.
    """

    def __init__(
        self,
        course: Course,
        open_call: Callable[[Any], Awaitable[Stream]],
        recovered: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        self._course = course
        self._open_call = open_call
        self._recovered = recovered
        self._events: deque[Event] = deque()
        self._call: Stream | None = None
        self._reading: asyncio.Task[Any] | None = None
        self._resume_at = 0.0
        self._closed = False
        self._wake: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> Event:
        while not self._closed:
            if self._events:
                return self._events.popleft()
            await self._advance()
        raise StopAsyncIteration

    async def close(self) -> None:
        """Ends it, also for a task that waits. Returns when the stream is gone."""
        self._closed = True
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
        await self._drop()

    async def __aenter__(self) -> Watch:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        # Perhaps in another thread. Its stream is not gone by itself: parts of gRPC hold each other.
        if self._call is None or self._loop is None or self._loop.is_closed():
            return
        if self._reading is not None:
            self._loop.call_soon_threadsafe(self._reading.cancel)
        self._loop.call_soon_threadsafe(self._call.cancel)

    async def resync(self, events: list[Event]) -> None:
        """These, the last events, did not fit the reader's copy: connects again for the documents."""
        await self._lost(self._course.refuse(events))

    async def _advance(self) -> None:
        """Brings events, or a new connection, or the end."""
        try:
            message = await self._read()
            if message is grpc.aio.EOF:
                raise ended()
            if message is not None:
                self._events.extend(self._course.take(message))
        except grpc.RpcError as error:
            await self._lost(from_rpc_error(error))
        except ChordError as error:
            await self._lost(error)

    async def _read(self) -> Any:
        """The next message; None where the watch has been closed meanwhile."""
        if self._call is None:
            await self._paused(self._resume_at - time.monotonic())
            if self._closed:
                return None
            call = await self._open_call(self._course.request())
            if self._closed:
                call.cancel()
                return None
            self._call = call
            self._loop = asyncio.get_running_loop()
        reading = self._reading
        if reading is None:
            # A separate task: cancelling a read of gRPC cancels the whole stream.
            reading = self._reading = asyncio.ensure_future(self._call.call.read())
        await self._wait(reading)
        if self._closed:
            return None
        self._reading = None
        return reading.result()

    async def _paused(self, delay: float) -> None:
        """Until the time is over, the watch closed, or a connection made that could not be made."""
        if delay <= 0:
            return
        recovered = asyncio.ensure_future(self._recovered())
        try:
            await self._wait(recovered, min(delay, TIMEOUT_MAX))
        finally:
            recovered.cancel()
            await asyncio.wait([recovered])
            _ = recovered.cancelled() or recovered.exception()  # taken notice of

    async def _wait(self, task: asyncio.Task[Any], timeout: float | None = None) -> None:
        """Until the task is done, the watch closed, or the time over."""
        if self._wake is None:
            self._wake = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._wake, task], timeout=timeout, return_when="FIRST_COMPLETED")

    async def _lost(self, error: ChordError) -> None:
        await self._drop()
        if self._closed:
            return
        try:
            self._resume_at = time.monotonic() + self._course.lost(error)
        except ChordError:
            await self.close()
            raise

    async def _drop(self) -> None:
        call, self._call = self._call, None
        reading, self._reading = self._reading, None
        if call is not None:
            call.cancel()
        if reading is not None:
            await asyncio.wait([reading])
            _ = reading.cancelled() or reading.exception()  # taken notice of
