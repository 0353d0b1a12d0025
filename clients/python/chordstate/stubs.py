"""What stubs take for a channel: their calls are those of a client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Protocol

import grpc

from .calls import Call
from .channel import Stream
from .errors import closed
from .status import from_rpc_error

#: Finds the method on a channel.
Method = Callable[[Any], Callable[..., Any]]


class _Client(Protocol):
    @property
    def is_closed(self) -> bool: ...
    def _call_once(self, call: Call[Any], timeout: float | None) -> Any: ...
    def _call_again(self, call: Call[Any], timeout: float | None) -> Any: ...
    def _start(self, method: Method, request: Any, timeout: float | None) -> Stream: ...
    def _closes(self, opened: Any) -> None: ...


class Stubs:
    def __init__(self, client: _Client) -> None:
        self._client = client

    def unary_unary(self, path: str, **codec: Any) -> Callable[..., Any]:
        def method(channel: Any) -> Callable[..., Any]:
            found: Callable[..., Any] = channel.unary_unary(path, **codec)
            return found

        def call(request: Any, timeout: float | None = None, *, repeatable: bool = False) -> Any:
            run = self._client._call_again if repeatable else self._client._call_once
            return run(Call(method, request, lambda answer: answer), timeout)

        return call

    def unary_stream(self, path: str, **codec: Any) -> Callable[..., Answers]:
        def method(channel: Any) -> Callable[..., Any]:
            found: Callable[..., Any] = channel.unary_stream(path, **codec)
            return found

        def call(request: Any, timeout: float | None = None) -> Answers:
            return Answers(self._client, self._client._start(method, request, timeout))

        return call


class Answers(Iterator[Any]):
    """The messages of a stream, for one thread at a time. Raises ChordError.

    Closed by `close`, by `with`, by the client, at its end, or when it is garbage-collected.
    """

    def __init__(self, client: _Client, stream: Stream) -> None:
        self._client = client
        self._stream = stream
        self._ended = False
        client._closes(self)

    def __iter__(self) -> Answers:
        return self

    def __next__(self) -> Any:
        if not self._ended:
            try:
                return next(self._stream.call)
            except StopIteration:
                self.close()
            except grpc.RpcError as error:
                # Another thread may have closed it meanwhile.
                if not self._ended:
                    self.close()
                    raise from_rpc_error(error) from None
        if self._client.is_closed:
            raise closed()
        raise StopIteration

    def close(self) -> None:
        """Ends the stream."""
        self._ended = True
        self._stream.cancel()

    def __enter__(self) -> Answers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()
