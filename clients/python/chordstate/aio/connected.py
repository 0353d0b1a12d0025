"""What the client for asyncio stands on: connections, token, tries, turns."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Protocol, TypeVar
from weakref import WeakSet

import grpc.aio

from .. import calls, channel
from ..channel import Tls
from ..errors import ChordError, busy, closed
from ..hooks import Hooks, Metadata, headers_of, headers_of_calls
from ..retry import ONE_TRY, Attempts, RetryPolicy
from ..status import from_rpc_error
from .presence import Presence
from .stubs import Stubs
from .within import within

T = TypeVar("T")
Self = TypeVar("Self", bound="Connected")


class _Closable(Protocol):
    def close(self) -> Awaitable[None]: ...


class Connected:
    """Of `Client`, which has the calls."""

    def __init__(
        self,
        address: str,
        *,
        tls: Tls | bool = False,
        token: channel.AsyncToken | None = None,
        timeout: float = 10.0,
        retry: RetryPolicy = RetryPolicy(),
        calls_in_flight: int = 100,
        watches_per_connection: int = 90,
        endpoints: Sequence[str] = (),
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
        channel_options: Sequence[tuple[str, Any]] = (),
        user_agent: str = "",
    ) -> None:
        hooks = Hooks(endpoints, headers_of(metadata), interceptors, channel_options, user_agent)
        self.address = address
        self._timeout = timeout
        self._retry = retry
        self._token = token
        self._tls = channel.tls_of(tls)
        self._metadata = hooks.metadata
        self._hooks = hooks
        self._target = hooks.target(address)
        self._streams_max = watches_per_connection
        self._connections: channel.Connections | None = None
        self._calls_in_flight = calls_in_flight
        self._turns = asyncio.Semaphore(calls_in_flight)
        # Connections that are being closed: a task that nothing holds might be collected.
        self._leaving: set[asyncio.Task[None]] = set()
        self._closing = False
        self._closed = asyncio.Event()
        self._open: WeakSet[_Closable] = WeakSet()
        self._presences: set[Presence] = set()

    def stub(self, make: Callable[[Any], T]) -> T:
        """The stub of a service, for calls that have no method here: `client.stub(proto.CleanupServiceStub)`.

        Its calls take a message of `chordstate.proto`, and `timeout`, and have the connections, the token, the deadline
        and the errors of the client. Those with one answer take one of the calls in flight, and have one try, unless
        they are told `repeatable=True`: that another try does no harm, as of reads, and of writes with a request_id.
        Those with a stream answer an async iterator, which counts as a watch, and is closed as one.
        """
        return make(Stubs(self))

    async def close(self) -> None:
        """Ends all presences, watches and replicas, then the connection."""
        self._closing = True
        await asyncio.gather(*(presence.close() for presence in self._presences))
        self._closed.set()
        for each in tuple(self._open):
            await each.close()
        for connection in self._connections.all if self._connections else ():
            await connection.channel.close()
        if self._leaving:
            await asyncio.wait(self._leaving)

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _closes_first(self, presence: Presence) -> None:
        """Ends it when the client is closed, while calls are possible yet."""
        if not self._closing:
            self._presences.add(presence)
            return
        await presence.close()
        raise closed()

    def _forget(self, presence: Presence) -> None:
        """It has ended."""
        self._presences.discard(presence)

    def _closes(self, opened: _Closable) -> None:
        """Whatever is still alive of these when the client is closed is closed with it."""
        if self._closed.is_set():
            raise closed()
        self._open.add(opened)

    def _connected(self) -> channel.Connections:
        """Connects at the first call: a channel belongs to the loop that is running when it is made."""
        if self._connections is None:
            options = channel.options(self._tls, self._hooks, self.address)
            credentials = self._tls.credentials() if self._tls else None
            interceptors = list(self._hooks.interceptors)

            def connect() -> tuple[grpc.aio.Channel, grpc.aio.Channel]:
                if credentials:
                    made = grpc.aio.secure_channel(self._target, credentials, options, interceptors=interceptors)
                else:
                    made = grpc.aio.insecure_channel(self._target, options, interceptors=interceptors)
                return made, made

            self._connections = channel.Connections(connect, self._streams_max)
        return self._connections

    async def _start(
        self, method: Callable[[Any], Callable[..., Any]], request: Any, timeout: float | None
    ) -> channel.Stream:
        """A stream, which takes a place on its connection."""
        metadata = await channel.metadata_aio(self._token, self._metadata, headers_of_calls())
        if self._closed.is_set():
            raise closed()
        connection = self._connected().take()
        call = connection.method(method)(request, timeout=timeout, metadata=metadata)
        return channel.Stream(call, lambda: self._leave(connection))

    @property
    def is_closed(self) -> bool:
        """Whether `close` has been called."""
        return self._closed.is_set()

    async def _call_once(self, call: calls.Call[T], timeout: float | None) -> T:
        """One try, with all the time. For stubs."""
        return await self._run(call, timeout, ONE_TRY)

    async def _call_again(self, call: calls.Call[T], timeout: float | None) -> T:
        """As many tries as the client's own calls have. For stubs."""
        return await self._run(call, timeout)

    async def _open_watch(self, headers: Metadata, request: Any) -> channel.Stream:
        metadata = await channel.metadata_aio(self._token, self._metadata, headers)
        if self._closed.is_set():
            raise closed()
        connection = self._connected().take()
        call = connection.method("WatchContexts")(request, metadata=metadata)
        return channel.Stream(call, lambda: self._leave(connection))

    def _leave(self, connection: channel.Connection) -> None:
        idle = self._connected().give_back(connection)
        if idle is not None:
            task = asyncio.ensure_future(idle.close())
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _recovered(self) -> None:
        """Returns when a channel that cannot connect has connected; never where it can."""
        calls = self._connected().first.channel
        state = calls.get_state()
        if state not in channel.FAILING:
            await asyncio.get_running_loop().create_future()
        while state is not grpc.ChannelConnectivity.READY:
            await calls.wait_for_state_change(state)
            state = calls.get_state()

    async def _pages(self, call: Callable[[str], calls.Call[tuple[T, str]]], timeout: float | None) -> AsyncIterator[T]:
        token = ""
        while True:
            page, token = await self._run(call(token), timeout)
            yield page
            if not token:
                return

    async def _run(self, call: calls.Call[T], timeout: float | None, policy: RetryPolicy | None = None) -> T:
        attempts = Attempts(policy or self._retry, self._timeout if timeout is None else timeout)
        while not self._closed.is_set():
            try:
                async with self._turn(attempts):
                    metadata = await channel.metadata_aio(self._token, self._metadata, headers_of_calls())
                    method = self._connected().first.method(call.method)
                    answer = await method(call.request, timeout=attempts.timeout(), metadata=metadata)
                return call.read(answer)
            except (grpc.RpcError, ChordError) as error:
                if not self._closed.is_set():
                    await self._pause(attempts.wait(from_rpc_error(error)))
            except asyncio.CancelledError:
                if self._is_cancelled():
                    raise
            except Exception:  # what gRPC raises depends on when the channel was closed
                if not self._closed.is_set():
                    raise
        raise closed()

    def _is_cancelled(self) -> bool:
        """By the caller, and not because closing the channel has cancelled the call."""
        task = asyncio.current_task()
        return not self._closed.is_set() or (
            sys.version_info >= (3, 11) and task is not None and bool(task.cancelling())
        )

    @asynccontextmanager
    async def _turn(self, attempts: Attempts) -> AsyncIterator[None]:
        if not await self._take_turn(attempts.left()):
            raise busy(self._calls_in_flight)
        try:
            if self._closed.is_set():
                raise closed()
            yield
        finally:
            self._turns.release()

    async def _take_turn(self, timeout: float) -> bool:
        """False: it has not come in time. A task that is cancelled while it comes gives it back: see `within`."""
        if not self._turns.locked():
            return await self._turns.acquire()
        turn = asyncio.ensure_future(self._turns.acquire())
        try:
            await asyncio.wait([turn], timeout=timeout)
            if not turn.done():
                turn.cancel()
                await asyncio.wait([turn])
        except asyncio.CancelledError:
            if not turn.cancel() and not turn.cancelled():
                self._turns.release()
            raise
        return not turn.cancelled()

    async def _pause(self, delay: float) -> None:
        """Ends at once when the client is closed."""
        with suppress(asyncio.TimeoutError):
            await within(self._closed.wait(), delay)
