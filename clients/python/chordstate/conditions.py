"""What a write rests on, and what a wait waits for: the words, and how the server tells what does not hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from ._gen.chord.v1 import errors_pb2 as errors
from ._gen.chord.v1 import model_pb2 as pb
from .model import FULL_REASONS, Path, PathLike
from .position import Absence, Position
from .values import Json, read_value


@dataclass(frozen=True, slots=True)
class Check:
    """What a document must hold at a path: one of those below."""

    path: PathLike


@dataclass(frozen=True, slots=True)
class Equals(Check):
    """The value is equal to this one."""

    value: Json


@dataclass(frozen=True, slots=True)
class Exists(Check):
    """The path has a value, None included."""


@dataclass(frozen=True, slots=True)
class Missing(Check):
    """The path has no value."""


@dataclass(frozen=True, slots=True)
class AtLeast(Check):
    """The value is a number, and at least this one."""

    number: float


@dataclass(frozen=True, slots=True)
class AtMost(Check):
    """The value is a number, and at most this one."""

    number: float


@dataclass(frozen=True, slots=True)
class Unchanged:
    """No version after `since` touched one of the paths, one above or one below it.

    Without paths: what splices of the same write name, alone. At most 1000.
    """

    since: Position
    paths: Iterable[PathLike] = ()


#: Where a context must stand: exactly here, at this version whatever its epoch (weaker), or ABSENT; or what of it must
#: be as it was.
Expected: TypeAlias = "Position | int | Absence | Unchanged"


@dataclass(frozen=True, slots=True)
class UnmetCondition:
    """Neither `touched_at` nor `check`: a kind of condition that this client does not know."""

    path: Path
    #: The last version that touched the path, one above or one below it.
    touched_at: int | None = None
    #: What the document does not hold.
    check: Check | None = None


@dataclass(frozen=True, slots=True)
class UnmetConditions:
    """Why a write was refused. Where the context stands is `current` of the error."""

    #: At most 100.
    conditions: tuple[UnmetCondition, ...]
    #: Why `since` cannot be compared with where the context stands: `EPOCH_CHANGED`, `AHEAD`, `DIVERGED` or
    #: `HISTORY_TRUNCATED`.
    since_reason: str | None = None


def read_unmet(message: errors.UnmetConditions) -> UnmetConditions:
    reason = message.since_reason
    return UnmetConditions(
        tuple(map(_read_condition, message.conditions)), FULL_REASONS.get(reason, "UNKNOWN") if reason else None
    )


def _read_condition(message: errors.UnmetCondition) -> UnmetCondition:
    path = tuple(message.path.keys)
    cause = message.WhichOneof("cause")
    if cause == "touched_at":
        return UnmetCondition(path, message.touched_at)
    return UnmetCondition(path, check=_read_check(message.check) if cause else None)


def _read_check(message: pb.Check) -> Check | None:
    path = tuple(message.path.keys)
    test = message.WhichOneof("test")
    if test == "equals":
        return Equals(path, read_value(message.equals))
    if test == "exists":
        return Exists(path) if message.exists else Missing(path)
    if test == "at_least":
        return AtLeast(path, message.at_least)
    return AtMost(path, message.at_most) if test else None
