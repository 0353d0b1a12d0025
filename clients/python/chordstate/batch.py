"""Several writes as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ._gen.chord.v1 import context_service_pb2 as contexts
from .calls import (
    Call,
    Write,
    delete_context,
    named,
    revert_context,
    set_context,
    touch_context,
    update_context,
)
from .conditions import Check, Expected
from .errors import ChordError, unsendable
from .model import BatchResult, PathLike, read_context, read_delta_in, read_info
from .position import read_position
from .requests import Mutation, Returning, Seconds
from .values import Document


class Batch:
    """1 to 100 writes, each of another context, for `Client.batch`: `Batch().set("a", {}).delete("b")`.

    Its methods are those of the client, with the same arguments but `request_id` and `timeout`, which belong to the
    batch. Raises ChordError for what cannot be sent; the field names the write: `writes[2].set.value`.

    On Redis all contexts must lie in one partition: ids with the same part in braces do, as `{room:1}:members` and
    `{room:1}:topic`.
    """

    def __init__(self) -> None:
        self._writes: list[contexts.Write] = []

    def set(
        self,
        context_id: str,
        value: Document,
        *,
        expected: Expected | None = None,
        checks: Iterable[Check] = (),
        annotations: Mapping[str, str] | None = None,
        ttl: Seconds | None = None,
        returning: Returning = Returning(),
    ) -> Batch:
        """Creates a context, or replaces its document."""
        with self._write("set") as kind:
            write = Write(expected, checks, None, annotations, in_batch=True)
            kind["set"] = set_context(context_id, value, write, ttl, returning).request
        return self

    def update(
        self,
        context_id: str,
        changes: Document | None = None,
        mutations: Iterable[Mutation] = (),
        *,
        allow_missing: bool = False,
        expected: Expected | None = None,
        checks: Iterable[Check] = (),
        annotations: Mapping[str, str] | None = None,
        ttl: Seconds | None = None,
        returning: Returning = Returning(),
    ) -> Batch:
        """Changes parts of a document."""
        with self._write("update") as kind:
            write = Write(expected, checks, None, annotations, in_batch=True)
            call = update_context(context_id, changes, mutations, allow_missing, write, ttl, returning)
            kind["update"] = call.request
        return self

    def revert(
        self,
        context_id: str,
        version: int,
        *,
        expected: Expected | None = None,
        checks: Iterable[Check] = (),
        annotations: Mapping[str, str] | None = None,
        ttl: Seconds | None = None,
        returning: Returning = Returning(),
    ) -> Batch:
        """Writes the document of an earlier version again."""
        with self._write("revert") as kind:
            write = Write(expected, checks, None, annotations, in_batch=True)
            kind["revert"] = revert_context(context_id, version, write, ttl, returning).request
        return self

    def delete(
        self,
        context_id: str,
        *,
        allow_missing: bool = False,
        expected: Expected | None = None,
        checks: Iterable[Check] = (),
        annotations: Mapping[str, str] | None = None,
    ) -> Batch:
        """Removes a context with its deltas."""
        with self._write("delete") as kind:
            write = Write(expected, checks, None, annotations, in_batch=True)
            kind["delete"] = delete_context(context_id, allow_missing, write).request
        return self

    def touch(self, context_id: str, ttl: Seconds | None = None, *, paths: Iterable[PathLike] = ()) -> Batch:
        """Renews the time to live, or sets another one; 0: until it is deleted."""
        with self._write("touch") as kind:
            kind["touch"] = touch_context(context_id, ttl, paths).request
        return self

    def __len__(self) -> int:
        return len(self._writes)

    def call(self, request_id: str | None) -> Call[list[BatchResult]]:
        """Of the batch as it is now. Without a request id it has a random one."""
        writes = tuple(self._writes)

        def read(answer: contexts.BatchWriteResponse) -> list[BatchResult]:
            return [_result(write, result) for write, result in zip(writes, answer.results, strict=True)]

        name = named(request_id)
        return Call("BatchWrite", contexts.BatchWriteRequest(writes=writes, request_id=name), read)

    @contextmanager
    def _write(self, kind: str) -> Iterator[dict[str, Any]]:
        """Adds the request that it gets, or names the write whose fault was found."""
        made: dict[str, Any] = {}
        try:
            yield made
        except ChordError as error:
            if not error.violations:
                raise
            fault = error.violations[0]
            raise unsendable(f"writes[{len(self)}].{kind}.{fault.field}", fault.description) from error
        self._writes.append(contexts.Write(**made))


def _result(write: contexts.Write, result: contexts.WriteResult) -> BatchResult:
    read = read_info if write.WhichOneof("write") == "touch" else read_context
    return BatchResult(
        read_position(result.position) if result.HasField("position") else None,
        result.changed,
        read(result.context) if result.HasField("context") else None,
        read_delta_in(result),
    )
