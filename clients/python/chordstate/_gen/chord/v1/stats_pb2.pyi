from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Stats(_message.Message):
    __slots__ = ("taken_at", "elapsed", "server", "methods", "hottest", "watches", "store", "cache")
    TAKEN_AT_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    HOTTEST_FIELD_NUMBER: _ClassVar[int]
    WATCHES_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    taken_at: _timestamp_pb2.Timestamp
    elapsed: _duration_pb2.Duration
    server: ServerStats
    methods: _containers.RepeatedCompositeFieldContainer[MethodStats]
    hottest: _containers.RepeatedCompositeFieldContainer[HotContext]
    watches: DeliveryStats
    store: StoreStats
    cache: CacheStats
    def __init__(self, taken_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., elapsed: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., server: _Optional[_Union[ServerStats, _Mapping]] = ..., methods: _Optional[_Iterable[_Union[MethodStats, _Mapping]]] = ..., hottest: _Optional[_Iterable[_Union[HotContext, _Mapping]]] = ..., watches: _Optional[_Union[DeliveryStats, _Mapping]] = ..., store: _Optional[_Union[StoreStats, _Mapping]] = ..., cache: _Optional[_Union[CacheStats, _Mapping]] = ...) -> None: ...

class ServerStats(_message.Message):
    __slots__ = ("version", "backend", "started_at", "connections", "cpu", "resident_bytes", "heap_bytes", "event_loop_delay")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    CPU_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    HEAP_BYTES_FIELD_NUMBER: _ClassVar[int]
    EVENT_LOOP_DELAY_FIELD_NUMBER: _ClassVar[int]
    version: str
    backend: str
    started_at: _timestamp_pb2.Timestamp
    connections: int
    cpu: float
    resident_bytes: int
    heap_bytes: int
    event_loop_delay: _duration_pb2.Duration
    def __init__(self, version: _Optional[str] = ..., backend: _Optional[str] = ..., started_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., connections: _Optional[int] = ..., cpu: _Optional[float] = ..., resident_bytes: _Optional[int] = ..., heap_bytes: _Optional[int] = ..., event_loop_delay: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class MethodStats(_message.Message):
    __slots__ = ("method", "calls", "failed", "in_flight", "median", "p99")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    MEDIAN_FIELD_NUMBER: _ClassVar[int]
    P99_FIELD_NUMBER: _ClassVar[int]
    method: str
    calls: int
    failed: int
    in_flight: int
    median: _duration_pb2.Duration
    p99: _duration_pb2.Duration
    def __init__(self, method: _Optional[str] = ..., calls: _Optional[int] = ..., failed: _Optional[int] = ..., in_flight: _Optional[int] = ..., median: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., p99: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class HotContext(_message.Message):
    __slots__ = ("context_id", "writes_per_second", "reads_per_second", "watchers")
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    WRITES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    READS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    WATCHERS_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    writes_per_second: float
    reads_per_second: float
    watchers: int
    def __init__(self, context_id: _Optional[str] = ..., writes_per_second: _Optional[float] = ..., reads_per_second: _Optional[float] = ..., watchers: _Optional[int] = ...) -> None: ...

class DeliveryStats(_message.Message):
    __slots__ = ("streams", "targets", "deltas", "merged", "documents", "bytes")
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    DELTAS_FIELD_NUMBER: _ClassVar[int]
    MERGED_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    streams: int
    targets: int
    deltas: int
    merged: int
    documents: int
    bytes: int
    def __init__(self, streams: _Optional[int] = ..., targets: _Optional[int] = ..., deltas: _Optional[int] = ..., merged: _Optional[int] = ..., documents: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class StoreStats(_message.Message):
    __slots__ = ("serving", "read_only", "detail", "waiting", "commits", "writes", "median", "p99")
    SERVING_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    WRITES_FIELD_NUMBER: _ClassVar[int]
    MEDIAN_FIELD_NUMBER: _ClassVar[int]
    P99_FIELD_NUMBER: _ClassVar[int]
    serving: bool
    read_only: bool
    detail: str
    waiting: int
    commits: int
    writes: int
    median: _duration_pb2.Duration
    p99: _duration_pb2.Duration
    def __init__(self, serving: bool = ..., read_only: bool = ..., detail: _Optional[str] = ..., waiting: _Optional[int] = ..., commits: _Optional[int] = ..., writes: _Optional[int] = ..., median: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., p99: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CacheStats(_message.Message):
    __slots__ = ("contexts", "bytes", "hits", "misses", "evicted")
    CONTEXTS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    HITS_FIELD_NUMBER: _ClassVar[int]
    MISSES_FIELD_NUMBER: _ClassVar[int]
    EVICTED_FIELD_NUMBER: _ClassVar[int]
    contexts: int
    bytes: int
    hits: int
    misses: int
    evicted: int
    def __init__(self, contexts: _Optional[int] = ..., bytes: _Optional[int] = ..., hits: _Optional[int] = ..., misses: _Optional[int] = ..., evicted: _Optional[int] = ...) -> None: ...
