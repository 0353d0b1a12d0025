"""The calls: which message asks, and what is made of the answer. Both clients send them, each in its own way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import uuid4

from ._gen.chord.v1 import context_service_pb2 as contexts
from ._gen.chord.v1 import sync_service_pb2 as syncs
from .conditions import Check, Expected
from .errors import sendable, text
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
    TypedContext,
    Waited,
    WriteResult,
    read_context,
    read_delta,
    read_delta_in,
    read_expiring,
    read_full,
    read_info,
    read_typed,
)
from .position import Position, read_position, write_position
from .requests import (
    Mutation,
    Returning,
    Seconds,
    write_checks,
    write_duration,
    write_expected,
    write_mutations,
    write_paths,
    write_returning,
    write_time,
)
from .values import Document, write_struct

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    #: The name of a method, of either service; or what finds a method of another one on a channel.
    method: str | Callable[[Any], Callable[..., Any]]
    request: Any
    read: Callable[[Any], T]


@dataclass(frozen=True, slots=True)
class Write:
    """What all writes have in common. Without a request id they get a random one, so that trying again is safe."""

    expected: Expected | None = None
    checks: Iterable[Check] = ()
    request_id: str | None = None
    annotations: Mapping[str, str] | None = None
    #: Then the request id is that of the batch.
    in_batch: bool = False

    def fields(self) -> dict[str, Any]:
        return {
            "expected": write_expected(self.expected, self.checks),
            "request_id": "" if self.in_batch else named(self.request_id),
            "annotations": {_note(key): _note(value) for key, value in (self.annotations or {}).items()},
        }


def named(request_id: str | None) -> str:
    """That of the caller; a random one where it is None or empty, so that the write can be tried again."""
    return text("request_id", request_id) if request_id else str(uuid4())


def _note(value: str) -> str:
    return text("annotations", value)


def set_context(
    context_id: str, value: Document, write: Write, ttl: Seconds | None, returning: Returning
) -> Call[WriteResult]:
    request = contexts.SetContextRequest(
        context_id=text("context_id", context_id),
        ttl=write_duration(ttl, "ttl"),
        returning=write_returning(returning),
        **write.fields(),
    )
    write_struct(request.value, value)
    return Call("SetContext", request, _read_write)


def update_context(
    context_id: str,
    changes: Document | None,
    mutations: Iterable[Mutation],
    allow_missing: bool,
    write: Write,
    ttl: Seconds | None,
    returning: Returning,
) -> Call[WriteResult]:
    request = contexts.UpdateContextRequest(
        context_id=text("context_id", context_id),
        allow_missing=allow_missing,
        ttl=write_duration(ttl, "ttl"),
        returning=write_returning(returning),
        **write.fields(),
    )
    if changes is not None:
        write_struct(request.changes, changes, "changes")
    write_mutations(request.mutations, mutations)
    return Call("UpdateContext", request, _read_write)


def revert_context(
    context_id: str, version: int, write: Write, ttl: Seconds | None, returning: Returning
) -> Call[WriteResult]:
    with sendable("version"):
        request = contexts.RevertContextRequest(
            context_id=text("context_id", context_id),
            version=version,
            ttl=write_duration(ttl, "ttl"),
            returning=write_returning(returning),
            **write.fields(),
        )
    return Call("RevertContext", request, _read_write)


def _read_write(
    answer: contexts.SetContextResponse | contexts.UpdateContextResponse | contexts.RevertContextResponse,
) -> WriteResult:
    return WriteResult(
        read_position(answer.position),
        answer.changed,
        read_context(answer.context) if answer.HasField("context") else None,
        read_delta_in(answer),
    )


def get_context(context_id: str, version: int | None, at: datetime | None) -> Call[Context]:
    def read(answer: contexts.GetContextResponse) -> Context:
        return read_context(answer.context)

    with sendable("version"):
        request = contexts.GetContextRequest(
            context_id=text("context_id", context_id), version=version or 0, at=write_time(at, "at")
        )
    return Call("GetContext", request, read)


def get_typed(context_id: str, as_: type[T], version: int | None, at: datetime | None) -> Call[TypedContext[T]]:
    def read(answer: contexts.GetContextResponse) -> TypedContext[T]:
        return read_typed(answer.context, as_)

    return Call("GetContext", get_context(context_id, version, at).request, read)


def get_expiring(context_id: str, version: int | None, at: datetime | None) -> Call[ExpiringContext]:
    request = get_context(context_id, version, at).request
    request.include_expiries = True
    return Call("GetContext", request, read_expiring)


def delete_context(context_id: str, allow_missing: bool, write: Write) -> Call[DeleteResult]:
    def read(answer: contexts.DeleteContextResponse) -> DeleteResult:
        return DeleteResult(read_position(answer.position) if answer.HasField("position") else None, answer.changed)

    context_id = text("context_id", context_id)
    request = contexts.DeleteContextRequest(context_id=context_id, allow_missing=allow_missing, **write.fields())
    return Call("DeleteContext", request, read)


def touch_context(context_id: str, ttl: Seconds | None, paths: Iterable[PathLike]) -> Call[ContextInfo]:
    def read(answer: contexts.TouchContextResponse) -> ContextInfo:
        return read_info(answer.context)

    request = contexts.TouchContextRequest(
        context_id=text("context_id", context_id), ttl=write_duration(ttl, "ttl"), paths=write_paths(paths, "paths")
    )
    return Call("TouchContext", request, read)


def list_contexts(
    prefix: str, include_values: bool, page_size: int, page_token: str
) -> Call[tuple[tuple[Any, ...], str]]:
    """Answers a page, of Context or ContextInfo, and the token of the next one; empty: this was the last."""

    def read(answer: contexts.ListContextsResponse) -> tuple[tuple[Any, ...], str]:
        return tuple(map(read_context if include_values else read_info, answer.contexts)), answer.next_page_token

    prefix = text("prefix", prefix)
    with sendable("page_size"):
        request = contexts.ListContextsRequest(
            prefix=prefix, include_values=include_values, page_size=page_size, page_token=page_token
        )
    return Call("ListContexts", request, read)


@dataclass(frozen=True, slots=True)
class Reading:
    """How a document or its changes are wanted."""

    include_old_values: bool
    format: str
    paths: Iterable[PathLike]

    def fields(self) -> dict[str, Any]:
        return {
            "include_old_values": self.include_old_values,
            "format": text("format", self.format),
            "paths": write_paths(self.paths, "paths"),
        }


def sync_context(context_id: str, known: Position | None, reading: Reading) -> Call[Full | Delta | NoChange]:
    context_id = text("context_id", context_id)
    known_position = write_position(known) if known else None
    request = syncs.SyncContextRequest(context_id=context_id, known=known_position, **reading.fields())
    return Call("SyncContext", request, _read_sync)


def wait_context(context_id: str, checks: Iterable[Check], known: Position | None, reading: Reading) -> Call[Waited]:
    def read(answer: syncs.WaitContextResponse) -> Waited:
        return Waited(_read_sync(answer), answer.held_at)

    context_id = text("context_id", context_id)
    known_position = write_position(known) if known else None
    request = syncs.WaitContextRequest(context_id=context_id, known=known_position, **reading.fields())
    write_checks(request.until, checks, "until")
    return Call("WaitContext", request, read)


def _read_sync(answer: syncs.SyncContextResponse | syncs.WaitContextResponse) -> Full | Delta | NoChange:
    result = answer.WhichOneof("result")
    if result == "full":
        return read_full(answer.full)
    return read_delta(answer.delta) if result == "delta" else NoChange(read_position(answer.no_change.position))


def list_deltas(
    context_id: str, from_version: int, include_old_values: bool, format: str, page_size: int, page_token: str
) -> Call[tuple[DeltaPage, str]]:
    """Answers a page and the token of the next one; empty: this was the last."""

    def read(answer: syncs.ListDeltasResponse) -> tuple[DeltaPage, str]:
        deltas = tuple(map(read_delta, answer.deltas))
        return DeltaPage(deltas, read_position(answer.head), answer.truncated), answer.next_page_token

    with sendable("from_version"):
        request = syncs.ListDeltasRequest(
            context_id=text("context_id", context_id),
            from_version=from_version,
            include_old_values=include_old_values,
            format=text("format", format),
            page_size=page_size,
            page_token=page_token,
        )
    return Call("ListDeltas", request, read)
