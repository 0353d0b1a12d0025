"""The client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Literal, TypeVar, overload

import grpc.aio

from .. import calls, channel
from ..batch import Batch
from ..blame import BlamePage, blame_context
from ..conditions import Check, Expected
from ..course import Course, OnDisconnect, WatchOptions
from ..editing import Editing, Reads
from ..errors import ChordError, closed
from ..health import HealthStatus, check
from ..hooks import headers_of_calls
from ..model import (
    BatchResult,
    Context,
    ContextInfo,
    DeleteResult,
    Delta,
    DeltaPage,
    ExpiringContext,
    Full,
    NoChange,
    PathLike,
    TypedContext,
    Waited,
    WriteResult,
)
from ..position import Position
from ..presence import OnPresenceError
from ..requests import Mutation, Returning, Seconds
from ..retry import Patience
from ..status import from_rpc_error
from ..tracker import Target
from ..until import Held
from ..values import Document, Json
from .connected import Connected
from .edit import Change, edit
from .presence import Presence
from .until import Predicate, until
from .watch import Watch

T = TypeVar("T")


class Client(Connected):
    """A client of the server at HOST:PORT, for any number of tasks of one loop: that in which it connects,
    at the first call. The arguments are those of `chordstate.Client`; token may be async, and interceptors are those of
    `grpc.aio`. All calls raise ChordError.
    """

    async def set(
        self,
        context_id: str,
        value: Document,
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
        changes: Document | None = None,
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
        annotations: Mapping[str, str] | None = None,
        ttl: Seconds | None = None,
        returning: Returning = Returning(),
        timeout: float | None = None,
    ) -> WriteResult:
        """Changes a document by a function of it, which changes its copy or answers another document, and may be async.

        The write is guarded by the paths that the function changed, and those of `reads` ("document": all of it); where
        another write has touched them, the function is called again, on the new document. What the function raises ends
        the edit. ABORTED after the last of `attempts` (those of the client's policy), or where the deadline comes after
        a conflict, and before the next write. DEADLINE_EXCEEDED during a write: it may have happened.
        allow_missing: start from {} where the context is missing. The others are those of `set`.
        """
        update = partial(self.update, context_id, annotations=annotations, ttl=ttl, returning=returning)
        editing = Editing(self._retry, allow_missing, reads, attempts, self._timeout if timeout is None else timeout)
        return await edit(self, editing, context_id, change, update, self._pause)

    @overload
    async def get(
        self,
        context_id: str,
        *,
        as_: type[T],
        version: int | None = None,
        at: datetime | None = None,
        timeout: float | None = None,
    ) -> TypedContext[T]: ...

    @overload
    async def get(
        self,
        context_id: str,
        *,
        version: int | None = None,
        at: datetime | None = None,
        include_expiries: Literal[True],
        timeout: float | None = None,
    ) -> ExpiringContext: ...

    @overload
    async def get(
        self,
        context_id: str,
        *,
        version: int | None = None,
        at: datetime | None = None,
        include_expiries: bool = False,
        timeout: float | None = None,
    ) -> Context: ...

    async def get(
        self,
        context_id: str,
        *,
        version: int | None = None,
        at: datetime | None = None,
        include_expiries: bool = False,
        as_: type[Any] | None = None,
        timeout: float | None = None,
    ) -> Context | TypedContext[Any]:
        """The answer contains every write acknowledged before this call.

        version, at: the document of this version, or of this time (UTC where it has no time zone), as far as the
        history is retained. include_expiries: and what expires when. as_: the type of the
        document, a dataclass or a TypedDict; INVALID_ARGUMENT where it does not fit, with the path inside the document.
        """
        if as_ is not None:
            return await self._run(calls.get_typed(context_id, as_, version, at), timeout)
        if include_expiries:
            return await self._run(calls.get_expiring(context_id, version, at), timeout)
        return await self._run(calls.get_context(context_id, version, at), timeout)

    async def revert(
        self,
        context_id: str,
        version: int,
        *,
        expected: Expected | None = None,
        checks: Iterable[Check] = (),
        request_id: str | None = None,
        annotations: Mapping[str, str] | None = None,
        ttl: Seconds | None = None,
        returning: Returning = Returning(),
        timeout: float | None = None,
    ) -> WriteResult:
        """Writes the document of an earlier version: a new version, which undoes all changes since.

        NOT_FOUND above the present version, FAILED_PRECONDITION where the history of that version is no longer
        retained. The other arguments are those of `set`.
        """
        write = calls.Write(expected, checks, request_id, annotations)
        return await self._run(calls.revert_context(context_id, version, write, ttl, returning), timeout)

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
        presence = await Presence(self, context_id, path, value, ttl, on_error)._open()
        await self._closes_first(presence)
        return presence

    async def batch(
        self, batch: Batch, *, request_id: str | None = None, timeout: float | None = None
    ) -> list[BatchResult]:
        """All of these writes or none, which watches deliver together. Answers in their order.

        Where one write is refused, so is the batch; the violations of the error name the write: `writes[2]`.
        """
        return await self._run(batch.call(request_id), timeout)

    @overload
    def list(
        self, prefix: str = "", *, include_values: Literal[True], page_size: int = 0, timeout: float | None = None
    ) -> AsyncIterator[Context]: ...

    @overload
    def list(
        self, prefix: str = "", *, include_values: bool = False, page_size: int = 0, timeout: float | None = None
    ) -> AsyncIterator[ContextInfo]: ...

    async def list(
        self, prefix: str = "", *, include_values: bool = False, page_size: int = 0, timeout: float | None = None
    ) -> AsyncIterator[ContextInfo]:
        """All contexts whose ids begin with the prefix, in the order of their ids, read page after page.

        page_size: contexts of a page, 1 to 1000; 0: 100.
        """
        async for page in self._pages(
            lambda token: calls.list_contexts(prefix, include_values, page_size, token), timeout
        ):
            for context in page:
                yield context

    async def sync(
        self,
        context_id: str,
        known: Position | None = None,
        *,
        include_old_values: bool = False,
        format: str = "",
        paths: Iterable[PathLike] = (),
        timeout: float | None = None,
    ) -> Full | Delta | NoChange:
        """What a copy at `known` lacks; without `known`, the document.

        format: of deltas: "flat", "json_patch", "merge_patch" or one of the server's own, in `Delta.formatted`;
            `Delta.changes` is empty then.
        paths: only these parts of the document; with `known`, those that the copy was made with.
        """
        reading = calls.Reading(include_old_values, format, paths)
        return await self._run(calls.sync_context(context_id, known, reading), timeout)

    async def wait(
        self,
        context_id: str,
        checks: Iterable[Check],
        *,
        known: Position | None = None,
        include_old_values: bool = False,
        format: str = "",
        paths: Iterable[PathLike] = (),
        timeout: float | None = None,
    ) -> Waited:
        """Returns as soon as the document meets all checks, across broken connections and restarts of the server.

        A context that does not exist yet can be waited for. known: versions since this position count too, also where
        a later one does not meet the checks. timeout: None: without an end. The others are those of `sync`.
        """
        call = calls.wait_context(context_id, checks, known, calls.Reading(include_old_values, format, paths))
        patience = Patience(self._retry, timeout, callable(self._token))
        while not self._closed.is_set():
            connection = self._connected().take()
            try:
                metadata = await channel.metadata_aio(self._token, self._metadata, headers_of_calls())
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

    async def until(self, context_id: str, holds: Predicate, *, timeout: float | None = None) -> Held:
        """Returns as soon as a predicate of the document holds, which no checks say.

        It is called with the value (None where the context is missing) when the document has come, and after each
        change, and may be async. Answers the document and its position; None where the predicate held for a missing
        context.
        timeout: None: without an end.
        """
        return await until(self.watch(context_id), holds, timeout)

    async def health(self, service: str = "", *, timeout: float | None = None) -> HealthStatus:
        """Of the server, or of one of its services, as `chord.v1.ContextService`. NOT_FOUND: it has no such service."""
        return await self._run(check(service), timeout)

    def deltas(
        self,
        context_id: str,
        from_version: int = 0,
        *,
        include_old_values: bool = False,
        format: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> AsyncIterator[DeltaPage]:
        """The retained history after a version, oldest first, page after page.

        format: as of `sync`. page_size: deltas of a page, 1 to 1000; 0: 100.
        """
        return self._pages(
            lambda token: calls.list_deltas(context_id, from_version, include_old_values, format, page_size, token),
            timeout,
        )

    def blame(
        self, context_id: str, *paths: PathLike, page_size: int = 0, timeout: float | None = None
    ) -> AsyncIterator[BlamePage]:
        """Which version made each part of a document, and who wrote it, page after page.

        paths: only what lies at or below one of these; without them, the whole document. page_size: lines of a page, 1
        to 1000; 0: 100.
        """
        return self._pages(lambda token: blame_context(context_id, paths, page_size, token), timeout)

    def watch(
        self,
        *targets: Target,
        known: Mapping[str, Position] | None = None,
        include_old_values: bool = False,
        format: str = "",
        heartbeat_interval: Seconds | None = None,
        on_disconnect: OnDisconnect | None = None,
    ) -> Watch:
        """What happens to these contexts, without gaps or duplicates, across broken connections and restarts.

        known: where a copy stands already, by context id. format: as of `sync`. on_disconnect: is called with the error
        and the seconds until the next try.
        """
        if self._closed.is_set():
            raise closed()
        options = WatchOptions(known or {}, include_old_values, heartbeat_interval, on_disconnect, format)
        open_watch = partial(self._open_watch, headers_of_calls())
        watch = Watch(Course(self._retry, targets, options, callable(self._token)), open_watch, self._recovered)
        self._closes(watch)
        return watch
