"""The client for asyncio."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Literal, Protocol, TypeVar, overload
from weakref import WeakSet

import grpc.aio

from .. import calls, channel
from ..blame import BlamePage, blame_context
from ..channel import Tls
from ..conditions import Check, Expected
from ..course import Course, OnDisconnect, WatchOptions
from ..editing import Editing, Reads
from ..errors import ChordError, busy, closed
from ..model import (
    Context,
    ContextInfo,
    DeleteResult,
    Delta,
    DeltaPage,
    ExpiringContext,
    Full,
    NoChange,
    PathLike,
    Waited,
    WriteResult,
)
from ..position import Position
from ..presence import OnPresenceError
from ..requests import Mutation, Returning, Seconds
from ..retry import Attempts, Patience, RetryPolicy
from ..status import from_rpc_error
from ..tracker import Target
from ..values import Json
from .edit import Change, edit
from .presence import Presence
from .watch import Watch

T = TypeVar("T")


class _Closable(Protocol):
    def close(self) -> Awaitable[None]: ...


class Client:
    """A client of the server at HOST:PORT, for any number of tasks of one loop: that in which it connects,
    at the first call.

    tls: True for the roots of the system. token: sent as `authorization: Bearer` with every call; a function is asked
    each time, so that tokens can be renewed.
    timeout: seconds for one call with all its tries. calls_in_flight: more wait for their turn. watches_per_connection:
    more open a further connection, since servers and proxies bound the streams of one. All calls raise ChordError.
    """

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
    ) -> None:
        self.address = address
        self._timeout = timeout
        self._retry = retry
        self._token = token
        self._tls = channel.tls_of(tls)
        self._streams_max = watches_per_connection
        self._connections: channel.Connections | None = None
        self._calls_in_flight = calls_in_flight
        self._turns = asyncio.Semaphore(calls_in_flight)
        # Connections that are being closed: a task that nothing holds might be collected.
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = asyncio.Event()
        self._open: WeakSet[_Closable] = WeakSet()
        self._presences: list[Presence] = []

    async def set(
        self,
        context_id: str,
        value: Mapping[str, Json],
        *,
        expected: Expected | None = None,
        checks: Iterable[Check] = (),
        request_id: str | None = None,
        annotations: Mapping[str, str] | None = None,
        ttl: Seconds | None = None,
        returning: Returning = Returning(),
        timeout: float | None = None,
    ) -> WriteResult:
        """Creates a context, or replaces its document.

        expected: where the context must stand, or what must be Unchanged; checks: what the document must hold, all of
        it; otherwise ABORTED with `current`, and perhaps `unmet`, in the error. request_id: names this write, and a
        repeat answers what the first one did. annotations: kept with the version. ttl: to live from now; 0: until
        deleted; None: as before.
        """
        write = calls.Write(expected, checks, request_id, annotations)
        return await self._run(calls.set_context(context_id, value, write, ttl, returning), timeout)

    async def update(
        self,
        context_id: str,
        changes: Mapping[str, Json] | None = None,
        mutations: Iterable[Mutation] = (),
        *,
        allow_missing: bool = False,
        expected: Expected | None = None,
        checks: Iterable[Check] = (),
        request_id: str | None = None,
        annotations: Mapping[str, str] | None = None,
        ttl: Seconds | None = None,
        returning: Returning = Returning(),
        timeout: float | None = None,
    ) -> WriteResult:
        """Changes parts of a document; the other arguments are those of `set`.

        changes: deep-merged first, dicts member by member, all else replaces. mutations: applied next, in order.
        allow_missing: start from {} where the context is missing.
        """
        write = calls.Write(expected, checks, request_id, annotations)
        call = calls.update_context(context_id, changes, mutations, allow_missing, write, ttl, returning)
        return await self._run(call, timeout)

    async def edit(
        self,
        context_id: str,
        change: Change,
        *,
        allow_missing: bool = False,
        reads: Reads = (),
        attempts: int | None = None,
        timeout: float | None = None,
    ) -> WriteResult:
        """Changes a document by a function of it, which changes its copy or answers another document, and may be async.

        The write is guarded by the paths that the function changed, and those of `reads` ("document": all of it); where
        another write has touched them, the function is called again, on the new document. ABORTED where `attempts`
        (those of the client's policy) or the time are over; what the function raises ends the edit.
        allow_missing: start from {} where the context is missing.
        """
        editing = Editing(self._retry, allow_missing, reads, attempts, self._timeout if timeout is None else timeout)
        return await edit(self, editing, context_id, change, self._pause)

    @overload
    async def get(
        self, context_id: str, *, include_expiries: Literal[True], timeout: float | None = None
    ) -> ExpiringContext: ...

    @overload
    async def get(
        self, context_id: str, *, include_expiries: bool = False, timeout: float | None = None
    ) -> Context: ...

    async def get(self, context_id: str, *, include_expiries: bool = False, timeout: float | None = None) -> Context:
        """The answer contains every write acknowledged before this call. include_expiries: and what expires when."""
        if include_expiries:
            return await self._run(calls.get_expiring(context_id), timeout)
        return await self._run(calls.get_context(context_id), timeout)

    async def delete(
        self,
        context_id: str,
        *,
        allow_missing: bool = False,
        expected: Expected | None = None,
        checks: Iterable[Check] = (),
        request_id: str | None = None,
        annotations: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> DeleteResult:
        """Removes a context with its deltas. allow_missing: no error where there is none."""
        write = calls.Write(expected, checks, request_id, annotations)
        return await self._run(calls.delete_context(context_id, allow_missing, write), timeout)

    async def touch(
        self,
        context_id: str,
        ttl: Seconds | None = None,
        *,
        paths: Iterable[PathLike] = (),
        timeout: float | None = None,
    ) -> ContextInfo:
        """Renews the time to live, or sets another one; 0: until it is deleted.

        paths: of these members, and not of the context; FAILED_PRECONDITION where one does not expire, or has expired.
        """
        return await self._run(calls.touch_context(context_id, ttl, paths), timeout)

    async def presence(
        self,
        context_id: str,
        path: PathLike,
        value: Json,
        ttl: Seconds,
        *,
        on_error: OnPresenceError | None = None,
    ) -> Presence:
        """Keeps a member there: sets it, now and wherever it has gone, and renews it in time.

        It goes when the presence or the client is closed, or at most `ttl` after this process has died. on_error: is
        called with failures of renewals and of the removal; without it they are logged. The presence goes on.
        """
        presence = await Presence(self, context_id, path, value, ttl, on_error).open()
        self.closes_first(presence)
        return presence

    @overload
    def list(
        self, prefix: str = "", *, include_values: Literal[True], timeout: float | None = None
    ) -> AsyncIterator[Context]: ...

    @overload
    def list(
        self, prefix: str = "", *, include_values: bool = False, timeout: float | None = None
    ) -> AsyncIterator[ContextInfo]: ...

    async def list(
        self, prefix: str = "", *, include_values: bool = False, timeout: float | None = None
    ) -> AsyncIterator[ContextInfo]:
        """All contexts whose ids begin with the prefix, in the order of their ids, read page after page."""
        async for page in self._pages(lambda token: calls.list_contexts(prefix, include_values, token), timeout):
            for context in page:
                yield context

    async def sync(
        self, context_id: str, known: Position | None = None, *, timeout: float | None = None
    ) -> Full | Delta | NoChange:
        """What a copy at `known` lacks; without `known`, the document."""
        return await self._run(calls.sync_context(context_id, known), timeout)

    async def wait(
        self,
        context_id: str,
        checks: Iterable[Check],
        *,
        known: Position | None = None,
        timeout: float | None = None,
    ) -> Waited:
        """Returns as soon as the document meets all checks, across broken connections and restarts of the server.

        A context that does not exist yet can be waited for. known: versions since this position count too, also where
        a later one does not meet the checks. timeout: None: without an end.
        """
        call = calls.wait_context(context_id, checks, known)
        patience = Patience(self._retry, timeout, callable(self._token))
        while not self._closed.is_set():
            connection = self._connected().take()
            try:
                metadata = await channel.metadata_aio(self._token)
                return call.read(
                    await connection.method(call.method)(call.request, timeout=patience.timeout(), metadata=metadata)
                )
            except (grpc.RpcError, ChordError) as error:
                if not self._closed.is_set():
                    await self._pause(patience.wait(from_rpc_error(error)))
            except asyncio.CancelledError:
                if self._is_cancelled():
                    raise
            except Exception:  # what gRPC raises depends on when the channel was closed
                if not self._closed.is_set():
                    raise
            finally:
                self._leave(connection)
        raise closed()

    def deltas(
        self,
        context_id: str,
        from_version: int = 0,
        *,
        include_old_values: bool = False,
        timeout: float | None = None,
    ) -> AsyncIterator[DeltaPage]:
        """The retained history after a version, oldest first, page after page."""
        return self._pages(
            lambda token: calls.list_deltas(context_id, from_version, include_old_values, token), timeout
        )

    def blame(self, context_id: str, *paths: PathLike, timeout: float | None = None) -> AsyncIterator[BlamePage]:
        """Which version made each part of a document, and who wrote it, page after page.

        paths: only what lies at or below one of these; without them, the whole document.
        """
        return self._pages(lambda token: blame_context(context_id, paths, token), timeout)

    def watch(
        self,
        *targets: Target,
        known: Mapping[str, Position] | None = None,
        include_old_values: bool = False,
        heartbeat_interval: Seconds | None = None,
        on_disconnect: OnDisconnect | None = None,
    ) -> Watch:
        """What happens to these contexts, without gaps or duplicates, across broken connections and restarts.

        known: where a copy stands already, by context id. on_disconnect: is called with the error and the seconds
        until the next try.
        """
        if self._closed.is_set():
            raise closed()
        options = WatchOptions(known or {}, include_old_values, heartbeat_interval, on_disconnect)
        watch = Watch(Course(self._retry, targets, options, callable(self._token)), self._open_watch, self._recovered)
        self.closes(watch)
        return watch

    async def close(self) -> None:
        """Ends all presences, watches and replicas, then the connection."""
        presences, self._presences = self._presences, []
        for presence in presences:
            await presence.close()
        self._closed.set()
        for each in tuple(self._open):
            await each.close()
        for connection in self._connections.all if self._connections else ():
            await connection.channel.close()
        if self._leaving:
            await asyncio.wait(self._leaving)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    def closes_first(self, presence: Presence) -> None:
        self._presences.append(presence)

    def closes(self, opened: _Closable) -> None:
        """Whatever is still alive of these when the client is closed is closed with it."""
        if self._closed.is_set():
            raise closed()
        self._open.add(opened)

    def _connected(self) -> channel.Connections:
        """Connects at the first call: a channel belongs to the loop that is running when it is made."""
        if self._connections is None:
            options = channel.options(self._tls)
            credentials = self._tls.credentials() if self._tls else None
            self._connections = channel.Connections(
                lambda: (
                    grpc.aio.secure_channel(self.address, credentials, options)
                    if credentials
                    else grpc.aio.insecure_channel(self.address, options)
                ),
                self._streams_max,
            )
        return self._connections

    async def _open_watch(self, request: Any) -> channel.Stream:
        metadata = await channel.metadata_aio(self._token)
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

    async def _run(self, call: calls.Call[T], timeout: float | None) -> T:
        attempts = Attempts(self._retry, self._timeout if timeout is None else timeout)
        while not self._closed.is_set():
            try:
                async with self._turn(attempts):
                    metadata = await channel.metadata_aio(self._token)
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
        if self._turns.locked():
            try:
                await asyncio.wait_for(self._turns.acquire(), attempts.left())
            except asyncio.TimeoutError:
                raise busy(self._calls_in_flight) from None
        else:
            await self._turns.acquire()
        try:
            if self._closed.is_set():
                raise closed()
            yield
        finally:
            self._turns.release()

    async def _pause(self, delay: float) -> None:
        """Ends at once when the client is closed."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._closed.wait(), delay)
