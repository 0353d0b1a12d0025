from chordstate._gen.chord.v1 import model_pb2 as _model_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DeletedReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DELETED_REASON_UNSPECIFIED: _ClassVar[DeletedReason]
    DELETED_REASON_DELETED: _ClassVar[DeletedReason]
    DELETED_REASON_EXPIRED: _ClassVar[DeletedReason]
DELETED_REASON_UNSPECIFIED: DeletedReason
DELETED_REASON_DELETED: DeletedReason
DELETED_REASON_EXPIRED: DeletedReason

class SyncContextRequest(_message.Message):
    __slots__ = ("context_id", "known", "include_old_values", "format", "paths")
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_OLD_VALUES_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    known: _model_pb2.Position
    include_old_values: bool
    format: str
    paths: _containers.RepeatedCompositeFieldContainer[_model_pb2.Path]
    def __init__(self, context_id: _Optional[str] = ..., known: _Optional[_Union[_model_pb2.Position, _Mapping]] = ..., include_old_values: bool = ..., format: _Optional[str] = ..., paths: _Optional[_Iterable[_Union[_model_pb2.Path, _Mapping]]] = ...) -> None: ...

class SyncContextResponse(_message.Message):
    __slots__ = ("full", "delta", "no_change")
    FULL_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    NO_CHANGE_FIELD_NUMBER: _ClassVar[int]
    full: _model_pb2.Full
    delta: _model_pb2.Delta
    no_change: _model_pb2.NoChange
    def __init__(self, full: _Optional[_Union[_model_pb2.Full, _Mapping]] = ..., delta: _Optional[_Union[_model_pb2.Delta, _Mapping]] = ..., no_change: _Optional[_Union[_model_pb2.NoChange, _Mapping]] = ...) -> None: ...

class WatchContextsRequest(_message.Message):
    __slots__ = ("subscriptions", "include_old_values", "heartbeat_interval", "format")
    SUBSCRIPTIONS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_OLD_VALUES_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    subscriptions: _containers.RepeatedCompositeFieldContainer[Subscription]
    include_old_values: bool
    heartbeat_interval: _duration_pb2.Duration
    format: str
    def __init__(self, subscriptions: _Optional[_Iterable[_Union[Subscription, _Mapping]]] = ..., include_old_values: bool = ..., heartbeat_interval: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., format: _Optional[str] = ...) -> None: ...

class Subscription(_message.Message):
    __slots__ = ("context_id", "prefix", "known", "paths")
    class KnownEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _model_pb2.Position
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_model_pb2.Position, _Mapping]] = ...) -> None: ...
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    prefix: str
    known: _containers.MessageMap[str, _model_pb2.Position]
    paths: _containers.RepeatedCompositeFieldContainer[_model_pb2.Path]
    def __init__(self, context_id: _Optional[str] = ..., prefix: _Optional[str] = ..., known: _Optional[_Mapping[str, _model_pb2.Position]] = ..., paths: _Optional[_Iterable[_Union[_model_pb2.Path, _Mapping]]] = ...) -> None: ...

