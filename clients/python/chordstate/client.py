"""The client for threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal, Protocol, TypeVar, overload
from weakref import WeakSet

import grpc

from . import calls, channel
from .blame import BlamePage, blame_context
from .channel import Tls
from .conditions import Check, Expected
from .course import Course, OnDisconnect, WatchOptions
from .edit import Change, edit
from .editing import Editing, Reads
from .errors import ChordError, busy, closed
from .model import (
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
from .position import Position
from .presence import OnPresenceError, Presence
from .requests import Mutation, Returning, Seconds
from .retry import TIMEOUT_MAX, Attempts, Patience, RetryPolicy
from .status import from_rpc_error
from .tracker import Target
from .values import Json
from .watch import Watch

T = TypeVar("T")

#: Seconds between looks at a channel that cannot connect.
_LOOK = 0.1


class _Closable(Protocol):
    def close(self) -> None: ...


class Client:
    """A client of the server at HOST:PORT, for any number of threads; it connects at the first call.

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
        token: channel.Token | None = None,
        timeout: float = 10.0,
        retry: RetryPolicy = RetryPolicy(),
        calls_in_flight: int = 100,
        watches_per_connection: int = 90,
    ) -> None:
        self.address = address
        self._timeout = timeout
        self._retry = retry
        self._token = token
        secure, options = channel.tls_of(tls), channel.options(channel.tls_of(tls))
        credentials = secure.credentials() if secure else None
        self._connections = channel.Connections(
            lambda: (
                grpc.secure_channel(address, credentials, options)
                if credentials
                else grpc.insecure_channel(address, options)
            ),
            watches_per_connection,
        )
        self._calls_in_flight = calls_in_flight
        self._turns = threading.BoundedSemaphore(calls_in_flight)
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._open: WeakSet[_Closable] = WeakSet()
        self._presences: list[Presence] = []

    def set(
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
        return self._run(calls.set_context(context_id, value, write, ttl, returning), timeout)

    def update(
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
        return self._run(call, timeout)

    def edit(
        self,
        context_id: str,
        change: Change,
        *,
        allow_missing: bool = False,
        reads: Reads = (),
        attempts: int | None = None,
        timeout: float | None = None,
    ) -> WriteResult:
        """Changes a document by a function of it, which changes its copy or answers another document.

        The write is guarded by the paths that the function changed, and those of `reads` ("document": all of it); where
        another write has touched them, the function is called again, on the new document. ABORTED where `attempts`
        (those of the client's policy) or the time are over; what the function raises ends the edit.
        allow_missing: start from {} where the context is missing.
        """
        editing = Editing(self._retry, allow_missing, reads, attempts, self._timeout if timeout is None else timeout)
        return edit(self, editing, context_id, change, self._closed.wait)

    @overload
    def get(
        self, context_id: str, *, include_expiries: Literal[True], timeout: float | None = None
    ) -> ExpiringContext: ...

    @overload
    def get(self, context_id: str, *, include_expiries: bool = False, timeout: float | None = None) -> Context: ...

    def get(self, context_id: str, *, include_expiries: bool = False, timeout: float | None = None) -> Context:
        """The answer contains every write acknowledged before this call. include_expiries: and what expires when."""
        if include_expiries:
            return self._run(calls.get_expiring(context_id), timeout)
        return self._run(calls.get_context(context_id), timeout)

    def delete(
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
        return self._run(calls.delete_context(context_id, allow_missing, write), timeout)

    def touch(
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
        return self._run(calls.touch_context(context_id, ttl, paths), timeout)

    def presence(
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
        presence = Presence(self, context_id, path, value, ttl, on_error)
        self.closes_first(presence)
        return presence

    @overload
    def list(
        self, prefix: str = "", *, include_values: Literal[True], timeout: float | None = None
    ) -> Iterator[Context]: ...

    @overload
    def list(
        self, prefix: str = "", *, include_values: bool = False, timeout: float | None = None
    ) -> Iterator[ContextInfo]: ...

    def list(
        self, prefix: str = "", *, include_values: bool = False, timeout: float | None = None
    ) -> Iterator[ContextInfo]:
        """All contexts whose ids begin with the prefix, in the order of their ids, read page after page."""
        yield from (
            context
            for page in self._pages(lambda token: calls.list_contexts(prefix, include_values, token), timeout)
            for context in page
        )

    def sync(
        self, context_id: str, known: Position | None = None, *, timeout: float | None = None
    ) -> Full | Delta | NoChange:
        """What a copy at `known` lacks; without `known`, the document."""
        return self._run(calls.sync_context(context_id, known), timeout)

    def wait(
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
            connection = self._connections.take()
            try:
                metadata = channel.metadata(self._token)
                method = connection.method(call.method)
                return call.read(method(call.request, timeout=patience.timeout(), metadata=metadata))
            except (grpc.RpcError, ChordError) as error:
                if not self._closed.is_set():
                    self._pause(self._closed, patience.wait(from_rpc_error(error)))
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
    ) -> Iterator[DeltaPage]:
        """The retained history after a version, oldest first, page after page."""
        return self._pages(
            lambda token: calls.list_deltas(context_id, from_version, include_old_values, token), timeout
        )

    def blame(self, context_id: str, *paths: PathLike, timeout: float | None = None) -> Iterator[BlamePage]:
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
        watch = Watch(Course(self._retry, targets, options, callable(self._token)), self._open_watch, self._pause)
        self.closes(watch)
        return watch

    def close(self) -> None:
        """Ends all presences, watches and replicas, then the connection."""
        with self._lock:
            presences, self._presences = self._presences, []
        for presence in presences:
            presence.close()
        with self._lock:
            self._closed.set()
            opened = tuple(self._open)
        for each in opened:
            each.close()
        for connection in self._connections.all:
            connection.channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def closes(self, opened: _Closable) -> None:
        """Whatever is still alive of these when the client is closed is closed with it."""
        with self._lock:
            if self._closed.is_set():
                raise closed()
            self._open.add(opened)

    def closes_first(self, presence: Presence) -> None:
        with self._lock:
            self._presences.append(presence)

    def _open_watch(self, request: Any) -> Callable[[], channel.Stream]:
        metadata = channel.metadata(self._token)

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

    def _run(self, call: calls.Call[T], timeout: float | None) -> T:
        attempts = Attempts(self._retry, self._timeout if timeout is None else timeout)
        method = self._connections.first.method(call.method)
        while not self._closed.is_set():
            try:
                with self._turn(attempts):
                    metadata = channel.metadata(self._token)
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
