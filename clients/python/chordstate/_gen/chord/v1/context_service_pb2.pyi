from chordstate._gen.chord.v1 import model_pb2 as _model_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SetContextRequest(_message.Message):
    __slots__ = ("context_id", "value", "expected", "request_id", "ttl", "returning", "annotations")
    class AnnotationsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    RETURNING_FIELD_NUMBER: _ClassVar[int]
    ANNOTATIONS_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    value: _struct_pb2.Struct
    expected: _model_pb2.Expected
    request_id: str
    ttl: _duration_pb2.Duration
    returning: _model_pb2.ReturnOptions
    annotations: _containers.ScalarMap[str, str]
    def __init__(self, context_id: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., expected: _Optional[_Union[_model_pb2.Expected, _Mapping]] = ..., request_id: _Optional[str] = ..., ttl: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., returning: _Optional[_Union[_model_pb2.ReturnOptions, _Mapping]] = ..., annotations: _Optional[_Mapping[str, str]] = ...) -> None: ...

class SetContextResponse(_message.Message):
    __slots__ = ("position", "changed", "context", "delta")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    position: _model_pb2.Position
    changed: bool
    context: _model_pb2.Context
    delta: _model_pb2.Delta
    def __init__(self, position: _Optional[_Union[_model_pb2.Position, _Mapping]] = ..., changed: bool = ..., context: _Optional[_Union[_model_pb2.Context, _Mapping]] = ..., delta: _Optional[_Union[_model_pb2.Delta, _Mapping]] = ...) -> None: ...

class UpdateContextRequest(_message.Message):
    __slots__ = ("context_id", "changes", "mutations", "allow_missing", "expected", "request_id", "ttl", "returning", "annotations")
    class AnnotationsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    MUTATIONS_FIELD_NUMBER: _ClassVar[int]
    ALLOW_MISSING_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    RETURNING_FIELD_NUMBER: _ClassVar[int]
    ANNOTATIONS_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    changes: _struct_pb2.Struct
    mutations: _containers.RepeatedCompositeFieldContainer[_model_pb2.Mutation]
    allow_missing: bool
    expected: _model_pb2.Expected
    request_id: str
    ttl: _duration_pb2.Duration
    returning: _model_pb2.ReturnOptions
    annotations: _containers.ScalarMap[str, str]
    def __init__(self, context_id: _Optional[str] = ..., changes: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., mutations: _Optional[_Iterable[_Union[_model_pb2.Mutation, _Mapping]]] = ..., allow_missing: bool = ..., expected: _Optional[_Union[_model_pb2.Expected, _Mapping]] = ..., request_id: _Optional[str] = ..., ttl: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., returning: _Optional[_Union[_model_pb2.ReturnOptions, _Mapping]] = ..., annotations: _Optional[_Mapping[str, str]] = ...) -> None: ...

class UpdateContextResponse(_message.Message):
    __slots__ = ("position", "changed", "context", "delta")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    position: _model_pb2.Position
    changed: bool
    context: _model_pb2.Context
    delta: _model_pb2.Delta
    def __init__(self, position: _Optional[_Union[_model_pb2.Position, _Mapping]] = ..., changed: bool = ..., context: _Optional[_Union[_model_pb2.Context, _Mapping]] = ..., delta: _Optional[_Union[_model_pb2.Delta, _Mapping]] = ...) -> None: ...

class GetContextRequest(_message.Message):
    __slots__ = ("context_id", "version", "at", "include_expiries")
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_EXPIRIES_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    version: int
    at: _timestamp_pb2.Timestamp
    include_expiries: bool
    def __init__(self, context_id: _Optional[str] = ..., version: _Optional[int] = ..., at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., include_expiries: bool = ...) -> None: ...

class GetContextResponse(_message.Message):
    __slots__ = ("context", "expiries")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    EXPIRIES_FIELD_NUMBER: _ClassVar[int]
    context: _model_pb2.Context
    expiries: _containers.RepeatedCompositeFieldContainer[_model_pb2.MemberExpiry]
    def __init__(self, context: _Optional[_Union[_model_pb2.Context, _Mapping]] = ..., expiries: _Optional[_Iterable[_Union[_model_pb2.MemberExpiry, _Mapping]]] = ...) -> None: ...

class RevertContextRequest(_message.Message):
    __slots__ = ("context_id", "version", "expected", "request_id", "ttl", "returning", "annotations")
    class AnnotationsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    RETURNING_FIELD_NUMBER: _ClassVar[int]
    ANNOTATIONS_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    version: int
    expected: _model_pb2.Expected
    request_id: str
    ttl: _duration_pb2.Duration
    returning: _model_pb2.ReturnOptions
    annotations: _containers.ScalarMap[str, str]
    def __init__(self, context_id: _Optional[str] = ..., version: _Optional[int] = ..., expected: _Optional[_Union[_model_pb2.Expected, _Mapping]] = ..., request_id: _Optional[str] = ..., ttl: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., returning: _Optional[_Union[_model_pb2.ReturnOptions, _Mapping]] = ..., annotations: _Optional[_Mapping[str, str]] = ...) -> None: ...