class WatchContextsResponse(_message.Message):
    __slots__ = ("full", "delta", "deleted", "absent", "caught_up", "heartbeat", "closing", "more")
    FULL_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    ABSENT_FIELD_NUMBER: _ClassVar[int]
    CAUGHT_UP_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    CLOSING_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    full: _model_pb2.Full
    delta: _model_pb2.Delta
    deleted: Deleted
    absent: Absent
    caught_up: CaughtUp
    heartbeat: Heartbeat
    closing: Closing
    more: bool
    def __init__(self, full: _Optional[_Union[_model_pb2.Full, _Mapping]] = ..., delta: _Optional[_Union[_model_pb2.Delta, _Mapping]] = ..., deleted: _Optional[_Union[Deleted, _Mapping]] = ..., absent: _Optional[_Union[Absent, _Mapping]] = ..., caught_up: _Optional[_Union[CaughtUp, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., closing: _Optional[_Union[Closing, _Mapping]] = ..., more: bool = ...) -> None: ...

class Deleted(_message.Message):
    __slots__ = ("context_id", "position", "reason")
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    position: _model_pb2.Position
    reason: DeletedReason
    def __init__(self, context_id: _Optional[str] = ..., position: _Optional[_Union[_model_pb2.Position, _Mapping]] = ..., reason: _Optional[_Union[DeletedReason, str]] = ...) -> None: ...

class Absent(_message.Message):
    __slots__ = ("context_id",)
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    def __init__(self, context_id: _Optional[str] = ...) -> None: ...

class CaughtUp(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("sent_at",)
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    sent_at: _timestamp_pb2.Timestamp
    def __init__(self, sent_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Closing(_message.Message):
    __slots__ = ("reason", "retry_after")
    REASON_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    reason: str
    retry_after: _duration_pb2.Duration
    def __init__(self, reason: _Optional[str] = ..., retry_after: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WaitContextRequest(_message.Message):
    __slots__ = ("context_id", "known", "until", "include_old_values", "format", "paths")
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_OLD_VALUES_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    known: _model_pb2.Position
    until: _containers.RepeatedCompositeFieldContainer[_model_pb2.Check]
    include_old_values: bool
    format: str
    paths: _containers.RepeatedCompositeFieldContainer[_model_pb2.Path]
    def __init__(self, context_id: _Optional[str] = ..., known: _Optional[_Union[_model_pb2.Position, _Mapping]] = ..., until: _Optional[_Iterable[_Union[_model_pb2.Check, _Mapping]]] = ..., include_old_values: bool = ..., format: _Optional[str] = ..., paths: _Optional[_Iterable[_Union[_model_pb2.Path, _Mapping]]] = ...) -> None: ...

class WaitContextResponse(_message.Message):
    __slots__ = ("full", "delta", "no_change", "held_at")
    FULL_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    NO_CHANGE_FIELD_NUMBER: _ClassVar[int]
    HELD_AT_FIELD_NUMBER: _ClassVar[int]
    full: _model_pb2.Full
    delta: _model_pb2.Delta
    no_change: _model_pb2.NoChange
    held_at: int
    def __init__(self, full: _Optional[_Union[_model_pb2.Full, _Mapping]] = ..., delta: _Optional[_Union[_model_pb2.Delta, _Mapping]] = ..., no_change: _Optional[_Union[_model_pb2.NoChange, _Mapping]] = ..., held_at: _Optional[int] = ...) -> None: ...

class ListDeltasRequest(_message.Message):
    __slots__ = ("context_id", "from_version", "page_size", "page_token", "include_old_values", "format")
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_VERSION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_OLD_VALUES_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    from_version: int
    page_size: int
    page_token: str
    include_old_values: bool
    format: str
    def __init__(self, context_id: _Optional[str] = ..., from_version: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., include_old_values: bool = ..., format: _Optional[str] = ...) -> None: ...

class ListDeltasResponse(_message.Message):
    __slots__ = ("deltas", "next_page_token", "head", "truncated")
    DELTAS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    deltas: _containers.RepeatedCompositeFieldContainer[_model_pb2.Delta]
    next_page_token: str
    head: _model_pb2.Position
    truncated: bool
    def __init__(self, deltas: _Optional[_Iterable[_Union[_model_pb2.Delta, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., head: _Optional[_Union[_model_pb2.Position, _Mapping]] = ..., truncated: bool = ...) -> None: ...

class BlameContextRequest(_message.Message):
    __slots__ = ("context_id", "paths", "page_size", "page_token")
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    paths: _containers.RepeatedCompositeFieldContainer[_model_pb2.Path]
    page_size: int
    page_token: str
    def __init__(self, context_id: _Optional[str] = ..., paths: _Optional[_Iterable[_Union[_model_pb2.Path, _Mapping]]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class BlameContextResponse(_message.Message):
    __slots__ = ("lines", "position", "older_than", "next_page_token")
    LINES_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    OLDER_THAN_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[BlameLine]
    position: _model_pb2.Position
    older_than: int
    next_page_token: str
    def __init__(self, lines: _Optional[_Iterable[_Union[BlameLine, _Mapping]]] = ..., position: _Optional[_Union[_model_pb2.Position, _Mapping]] = ..., older_than: _Optional[int] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class BlameLine(_message.Message):
    __slots__ = ("path", "run", "value", "version", "updated_at", "provenance")
    PATH_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    path: _model_pb2.Path
    run: BlameRun
    value: _struct_pb2.Value
    version: int
    updated_at: _timestamp_pb2.Timestamp
    provenance: _model_pb2.Provenance
    def __init__(self, path: _Optional[_Union[_model_pb2.Path, _Mapping]] = ..., run: _Optional[_Union[BlameRun, _Mapping]] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., version: _Optional[int] = ..., updated_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., provenance: _Optional[_Union[_model_pb2.Provenance, _Mapping]] = ...) -> None: ...

class BlameRun(_message.Message):
    __slots__ = ("index", "count")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    index: int
    count: int
    def __init__(self, index: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...
