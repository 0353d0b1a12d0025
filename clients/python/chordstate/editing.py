"""What an edit decides: what to write, what the write rests on, and when to begin again. Pure: it knows no network.

The write is guarded by the paths that the function changed and those that the caller names, not by the whole document:
writes of others elsewhere in the document are no conflict, however many there are.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Mapping
from math import copysign
from typing import Literal, TypeAlias

import grpc

from .conditions import Expected, Unchanged
from .errors import ChordError, unsendable
from .model import Context, Path, PathLike, WriteResult
from .position import ABSENT
from .requests import Mutation, Remove, Set
from .retry import RetryPolicy, backoff
from .values import Json, JsonObject, check_struct, members_of

#: What an edit rests on beside the paths that it changes: other paths, or all of the document.
Reads: TypeAlias = 'Iterable[PathLike] | Literal["document"]'


class Editing:
    """The course of one edit."""

    def __init__(
        self,
        policy: RetryPolicy,
        allow_missing: bool,
        reads: Reads,
        attempts: int | None,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if isinstance(reads, str) and reads != "document":
            raise unsendable("reads", f'expected paths or "document", got {reads!r}')
        self._policy = policy
        self._allow_missing = allow_missing
        self._reads: Reads = reads if isinstance(reads, str) else tuple(reads)
        self._attempts = policy.attempts if attempts is None else attempts
        self._clock = clock
        self._end = clock() + timeout
        self._failures = 0
        self._refusal: ChordError | None = None
        self._before: Context | None = None
        self._copy: JsonObject = {}
        self._after: Mapping[str, Json] = {}

    def left(self) -> float:
        """Seconds, for all calls to come. Raises ChordError where there are none."""
        left = self._end - self._clock()
        if left <= 0:
            code = grpc.StatusCode.DEADLINE_EXCEEDED
            raise self._cause(ChordError("DEADLINE_EXCEEDED", "the time of the edit is over", code))
        return left

    @property
    def missing(self) -> bool:
        return self._before is None

    def read(self, context: Context) -> JsonObject:
        """What to call the function with."""
        self._before = context
        self._copy = copy.deepcopy(context.value)
        return self._copy

    def unread(self, error: ChordError) -> JsonObject:
        """The same where reading has failed. Raises the error unless the context may be missing."""
        if not self._allow_missing or error.reason != "NOT_FOUND":
            raise self._cause(error)
        self._before, self._copy = None, {}
        return self._copy

    def changed(self, answer: object) -> tuple[list[Mutation], Expected] | WriteResult:
        """What to write, and the guard; or, where nothing changed, the result. `answer` is the function's."""
        after = self._copy if answer is None else answer
        after = members_of(after)
        if not isinstance(after, Mapping):
            raise unsendable("value", f"{type(after).__name__} is neither a Mapping nor a dataclass")
        self._after = after
        before = self._before
        mutations = list(diff(before.value if before else {}, after))
        if before is None:
            return mutations, ABSENT
        if not mutations:
            return WriteResult(before.position, False, None, None)
        if isinstance(self._reads, str):
            return mutations, before.position
        return mutations, Unchanged(before.position, (*(each.path for each in mutations), *self._reads))

    def refused(self, error: ChordError) -> float:
        """How long to wait before the edit begins again. Raises final errors of the write."""
        if error.reason == "INVALID_ARGUMENT":
            check_struct(self._after)  # by its place in the document
        self._failures += 1
        # A deadline leaves open whether the write has happened: an earlier conflict must not stand for it.
        if error.reason != "ABORTED" or self._failures >= self._attempts:
            raise error
        self._refusal = error
        return max(0.0, min(backoff(self._policy, self._failures - 1), (self._end - self._clock()) / 2))

    def _cause(self, error: ChordError) -> ChordError:
        """Where the deadline comes before a write is sent: the last conflict, since nothing is written."""
        late = error.code is grpc.StatusCode.DEADLINE_EXCEEDED
        return self._refusal if late and self._refusal else error


def diff(before: Mapping[str, Json], after: Mapping[str, Json], path: Path = ()) -> Iterable[Mutation]:
    """Sets and removes at the deepest paths at which both have dicts; lists and strings are set as a whole."""
    for key in before:
        if key not in after:
            yield Remove((*path, key))
    for key, value in after.items():
        at, value = (*path, key), members_of(value)
        if key not in before:
            yield Set(at, value)
        elif isinstance(before[key], Mapping) and isinstance(value, Mapping):
            yield from diff(before[key], value, at)
        elif not _equal(before[key], value):
            yield Set(at, value)


def _equal(a: Json, b: Json) -> bool:
    """As JSON has it: True is not 1, 0 is not -0, but 1 is 1.0."""
    b = members_of(b)
    if isinstance(a, (list, tuple)):
        return isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, Mapping):
        return isinstance(b, Mapping) and a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, bool) or isinstance(b, bool) or a is None or b is None:
        return a is b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b and copysign(1, a) == copysign(1, b)
    return type(a) is type(b) and bool(a == b)