class RevertContextResponse(_message.Message):
    __slots__ = ("position", "changed", "context", "delta")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    position: _model_pb2.Position
    changed: bool
    context: _model_pb2.Context
    delta: _model_pb2.Delta
    def __init__(self, position: _Optional[_Union[_model_pb2.Position, _Mapping]] = ..., changed: bool = ..., context: _Optional[_Union[_model_pb2.Context, _Mapping]] = ..., delta: _Optional[_Union[_model_pb2.Delta, _Mapping]] = ...) -> None: ...

class DeleteContextRequest(_message.Message):
    __slots__ = ("context_id", "expected", "request_id", "allow_missing", "annotations")
    class AnnotationsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ALLOW_MISSING_FIELD_NUMBER: _ClassVar[int]
    ANNOTATIONS_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    expected: _model_pb2.Expected
    request_id: str
    allow_missing: bool
    annotations: _containers.ScalarMap[str, str]
    def __init__(self, context_id: _Optional[str] = ..., expected: _Optional[_Union[_model_pb2.Expected, _Mapping]] = ..., request_id: _Optional[str] = ..., allow_missing: bool = ..., annotations: _Optional[_Mapping[str, str]] = ...) -> None: ...

class DeleteContextResponse(_message.Message):
    __slots__ = ("position", "changed")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    position: _model_pb2.Position
    changed: bool
    def __init__(self, position: _Optional[_Union[_model_pb2.Position, _Mapping]] = ..., changed: bool = ...) -> None: ...

class TouchContextRequest(_message.Message):
    __slots__ = ("context_id", "ttl", "paths")
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    ttl: _duration_pb2.Duration
    paths: _containers.RepeatedCompositeFieldContainer[_model_pb2.Path]
    def __init__(self, context_id: _Optional[str] = ..., ttl: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., paths: _Optional[_Iterable[_Union[_model_pb2.Path, _Mapping]]] = ...) -> None: ...

class TouchContextResponse(_message.Message):
    __slots__ = ("context",)
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    context: _model_pb2.Context
    def __init__(self, context: _Optional[_Union[_model_pb2.Context, _Mapping]] = ...) -> None: ...

class BatchWriteRequest(_message.Message):
    __slots__ = ("writes", "request_id")
    WRITES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    writes: _containers.RepeatedCompositeFieldContainer[Write]
    request_id: str
    def __init__(self, writes: _Optional[_Iterable[_Union[Write, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class Write(_message.Message):
    __slots__ = ("set", "update", "revert", "delete", "touch")
    SET_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    REVERT_FIELD_NUMBER: _ClassVar[int]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    TOUCH_FIELD_NUMBER: _ClassVar[int]
    set: SetContextRequest
    update: UpdateContextRequest
    revert: RevertContextRequest
    delete: DeleteContextRequest
    touch: TouchContextRequest
    def __init__(self, set: _Optional[_Union[SetContextRequest, _Mapping]] = ..., update: _Optional[_Union[UpdateContextRequest, _Mapping]] = ..., revert: _Optional[_Union[RevertContextRequest, _Mapping]] = ..., delete: _Optional[_Union[DeleteContextRequest, _Mapping]] = ..., touch: _Optional[_Union[TouchContextRequest, _Mapping]] = ...) -> None: ...

class BatchWriteResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[WriteResult]
    def __init__(self, results: _Optional[_Iterable[_Union[WriteResult, _Mapping]]] = ...) -> None: ...

class WriteResult(_message.Message):
    __slots__ = ("position", "changed", "context", "delta")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    position: _model_pb2.Position
    changed: bool
    context: _model_pb2.Context
    delta: _model_pb2.Delta
    def __init__(self, position: _Optional[_Union[_model_pb2.Position, _Mapping]] = ..., changed: bool = ..., context: _Optional[_Union[_model_pb2.Context, _Mapping]] = ..., delta: _Optional[_Union[_model_pb2.Delta, _Mapping]] = ...) -> None: ...

class ListContextsRequest(_message.Message):
    __slots__ = ("prefix", "page_size", "page_token", "include_values")
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_VALUES_FIELD_NUMBER: _ClassVar[int]
    prefix: str
    page_size: int
    page_token: str
    include_values: bool
    def __init__(self, prefix: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., include_values: bool = ...) -> None: ...

class ListContextsResponse(_message.Message):
    __slots__ = ("contexts", "next_page_token")
    CONTEXTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    contexts: _containers.RepeatedCompositeFieldContainer[_model_pb2.Context]
    next_page_token: str
    def __init__(self, contexts: _Optional[_Iterable[_Union[_model_pb2.Context, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
