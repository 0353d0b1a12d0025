from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CleanupReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLEANUP_REASON_UNSPECIFIED: _ClassVar[CleanupReason]
    CLEANUP_REASON_EXPIRED: _ClassVar[CleanupReason]
    CLEANUP_REASON_IDLE: _ClassVar[CleanupReason]
    CLEANUP_REASON_TRIMMED: _ClassVar[CleanupReason]
CLEANUP_REASON_UNSPECIFIED: CleanupReason
CLEANUP_REASON_EXPIRED: CleanupReason
CLEANUP_REASON_IDLE: CleanupReason
CLEANUP_REASON_TRIMMED: CleanupReason

class CleanupOptions(_message.Message):
    __slots__ = ("context_auto_delete", "context_ttl", "delta_ttl", "delta_threshold", "request_ttl", "delta_retention")
    CONTEXT_AUTO_DELETE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_TTL_FIELD_NUMBER: _ClassVar[int]
    DELTA_TTL_FIELD_NUMBER: _ClassVar[int]
    DELTA_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    REQUEST_TTL_FIELD_NUMBER: _ClassVar[int]
    DELTA_RETENTION_FIELD_NUMBER: _ClassVar[int]
    context_auto_delete: bool
    context_ttl: _duration_pb2.Duration
    delta_ttl: _duration_pb2.Duration
    delta_threshold: int
    request_ttl: _duration_pb2.Duration
    delta_retention: str
    def __init__(self, context_auto_delete: bool = ..., context_ttl: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., delta_ttl: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., delta_threshold: _Optional[int] = ..., request_ttl: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., delta_retention: _Optional[str] = ...) -> None: ...

class RunCleanupRequest(_message.Message):
    __slots__ = ("limit", "dry_run", "prefix", "options")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    limit: int
    dry_run: bool
    prefix: str
    options: CleanupOptions
    def __init__(self, limit: _Optional[int] = ..., dry_run: bool = ..., prefix: _Optional[str] = ..., options: _Optional[_Union[CleanupOptions, _Mapping]] = ...) -> None: ...

class RunCleanupResponse(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: CleanupResult
    def __init__(self, result: _Optional[_Union[CleanupResult, _Mapping]] = ...) -> None: ...

class StartCleanupRequest(_message.Message):
    __slots__ = ("interval", "options")
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    interval: _duration_pb2.Duration
    options: CleanupOptions
    def __init__(self, interval: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., options: _Optional[_Union[CleanupOptions, _Mapping]] = ...) -> None: ...

class StartCleanupResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: CleanupStatus
    def __init__(self, status: _Optional[_Union[CleanupStatus, _Mapping]] = ...) -> None: ...

class StopCleanupRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StopCleanupResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: CleanupStatus
    def __init__(self, status: _Optional[_Union[CleanupStatus, _Mapping]] = ...) -> None: ...

class UpdateCleanupRequest(_message.Message):
    __slots__ = ("interval", "options", "reset")
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    RESET_FIELD_NUMBER: _ClassVar[int]
    interval: _duration_pb2.Duration
    options: CleanupOptions
    reset: bool
    def __init__(self, interval: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., options: _Optional[_Union[CleanupOptions, _Mapping]] = ..., reset: bool = ...) -> None: ...

class UpdateCleanupResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: CleanupStatus
    def __init__(self, status: _Optional[_Union[CleanupStatus, _Mapping]] = ...) -> None: ...

class GetCleanupRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetCleanupResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: CleanupStatus
    def __init__(self, status: _Optional[_Union[CleanupStatus, _Mapping]] = ...) -> None: ...

class CleanedContext(_message.Message):
    __slots__ = ("context_id", "reason", "deltas")
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DELTAS_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    reason: CleanupReason
    deltas: int
    def __init__(self, context_id: _Optional[str] = ..., reason: _Optional[_Union[CleanupReason, str]] = ..., deltas: _Optional[int] = ...) -> None: ...

class CleanupCounts(_message.Message):
    __slots__ = ("contexts_expired", "contexts_idle", "contexts_trimmed", "deltas", "request_ids", "failed")
    CONTEXTS_EXPIRED_FIELD_NUMBER: _ClassVar[int]
    CONTEXTS_IDLE_FIELD_NUMBER: _ClassVar[int]
    CONTEXTS_TRIMMED_FIELD_NUMBER: _ClassVar[int]
    DELTAS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_IDS_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    contexts_expired: int
    contexts_idle: int
    contexts_trimmed: int
    deltas: int
    request_ids: int
    failed: int
    def __init__(self, contexts_expired: _Optional[int] = ..., contexts_idle: _Optional[int] = ..., contexts_trimmed: _Optional[int] = ..., deltas: _Optional[int] = ..., request_ids: _Optional[int] = ..., failed: _Optional[int] = ...) -> None: ...

class CleanupResult(_message.Message):
    __slots__ = ("started_at", "finished_at", "dry_run", "counts", "contexts", "more")
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    CONTEXTS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    started_at: _timestamp_pb2.Timestamp
    finished_at: _timestamp_pb2.Timestamp
    dry_run: bool
    counts: CleanupCounts
    contexts: _containers.RepeatedCompositeFieldContainer[CleanedContext]
    more: bool
    def __init__(self, started_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., finished_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., dry_run: bool = ..., counts: _Optional[_Union[CleanupCounts, _Mapping]] = ..., contexts: _Optional[_Iterable[_Union[CleanedContext, _Mapping]]] = ..., more: bool = ...) -> None: ...

class CleanupStatus(_message.Message):
    __slots__ = ("running", "interval", "options", "next_run_at", "last_run", "totals", "runs", "overridden")
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_RUN_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_RUN_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    OVERRIDDEN_FIELD_NUMBER: _ClassVar[int]
    running: bool
    interval: _duration_pb2.Duration
    options: CleanupOptions
    next_run_at: _timestamp_pb2.Timestamp
    last_run: CleanupResult
    totals: CleanupCounts
    runs: int
    overridden: bool
    def __init__(self, running: bool = ..., interval: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., options: _Optional[_Union[CleanupOptions, _Mapping]] = ..., next_run_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., last_run: _Optional[_Union[CleanupResult, _Mapping]] = ..., totals: _Optional[_Union[CleanupCounts, _Mapping]] = ..., runs: _Optional[int] = ..., overridden: bool = ...) -> None: ...
