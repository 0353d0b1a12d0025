"""A stream of events that connects again by itself, from where it stands."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any

import grpc.aio

from ..course import Course, ended
from ..errors import ChordError, from_rpc_error
from ..model import Event


class Watch(AsyncIterator[Event]):
    """`async for event in client.watch(...)`, in one task at a time.

    Events are read from the network as they are taken: a slow reader gets merged deltas. Raises ChordError where it
    cannot go on. Cancelling a task that waits for an event loses nothing: the next one to ask gets it. Closed by
    `close`, by `async with`, by the client, or when nobody holds it any more.
    """

    def __init__(self, course: Course, open_call: Callable[[Any], Awaitable[Any]]) -> None:
        self._course = course
        self._open_call = open_call
        self._events: deque[Event] = deque()
        self._call: Any = None
        self._reading: asyncio.Task[Any] | None = None
        self._resume_at = 0.0
        self._closed = False
        self._wake: asyncio.Future[None] | None = None

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
        # Perhaps in another thread; gRPC cancels the call when its reader is cancelled, or when nobody holds it.
        if self._reading is not None and not self._reading.get_loop().is_closed():
            self._reading.get_loop().call_soon_threadsafe(self._reading.cancel)

    async def resync(self, context_id: str) -> None:
        """This context's last event did not fit the reader's copy: connects again for the document."""
        await self._lost(self._course.doubt(context_id))

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
            await self._wait(None, self._resume_at - time.monotonic())
            if self._closed:
                return None
            call = await self._open_call(self._course.request())
            if self._closed:
                call.cancel()
                return None
            self._call = call
        if self._reading is None:
            # A task of its own: whoever cancels a read of gRPC cancels the whole stream.
            self._reading = asyncio.ensure_future(self._call.read())
        await self._wait(self._reading)
        if self._closed:
            return None
        reading, self._reading = self._reading, None
        return reading.result()

    async def _wait(self, task: asyncio.Task[Any] | None, timeout: float | None = None) -> None:
        """Until the task is done, the watch closed, or the time over."""
        if timeout is not None and timeout <= 0:
            return
        if self._wake is None:
            self._wake = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._wake, *([task] if task else [])], timeout=timeout, return_when="FIRST_COMPLETED")

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
            reading.cancelled() or reading.exception()  # taken notice of
