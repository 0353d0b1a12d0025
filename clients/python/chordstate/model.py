"""The words of the client: contexts, deltas and what happens to them, as they come from the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Generic, TypeAlias, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from ._gen.chord.v1 import context_service_pb2 as contexts
from ._gen.chord.v1 import model_pb2 as pb
from .position import ABSENT, Absence, Position, read_position
from .typed import read_as
from .values import Json, JsonObject, read_struct, read_value

T = TypeVar("T")

#: Object keys from the root, never empty. Each is one key as it stands.
Path: TypeAlias = "tuple[str, ...]"

#: The same of a caller. A str alone is a path of this one key, whatever is in it.
PathLike: TypeAlias = "str | Sequence[str]"


@dataclass(frozen=True, slots=True)
class ContextInfo:
    """Where a context stands, without its document."""

    context_id: str
    position: Position
    created_at: datetime | None
    updated_at: datetime | None
    #: None: lives until it is deleted.
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Context(ContextInfo):
    """A named document and where it stands."""

    value: JsonObject


@dataclass(frozen=True, slots=True)
class TypedContext(ContextInfo, Generic[T]):
    """The same with the document as an object of the program's own type."""

    value: T


@dataclass(frozen=True, slots=True)
class MemberExpiry:
    """A member that removes itself."""

    path: Path
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ExpiringContext(Context):
    """A document with all of its members that expire, in the order of their paths."""

    expiries: tuple[MemberExpiry, ...]


@dataclass(frozen=True, slots=True)
class Added:
    """A member that was not there. A whole subtree is one change."""

    path: Path
    value: Json


@dataclass(frozen=True, slots=True)
class Modified:
    """A member has another value."""

    path: Path
    value: Json
    #: ABSENT unless old values were asked for.
    old: Json | Absence = ABSENT


@dataclass(frozen=True, slots=True)
class Removed:
    """A member is gone."""

    path: Path
    #: ABSENT unless old values were asked for.
    old: Json | Absence = ABSENT


@dataclass(frozen=True, slots=True)
class Spliced:
    """In a list, `removed_count` elements at `index` gave way to `inserted`."""

    path: Path
    index: int
    removed_count: int
    inserted: tuple[Json, ...]
    #: Empty unless old values were asked for.
    removed: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class TextSpliced:
    """In a string, `removed_count` code points at `index` gave way to `inserted`."""

    path: Path
    index: int
    removed_count: int
    inserted: str
    #: Empty unless old values were asked for.
    removed: str = ""


@dataclass(frozen=True, slots=True)
class UnknownChange:
    """Of a kind that this client does not know, or incomplete: it applies to no document."""

    path: Path


Change: TypeAlias = Added | Modified | Removed | Spliced | TextSpliced | UnknownChange


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who wrote a version."""

    #: The identity that authentication gave. Empty: none.
    author: str
    #: What the write gave.
    annotations: Mapping[str, str]
    #: The time to live of members ended: no client wrote it.
    expired: bool


@dataclass(frozen=True, slots=True)
class Delta:
    """The ordered changes that lead from one position to a later one."""

    context_id: str
    from_: Position
    to: Position
    #: Empty where a format was asked for: `apply(delta, ...)` refuses that, `apply(delta.changes, ...)` cannot.
    changes: tuple[Change, ...]
    updated_at: datetime | None
    #: Of a watch: the next event belongs to the same batch, and is there already.
    more: bool = False
    #: Where the version comes from. None: nothing is known, or it is of several versions.
    provenance: Provenance | None = None
    #: The changes in the format that was asked for, in place of `changes`.
    formatted: Json | Absence = ABSENT
    #: Why that format cannot express the changes: read the document. Empty: it can.
    inexpressible: str = ""


@dataclass(frozen=True, slots=True)
class Full(Context):
    """The whole document, and why it came: `INITIAL`, `EPOCH_CHANGED`, `HISTORY_TRUNCATED`, ..."""

    reason: str
    #: Of a watch: the next event belongs to the same batch, and is there already.
    more: bool = False


@dataclass(frozen=True, slots=True)
class NoChange:
    """The client is current."""

    position: Position


@dataclass(frozen=True, slots=True)
class Deleted:
    """The context is gone. Should it come back, it comes as Full."""

    context_id: str
    position: Position
    #: `DELETED`, `EXPIRED`; `UNKNOWN`: it went while the connection was away.
    reason: str
    #: Of a watch: the next event belongs to the same batch, and is there already.
    more: bool = False


@dataclass(frozen=True, slots=True)
class Absent:
    """The context was asked for by its id and does not exist. Its creation comes as Full."""

    context_id: str
    #: Of a watch: the next event belongs to the same batch, and is there already.
    more: bool = False


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Everything that existed when the stream was opened has come: once for each connection."""

    #: Never: no batch goes on beyond it.
    more: bool = False


