"""What a caller asks for, as messages: mutations, conditions, durations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite
from typing import TypeAlias

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from ._gen.chord.v1 import model_pb2 as pb
from .conditions import AtLeast, AtMost, Check, Equals, Exists, Expected, Missing, Unchanged
from .errors import sendable, text, unsendable
from .model import PathLike
from .position import Position, write_position
from .values import Json, write_value

#: Seconds, or a timedelta.
Seconds: TypeAlias = "float | timedelta"


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change to ask for, at a path: one of those below. Missing objects on the way are created."""

    path: PathLike


@dataclass(frozen=True, slots=True)
class Set(Mutation):
    """Store this value, None included, in place of whatever is there.

    ttl: the member removes itself when this time has passed, unless it is set or touched again; 1 s to 365 days.
    """

    value: Json
    ttl: Seconds | None = None


@dataclass(frozen=True, slots=True)
class Remove(Mutation):
    """Remove the member; nothing happens where it is missing."""


@dataclass(frozen=True, slots=True)
class Increment(Mutation):
    """Add to a number; a missing member counts as 0."""

    by: float = 1


@dataclass(frozen=True, slots=True)
class Append(Mutation):
    """Add elements at the end of a list; a missing member counts as the empty list."""

    values: Sequence[Json]


@dataclass(frozen=True, slots=True)
class Splice(Mutation):
    """Remove `remove_count` elements at `index` of a list, then insert `insert` there."""

    index: int
    remove_count: int = 0
    insert: Sequence[Json] = ()


@dataclass(frozen=True, slots=True)
class AppendText(Mutation):
    """Add text at the end of a string; a missing member counts as the empty string."""

    text: str


@dataclass(frozen=True, slots=True)
class SpliceText(Mutation):
    """Remove `remove_count` code points at `index` of a string, then insert `insert` there."""

    index: int
    remove_count: int = 0
    insert: str = ""


@dataclass(frozen=True, slots=True)
class Returning:
    """What a write answers beside the new position."""

    context: bool = False
    delta: bool = False
    #: With the delta: its old values too.
    old_values: bool = False
    #: Of the delta: as `format` of `Client.sync`.
    format: str = ""


def write_mutations(messages: Iterable[pb.Mutation], mutations: Iterable[Mutation]) -> None:
    add = messages.add  # type: ignore[attr-defined]
    for i, mutation in enumerate(mutations):
        with sendable(f"mutations[{i}]"):
            _write_mutation(add(), mutation, f"mutations[{i}]")


def _write_mutation(message: pb.Mutation, mutation: Mutation, field: str) -> None:
    message.path.extend(keys_of(mutation.path, f"{field}.path"))
    if isinstance(mutation, Set):
        write_value(message.set, mutation.value, f"{field}.set")
        if (ttl := write_duration(mutation.ttl, f"{field}.ttl")) is not None:
            message.ttl.CopyFrom(ttl)
    elif isinstance(mutation, Remove):
        message.remove = True
    elif isinstance(mutation, Increment):
        if not isfinite(mutation.by):
            raise unsendable(f"{field}.increment", f"{mutation.by} is not a number of JSON")
        message.increment = mutation.by
    elif isinstance(mutation, Append):
        message.append.SetInParent()
        for i, value in enumerate(mutation.values):
            write_value(message.append.values.add(), value, f"{field}.append[{i}]")
    elif isinstance(mutation, Splice):
        splice = message.splice
        splice.SetInParent()
        splice.index, splice.remove_count = mutation.index, mutation.remove_count
        for i, value in enumerate(mutation.insert):
            write_value(splice.insert.add(), value, f"{field}.splice.insert[{i}]")
    elif isinstance(mutation, AppendText):
        message.append_text = text(f"{field}.append_text", mutation.text)
    elif isinstance(mutation, SpliceText):
        edit = message.splice_text
        edit.SetInParent()
        edit.index, edit.remove_count = mutation.index, mutation.remove_count
        edit.insert = text(f"{field}.splice_text.insert", mutation.insert)
    else:
        raise TypeError(f"{type(mutation).__name__} is no mutation")


def keys_of(path: PathLike, field: str) -> list[str]:
    keys = [path] if isinstance(path, str) else path
    return [text(f"{field}[{i}]", key) for i, key in enumerate(keys)]


def write_paths(paths: Iterable[PathLike], field: str) -> list[pb.Path]:
    if isinstance(paths, str):
        raise unsendable(field, "must be a list of paths, and not a str")
    return [pb.Path(keys=keys_of(path, f"{field}[{i}].keys")) for i, path in enumerate(paths)]


def write_expected(expected: Expected | None, checks: Iterable[Check]) -> pb.Expected | None:
    message = pb.Expected()
    write_checks(message.checks, checks, "expected.checks")
    with sendable("expected"):
        if isinstance(expected, Position):
            message.position.CopyFrom(write_position(expected))
        elif isinstance(expected, Unchanged):
            message.unchanged.since.CopyFrom(write_position(expected.since))
            for i, path in enumerate(expected.paths):
                message.unchanged.paths.add(keys=keys_of(path, f"expected.unchanged.paths[{i}].keys"))
        elif isinstance(expected, int):
            message.version = expected
        elif expected is not None:
            message.absent = True
    return message if message.ByteSize() else None


def write_checks(messages: Iterable[pb.Check], checks: Iterable[Check], field: str) -> None:
    add = messages.add  # type: ignore[attr-defined]
    for i, check in enumerate(checks):
        with sendable(f"{field}[{i}]"):
            _write_check(add(), check, f"{field}[{i}]")


def _write_check(message: pb.Check, check: Check, field: str) -> None:
    message.path.keys.extend(keys_of(check.path, f"{field}.path.keys"))
    if isinstance(check, Equals):
        write_value(message.equals, check.value, f"{field}.equals")
    elif isinstance(check, (Exists, Missing)):
        message.exists = isinstance(check, Exists)
    elif isinstance(check, (AtLeast, AtMost)):
        name = "at_least" if isinstance(check, AtLeast) else "at_most"
        if not isfinite(check.number):
            raise unsendable(f"{field}.{name}", f"{check.number} is not a number of JSON")
        setattr(message, name, check.number)
    else:
        raise TypeError(f"{type(check).__name__} is no check")


def write_returning(returning: Returning) -> pb.ReturnOptions:
    return pb.ReturnOptions(
        context=returning.context,
        delta=returning.delta,
        old_values=returning.old_values,
        format=text("returning.format", returning.format),
    )


def write_duration(duration: Seconds | None, field: str) -> Duration | None:
    if duration is None:
        return None
    with sendable(field):
        message = Duration()
        message.FromNanoseconds(round(seconds(duration) * 1e9))
        return message


def write_time(time: datetime | None, field: str) -> Timestamp | None:
    if time is None:
        return None
    with sendable(field):
        message = Timestamp()
        message.FromDatetime(time)
        return message


def seconds(duration: Seconds) -> float:
    return duration.total_seconds() if isinstance(duration, timedelta) else duration
