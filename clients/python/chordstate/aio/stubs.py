"""What stubs take for a channel: their calls are those of a client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Protocol

import grpc.aio

from ..calls import Call
from ..channel import Stream
from ..errors import closed
from ..status import from_rpc_error
from ..stubs import Method


class _Client(Protocol):
    @property
    def is_closed(self) -> bool: ...
    async def _call_once(self, call: Call[Any], timeout: float | None) -> Any: ...
    async def _call_again(self, call: Call[Any], timeout: float | None) -> Any: ...
    async def _start(self, method: Method, request: Any, timeout: float | None) -> Stream: ...
    def _closes(self, opened: Any) -> None: ...


class Stubs:
    def __init__(self, client: _Client) -> None:
        self._client = client

    def unary_unary(self, path: str, **codec: Any) -> Callable[..., Awaitable[Any]]:
        def method(channel: Any) -> Callable[..., Any]:
            found: Callable[..., Any] = channel.unary_unary(path, **codec)
            return found

        async def call(request: Any, timeout: float | None = None, *, repeatable: bool = False) -> Any:
            run = self._client._call_again if repeatable else self._client._call_once
            return await run(Call(method, request, lambda answer: answer), timeout)

        return call

    def unary_stream(self, path: str, **codec: Any) -> Callable[..., Answers]:
        def method(channel: Any) -> Callable[..., Any]:
            found: Callable[..., Any] = channel.unary_stream(path, **codec)
            return found

        def call(request: Any, timeout: float | None = None) -> Answers:
            return Answers(self._client, lambda: self._client._start(method, request, timeout))

        return call


class Answers(AsyncIterator[Any]):
    """The messages of a stream, for one task at a time. Raises ChordError. It begins when the first one is asked for.

    Closed by `close`, by `async with`, by the client, at its end, or when it is garbage-collected. Cancelling a task
    that waits for a message closes it.
    """

    def __init__(self, client: _Client, start: Callable[[], Awaitable[Stream]]) -> None:
        self._client = client
        self._start = start
        self._stream: Stream | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = False
        client._closes(self)

    def __aiter__(self) -> Answers:
        return self

    async def __anext__(self) -> Any:
        if not self._ended:
            try:
                if self._stream is None:
                    self._loop = asyncio.get_running_loop()
                    self._stream = await self._start()
                message = await self._stream.call.read()
                if message is not grpc.aio.EOF:
                    return message
                await self.close()
            except asyncio.CancelledError:
                # Closing the client cancels the call, too.
                if not self._ended:
                    await self.close()
                    raise
            except grpc.RpcError as error:
                if not self._ended:
                    await self.close()
                    raise from_rpc_error(error) from None
        if self._client.is_closed:
            raise closed()
        raise StopAsyncIteration

    async def close(self) -> None:
        """Ends the stream."""
        self._ended = True
        if self._stream is not None:
            self._stream.cancel()

    async def __aenter__(self) -> Answers:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        # Perhaps in another thread. Its stream is not gone by itself: parts of gRPC hold each other.
        if self._stream is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stream.cancel)