#: What a watch yields.
Event: TypeAlias = Full | Delta | Deleted | Absent | CaughtUp


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What a write did; `context` and `delta` where `returning` asks for them."""

    position: Position
    #: False: the document was like this already.
    changed: bool
    context: Context | None
    delta: Delta | None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What one write of a batch did."""

    #: Of a delete: where the context stood last; None: it was missing.
    position: Position | None
    #: False: the write changed nothing.
    changed: bool
    #: Where `returning` asks for it; of a touch without the value, and not where the batch is a repeat.
    context: Context | ContextInfo | None
    delta: Delta | None


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """What a delete did."""

    #: Where the context stood last; None: it was missing.
    position: Position | None
    changed: bool


@dataclass(frozen=True, slots=True)
class Waited:
    """What a wait has waited for."""

    #: What a copy at `known` lacks of the version that met the checks; without `known`, the document.
    result: Full | Delta | NoChange
    #: The first version after `known` that met the checks.
    held_at: int


@dataclass(frozen=True, slots=True)
class DeltaPage:
    """A part of the retained history, oldest first."""

    deltas: tuple[Delta, ...]
    #: Where the context stands now.
    head: Position
    #: Deltas right after the version asked for are no longer kept: the list begins later.
    truncated: bool


def read_info(message: pb.Context) -> ContextInfo:
    return ContextInfo(*_info(message))


def read_context(message: pb.Context) -> Context:
    return Context(*_info(message), read_struct(message.value))


def read_typed(message: pb.Context, as_: type[T]) -> TypedContext[T]:
    return TypedContext(*_info(message), read_as(as_, read_struct(message.value)))


def read_delta_in(message: Any) -> Delta | None:
    return read_delta(message.delta) if message.HasField("delta") else None


def read_expiring(message: contexts.GetContextResponse) -> ExpiringContext:
    context = message.context
    expiries = tuple(MemberExpiry(tuple(each.path.keys), _utc(each.expires_at)) for each in message.expiries)
    return ExpiringContext(*_info(context), read_struct(context.value), expiries)


def read_full(message: pb.Full) -> Full:
    context = message.context
    return Full(*_info(context), read_struct(context.value), FULL_REASONS.get(message.reason, "UNSPECIFIED"))


def read_delta(message: pb.Delta) -> Delta:
    return Delta(
        message.context_id,
        read_position(getattr(message, "from")),
        read_position(message.to),
        tuple(map(_read_change, message.changes)),
        read_time(message, "updated_at"),
        provenance=read_provenance(message.provenance) if message.HasField("provenance") else None,
        formatted=read_value(message.formatted) if message.HasField("formatted") else ABSENT,
        inexpressible=message.inexpressible,
    )


def read_provenance(message: pb.Provenance) -> Provenance:
    return Provenance(message.author, dict(message.annotations), message.cause == pb.CAUSE_EXPIRED)


def names_of(enum: Any, prefix: str) -> dict[int, str]:
    return {number: name.removeprefix(prefix) for name, number in enum.items()}


FULL_REASONS = names_of(pb.FullReason, "FULL_REASON_")


def _read_change(message: pb.Change) -> Change:
    path = tuple(message.path)
    read = _CHANGES.get(message.action)
    return (read and read(path, message)) or UnknownChange(path)


def _added(path: Path, message: pb.Change) -> Change | None:
    return Added(path, read_value(message.value)) if message.HasField("value") else None


def _modified(path: Path, message: pb.Change) -> Change | None:
    return Modified(path, read_value(message.value), _old(message)) if message.HasField("value") else None


def _removed(path: Path, message: pb.Change) -> Change | None:
    return Removed(path, _old(message))


def _spliced(path: Path, message: pb.Change) -> Change | None:
    if message.HasField("text_splice"):
        text = message.text_splice
        return TextSpliced(path, text.index, text.removed_count, text.inserted, text.removed)
    if not message.HasField("splice"):
        return None
    splice = message.splice
    inserted, removed = tuple(map(read_value, splice.inserted)), tuple(map(read_value, splice.removed))
    return Spliced(path, splice.index, splice.removed_count, inserted, removed)


_CHANGES: dict[int, Callable[[Path, pb.Change], Change | None]] = {
    pb.CHANGE_ACTION_ADDED: _added,
    pb.CHANGE_ACTION_MODIFIED: _modified,
    pb.CHANGE_ACTION_REMOVED: _removed,
    pb.CHANGE_ACTION_SPLICED: _spliced,
}


def _old(message: pb.Change) -> Json | Absence:
    return read_value(message.old_value) if message.HasField("old_value") else ABSENT


def _info(
    message: pb.Context,
) -> tuple[str, Position, datetime | None, datetime | None, datetime | None]:
    times = (read_time(message, "created_at"), read_time(message, "updated_at"), read_time(message, "expires_at"))
    return (message.context_id, read_position(message.position), *times)


def read_time(message: Any, field: str) -> datetime | None:
    if not message.HasField(field):
        return None
    return _utc(getattr(message, field))


def _utc(time: Timestamp) -> datetime:
    return time.ToDatetime(tzinfo=timezone.utc)
