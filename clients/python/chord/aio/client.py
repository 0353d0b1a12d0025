"""The client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Literal, Protocol, TypeVar, overload
from weakref import WeakSet

import grpc.aio

from .. import calls, channel
from ..channel import Tls
from ..course import Course, OnDisconnect, WatchOptions
from ..errors import ChordError, client_closed, from_rpc_error
from ..model import Context, ContextInfo, DeleteResult, Delta, DeltaPage, Full, NoChange, WriteResult
from ..position import Position
from ..requests import Expected, Mutation, Returning, Seconds
from ..retry import Attempts, RetryPolicy
from ..tracker import Target
from ..values import Json
from .watch import Watch

T = TypeVar("T")


class _Closable(Protocol):
    def close(self) -> Awaitable[None]: ...


class Client:
    """A client of the server at HOST:PORT, for any number of tasks of one loop: that in which it connects,
    at the first call.

    tls: True for the roots of the system. token: sent as `authorization: Bearer` with every call; a function is asked
    each time, so that tokens can be renewed.
    timeout: seconds for one call with all its tries. All calls raise ChordError.
    """

    def __init__(
        self,
        address: str,
        *,
        tls: Tls | bool = False,
        token: channel.AsyncToken | None = None,
        timeout: float = 10.0,
        retry: RetryPolicy = RetryPolicy(),
    ) -> None:
        self.address = address
        self._timeout = timeout
        self._retry = retry
        self._token = token
        self._tls = channel.tls_of(tls)
        self._channel: grpc.aio.Channel | None = None
        self._methods: channel.Stubs | None = None
        self._closed = asyncio.Event()
        self._open: WeakSet[_Closable] = WeakSet()

    async def set(
        self,
        context_id: str,
        value: Mapping[str, Json],
        *,
        expected: Expected | None = None,
        request_id: str | None = None,
        ttl: Seconds | None = None,
        returning: Returning = Returning(),
        timeout: float | None = None,
    ) -> WriteResult:
        """Creates a context, or replaces its document.

        expected: where the context must stand, otherwise ABORTED with `current` in the error. request_id: names this
        write, and a repeat answers what the first one did. ttl: to live from now; 0: until deleted; None: as before.
        """
        write = calls.Write(expected, request_id)
        return await self._run(calls.set_context(context_id, value, write, ttl, returning), timeout)

    async def update(
        self,
        context_id: str,
        changes: Mapping[str, Json] | None = None,
        mutations: Iterable[Mutation] = (),
        *,
        allow_missing: bool = False,
        expected: Expected | None = None,
        request_id: str | None = None,
        ttl: Seconds | None = None,
        returning: Returning = Returning(),
        timeout: float | None = None,
    ) -> WriteResult:
        """Changes parts of a document; the other arguments are those of `set`.

        changes: deep-merged first, dicts member by member, all else replaces. mutations: applied next, in order.
        allow_missing: start from {} where the context is missing.
        """
        write = calls.Write(expected, request_id)
        call = calls.update_context(context_id, changes, mutations, allow_missing, write, ttl, returning)
        return await self._run(call, timeout)

    async def get(self, context_id: str, *, timeout: float | None = None) -> Context:
        """The answer contains every write acknowledged before this call."""
        return await self._run(calls.get_context(context_id), timeout)

    async def delete(
        self,
        context_id: str,
        *,
        allow_missing: bool = False,
        expected: Expected | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> DeleteResult:
        """Removes a context with its deltas. allow_missing: no error where there is none."""
        write = calls.Write(expected, request_id)
        return await self._run(calls.delete_context(context_id, allow_missing, write), timeout)

    async def touch(self, context_id: str, ttl: Seconds | None = None, *, timeout: float | None = None) -> ContextInfo:
        """Renews the time to live, or sets another one; 0: until it is deleted."""
        return await self._run(calls.touch_context(context_id, ttl), timeout)

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
        options = WatchOptions(known or {}, include_old_values, heartbeat_interval, on_disconnect)
        watch = Watch(Course(self._retry, targets, options), self._open_watch)
        self.closes(watch)
        return watch

    async def close(self) -> None:
        """Ends all watches and replicas, then the connection."""
        self._closed.set()
        for each in tuple(self._open):
            await each.close()
        if self._channel is not None:
            await self._channel.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    def closes(self, opened: _Closable) -> None:
        """Whatever is still alive of these when the client is closed is closed with it."""
        if self._closed.is_set():
            raise client_closed()
        self._open.add(opened)

    def _method(self, name: str) -> Callable[..., Any]:
        """Connects at the first call: a channel belongs to the loop that is running when it is made."""
        if self._methods is None:
            tls, options = self._tls, channel.options(self._tls)
            self._channel = (
                grpc.aio.secure_channel(self.address, tls.credentials(), options)
                if tls
                else grpc.aio.insecure_channel(self.address, options)
            )
            self._methods = channel.Stubs(self._channel)
        return self._methods.method(name)

    async def _open_watch(self, request: Any) -> Any:
        metadata = await channel.metadata_aio(self._token)
        return self._method("WatchContexts")(request, metadata=metadata)

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
                metadata = await channel.metadata_aio(self._token)
                answer = self._method(call.method)(call.request, timeout=attempts.timeout(), metadata=metadata)
                return call.read(await answer)
            except (grpc.RpcError, ChordError) as error:
                if not self._closed.is_set():
                    await self._pause(attempts.wait(from_rpc_error(error)))
            except Exception:  # what gRPC raises depends on when the channel was closed
                if not self._closed.is_set():
                    raise
        raise client_closed()

    async def _pause(self, delay: float) -> None:
        """Ends at once when the client is closed."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._closed.wait(), delay)
