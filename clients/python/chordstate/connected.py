"""What the client for threads stands on: connections, token, tries, turns."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Protocol, TypeVar
from weakref import WeakSet

import grpc

from . import calls, channel
from .channel import Tls
from .errors import ChordError, busy, closed
from .hooks import Hooks, Metadata, headers_of, headers_of_calls
from .presence import Presence
from .retry import ONE_TRY, TIMEOUT_MAX, Attempts, RetryPolicy
from .status import from_rpc_error
from .stubs import Stubs

T = TypeVar("T")
Self = TypeVar("Self", bound="Connected")

#: One or more of gRPC's four kinds.
Interceptor = (
    grpc.UnaryUnaryClientInterceptor
    | grpc.UnaryStreamClientInterceptor
    | grpc.StreamUnaryClientInterceptor
    | grpc.StreamStreamClientInterceptor
)

#: Seconds between looks at a channel that cannot connect.
_LOOK = 0.1


class _Closable(Protocol):
    def close(self) -> None: ...


class Connected:
    """Of `Client`, which has the calls."""

    def __init__(
        self,
        address: str,
        *,
        tls: Tls | bool = False,
        token: channel.Token | None = None,
        timeout: float = 10.0,
        retry: RetryPolicy = RetryPolicy(),
        calls_in_flight: int = 100,
        watches_per_connection: int = 90,
        endpoints: Sequence[str] = (),
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] = (),
        channel_options: Sequence[tuple[str, Any]] = (),
        user_agent: str = "",
    ) -> None:
        hooks = Hooks(endpoints, headers_of(metadata), interceptors, channel_options, user_agent)
        self.address = address
        self._timeout = timeout
        self._retry = retry
        self._token = token
        self._metadata = hooks.metadata
        secure = channel.tls_of(tls)
        target, options = hooks.target(address), channel.options(secure, hooks, address)
        credentials = secure.credentials() if secure else None

        def connect() -> tuple[grpc.Channel, grpc.Channel]:
            plain = (
                grpc.secure_channel(target, credentials, options)
                if credentials
                else grpc.insecure_channel(target, options)
            )
            return plain, grpc.intercept_channel(plain, *interceptors) if interceptors else plain

        self._connections = channel.Connections(connect, watches_per_connection)
        self._calls_in_flight = calls_in_flight
        self._turns = threading.BoundedSemaphore(calls_in_flight)
        self._closing = False
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._open: WeakSet[_Closable] = WeakSet()
        self._presences: set[Presence] = set()

    def stub(self, make: Callable[[Any], T]) -> T:
        """The stub of a service, for calls that have no method here: `client.stub(proto.CleanupServiceStub)`.

        Its calls take a message of `chordstate.proto`, and `timeout`, and have the connections, the token, the deadline
        and the errors of the client. Those with one answer take one of the calls in flight, and have one try, unless
        they are told `repeatable=True`: that another try does no harm, as of reads, and of writes with a request_id.
        Those with a stream answer an iterator, which counts as a watch, and is closed as one.
        """
        return make(Stubs(self))

    def close(self) -> None:
        """Ends all presences, watches and replicas, then the connection."""
        with self._lock:
            self._closing = True
            presences = tuple(self._presences)
        for presence in presences:
            presence._end()
        for presence in presences:
            presence.close()
        with self._lock:
            self._closed.set()
            opened = tuple(self._open)
        for each in opened:
            each.close()
        for connection in self._connections.all:
            connection.channel.close()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _closes(self, opened: _Closable) -> None:
        """Whatever is still alive of these when the client is closed is closed with it."""
        with self._lock:
            if self._closed.is_set():
                raise closed()
            self._open.add(opened)

    def _closes_first(self, presence: Presence) -> None:
        """Ends it when the client is closed, while calls are possible yet."""
        with self._lock:
            if not self._closing:
                self._presences.add(presence)
                return
        presence.close()
        raise closed()

    def _forget(self, presence: Presence) -> None:
        """It has ended."""
        with self._lock:
            self._presences.discard(presence)

    def _start(
        self, method: Callable[[Any], Callable[..., Any]], request: Any, timeout: float | None
    ) -> channel.Stream:
        """A stream, which takes a place on its connection."""
        if self._closed.is_set():
            raise closed()
        metadata = channel.metadata(self._token, self._metadata, headers_of_calls())
        connection = self._connections.take()
        call = connection.method(method)(request, timeout=timeout, metadata=metadata)
        return channel.Stream(call, lambda: self._leave(connection))

    @property
    def is_closed(self) -> bool:
        """Whether `close` has been called."""
        return self._closed.is_set()

    def _call_once(self, call: calls.Call[T], timeout: float | None) -> T:
        """One try, with all the time. For stubs."""
        return self._run(call, timeout, ONE_TRY)

    def _call_again(self, call: calls.Call[T], timeout: float | None) -> T:
        """As many tries as the client's own calls have. For stubs."""
        return self._run(call, timeout)

    def _open_watch(self, headers: Metadata, request: Any) -> Callable[[], channel.Stream]:
        metadata = channel.metadata(self._token, self._metadata, headers)

        def start() -> channel.Stream:
            connection = self._connections.take()
            call = connection.method("WatchContexts")(request, metadata=metadata)
            return channel.Stream(call, lambda: self._leave(connection))

        return start

    def _leave(self, connection: channel.Connection) -> None:
        idle = self._connections.give_back(connection)
        if idle is not None:
            idle.close()

    def _pause(self, wake: threading.Event, delay: float) -> None:
        """Until the time is over, `wake` is set, or a channel that could not connect has connected."""
        calls = self._connections.first
        end = time.monotonic() + min(delay, TIMEOUT_MAX)
        failing = calls.state() in channel.FAILING
        while (left := end - time.monotonic()) > 0 and not wake.wait(min(left, _LOOK) if failing else left):
            if failing and calls.state() is grpc.ChannelConnectivity.READY:
                return

    def _pages(self, call: Callable[[str], calls.Call[tuple[T, str]]], timeout: float | None) -> Iterator[T]:
        token = ""
        while True:
            page, token = self._run(call(token), timeout)
            yield page
            if not token:
                return

    def _run(self, call: calls.Call[T], timeout: float | None, policy: RetryPolicy | None = None) -> T:
        attempts = Attempts(policy or self._retry, self._timeout if timeout is None else timeout)
        method = self._connections.first.method(call.method)
        while not self._closed.is_set():
            try:
                with self._turn(attempts):
                    metadata = channel.metadata(self._token, self._metadata, headers_of_calls())
                    answer = method(call.request, timeout=attempts.timeout(), metadata=metadata)
                return call.read(answer)
            except (grpc.RpcError, ChordError) as error:
                if not self._closed.is_set():
                    self._closed.wait(attempts.wait(from_rpc_error(error)))
            except Exception:  # what gRPC raises depends on when the channel was closed
                if not self._closed.is_set():
                    raise
        raise closed()

    @contextmanager
    def _turn(self, attempts: Attempts) -> Iterator[None]:
        if not self._turns.acquire(timeout=attempts.left()):
            raise busy(self._calls_in_flight)
        try:
            if self._closed.is_set():
                raise closed()
            yield
        finally:
            self._turns.release()
