from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ChangeAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHANGE_ACTION_UNSPECIFIED: _ClassVar[ChangeAction]
    CHANGE_ACTION_ADDED: _ClassVar[ChangeAction]
    CHANGE_ACTION_MODIFIED: _ClassVar[ChangeAction]
    CHANGE_ACTION_REMOVED: _ClassVar[ChangeAction]
    CHANGE_ACTION_SPLICED: _ClassVar[ChangeAction]

class Cause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CAUSE_UNSPECIFIED: _ClassVar[Cause]
    CAUSE_EXPIRED: _ClassVar[Cause]

class FullReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FULL_REASON_UNSPECIFIED: _ClassVar[FullReason]
    FULL_REASON_INITIAL: _ClassVar[FullReason]
    FULL_REASON_EPOCH_CHANGED: _ClassVar[FullReason]
    FULL_REASON_AHEAD: _ClassVar[FullReason]
    FULL_REASON_DIVERGED: _ClassVar[FullReason]
    FULL_REASON_HISTORY_TRUNCATED: _ClassVar[FullReason]
    FULL_REASON_DELTA_LARGER: _ClassVar[FullReason]
CHANGE_ACTION_UNSPECIFIED: ChangeAction
CHANGE_ACTION_ADDED: ChangeAction
CHANGE_ACTION_MODIFIED: ChangeAction
CHANGE_ACTION_REMOVED: ChangeAction
CHANGE_ACTION_SPLICED: ChangeAction
CAUSE_UNSPECIFIED: Cause
CAUSE_EXPIRED: Cause
FULL_REASON_UNSPECIFIED: FullReason
FULL_REASON_INITIAL: FullReason
FULL_REASON_EPOCH_CHANGED: FullReason
FULL_REASON_AHEAD: FullReason
FULL_REASON_DIVERGED: FullReason
FULL_REASON_HISTORY_TRUNCATED: FullReason
FULL_REASON_DELTA_LARGER: FullReason

class Position(_message.Message):
    __slots__ = ("epoch", "version", "digest")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    epoch: str
    version: int
    digest: str
    def __init__(self, epoch: _Optional[str] = ..., version: _Optional[int] = ..., digest: _Optional[str] = ...) -> None: ...

class Context(_message.Message):
    __slots__ = ("context_id", "value", "position", "created_at", "updated_at", "expires_at")
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    value: _struct_pb2.Struct
    position: Position
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, context_id: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., position: _Optional[_Union[Position, _Mapping]] = ..., created_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("path", "action", "value", "old_value", "splice", "text_splice")
    PATH_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    OLD_VALUE_FIELD_NUMBER: _ClassVar[int]
    SPLICE_FIELD_NUMBER: _ClassVar[int]
    TEXT_SPLICE_FIELD_NUMBER: _ClassVar[int]
    path: _containers.RepeatedScalarFieldContainer[str]
    action: ChangeAction
    value: _struct_pb2.Value
    old_value: _struct_pb2.Value
    splice: Splice
    text_splice: TextSplice
    def __init__(self, path: _Optional[_Iterable[str]] = ..., action: _Optional[_Union[ChangeAction, str]] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., old_value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., splice: _Optional[_Union[Splice, _Mapping]] = ..., text_splice: _Optional[_Union[TextSplice, _Mapping]] = ...) -> None: ...

class Splice(_message.Message):
    __slots__ = ("index", "removed_count", "removed", "inserted")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    REMOVED_COUNT_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    INSERTED_FIELD_NUMBER: _ClassVar[int]
    index: int
    removed_count: int
    removed: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Value]
    inserted: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Value]
    def __init__(self, index: _Optional[int] = ..., removed_count: _Optional[int] = ..., removed: _Optional[_Iterable[_Union[_struct_pb2.Value, _Mapping]]] = ..., inserted: _Optional[_Iterable[_Union[_struct_pb2.Value, _Mapping]]] = ...) -> None: ...

class TextSplice(_message.Message):
    __slots__ = ("index", "removed_count", "removed", "inserted")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    REMOVED_COUNT_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    INSERTED_FIELD_NUMBER: _ClassVar[int]
    index: int
    removed_count: int
    removed: str
    inserted: str
    def __init__(self, index: _Optional[int] = ..., removed_count: _Optional[int] = ..., removed: _Optional[str] = ..., inserted: _Optional[str] = ...) -> None: ...

class Delta(_message.Message):
    __slots__ = ("context_id", "to", "changes", "updated_at", "formatted", "inexpressible", "provenance")
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    FORMATTED_FIELD_NUMBER: _ClassVar[int]
    INEXPRESSIBLE_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    to: Position
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    updated_at: _timestamp_pb2.Timestamp
    formatted: _struct_pb2.Value
    inexpressible: str
    provenance: Provenance
    def __init__(self, context_id: _Optional[str] = ..., to: _Optional[_Union[Position, _Mapping]] = ..., changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., updated_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., formatted: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., inexpressible: _Optional[str] = ..., provenance: _Optional[_Union[Provenance, _Mapping]] = ..., **kwargs) -> None: ...

class Provenance(_message.Message):
    __slots__ = ("cause", "author", "annotations")
    class AnnotationsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    ANNOTATIONS_FIELD_NUMBER: _ClassVar[int]
    cause: Cause
    author: str
    annotations: _containers.ScalarMap[str, str]
    def __init__(self, cause: _Optional[_Union[Cause, str]] = ..., author: _Optional[str] = ..., annotations: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Path(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, keys: _Optional[_Iterable[str]] = ...) -> None: ...

class Full(_message.Message):
    __slots__ = ("context", "reason")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    context: Context
    reason: FullReason
    def __init__(self, context: _Optional[_Union[Context, _Mapping]] = ..., reason: _Optional[_Union[FullReason, str]] = ...) -> None: ...

class NoChange(_message.Message):
    __slots__ = ("position",)
    POSITION_FIELD_NUMBER: _ClassVar[int]
    position: Position
    def __init__(self, position: _Optional[_Union[Position, _Mapping]] = ...) -> None: ...

class Expected(_message.Message):
    __slots__ = ("position", "version", "absent", "unchanged", "checks")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ABSENT_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    position: Position
    version: int
    absent: bool
    unchanged: Unchanged
    checks: _containers.RepeatedCompositeFieldContainer[Check]
    def __init__(self, position: _Optional[_Union[Position, _Mapping]] = ..., version: _Optional[int] = ..., absent: bool = ..., unchanged: _Optional[_Union[Unchanged, _Mapping]] = ..., checks: _Optional[_Iterable[_Union[Check, _Mapping]]] = ...) -> None: ...

class Unchanged(_message.Message):
    __slots__ = ("since", "paths")
    SINCE_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    since: Position
    paths: _containers.RepeatedCompositeFieldContainer[Path]
    def __init__(self, since: _Optional[_Union[Position, _Mapping]] = ..., paths: _Optional[_Iterable[_Union[Path, _Mapping]]] = ...) -> None: ...

class Check(_message.Message):
    __slots__ = ("path", "equals", "exists", "at_least", "at_most")
    PATH_FIELD_NUMBER: _ClassVar[int]
    EQUALS_FIELD_NUMBER: _ClassVar[int]
    EXISTS_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    AT_MOST_FIELD_NUMBER: _ClassVar[int]
    path: Path
    equals: _struct_pb2.Value
    exists: bool
    at_least: float
    at_most: float
    def __init__(self, path: _Optional[_Union[Path, _Mapping]] = ..., equals: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., exists: bool = ..., at_least: _Optional[float] = ..., at_most: _Optional[float] = ...) -> None: ...

class Mutation(_message.Message):
    __slots__ = ("path", "set", "remove", "increment", "append", "splice", "append_text", "splice_text", "ttl")
    PATH_FIELD_NUMBER: _ClassVar[int]
    SET_FIELD_NUMBER: _ClassVar[int]
    REMOVE_FIELD_NUMBER: _ClassVar[int]
    INCREMENT_FIELD_NUMBER: _ClassVar[int]
    APPEND_FIELD_NUMBER: _ClassVar[int]
    SPLICE_FIELD_NUMBER: _ClassVar[int]
    APPEND_TEXT_FIELD_NUMBER: _ClassVar[int]
    SPLICE_TEXT_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    path: _containers.RepeatedScalarFieldContainer[str]
    set: _struct_pb2.Value
    remove: bool
    increment: float
    append: ListValues
    splice: ListSplice
    append_text: str
    splice_text: TextEdit
    ttl: _duration_pb2.Duration
    def __init__(self, path: _Optional[_Iterable[str]] = ..., set: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., remove: bool = ..., increment: _Optional[float] = ..., append: _Optional[_Union[ListValues, _Mapping]] = ..., splice: _Optional[_Union[ListSplice, _Mapping]] = ..., append_text: _Optional[str] = ..., splice_text: _Optional[_Union[TextEdit, _Mapping]] = ..., ttl: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ListValues(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Value]
    def __init__(self, values: _Optional[_Iterable[_Union[_struct_pb2.Value, _Mapping]]] = ...) -> None: ...

class ListSplice(_message.Message):
    __slots__ = ("index", "remove_count", "insert")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    REMOVE_COUNT_FIELD_NUMBER: _ClassVar[int]
    INSERT_FIELD_NUMBER: _ClassVar[int]
    index: int
    remove_count: int
    insert: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Value]
    def __init__(self, index: _Optional[int] = ..., remove_count: _Optional[int] = ..., insert: _Optional[_Iterable[_Union[_struct_pb2.Value, _Mapping]]] = ...) -> None: ...

class TextEdit(_message.Message):
    __slots__ = ("index", "remove_count", "insert")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    REMOVE_COUNT_FIELD_NUMBER: _ClassVar[int]
    INSERT_FIELD_NUMBER: _ClassVar[int]
    index: int
    remove_count: int
    insert: str
    def __init__(self, index: _Optional[int] = ..., remove_count: _Optional[int] = ..., insert: _Optional[str] = ...) -> None: ...

class MemberExpiry(_message.Message):
    __slots__ = ("path", "expires_at")
    PATH_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    path: Path
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, path: _Optional[_Union[Path, _Mapping]] = ..., expires_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ReturnOptions(_message.Message):
    __slots__ = ("context", "delta", "old_values", "format")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    OLD_VALUES_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    context: bool
    delta: bool
    old_values: bool
    format: str
    def __init__(self, context: bool = ..., delta: bool = ..., old_values: bool = ..., format: _Optional[str] = ...) -> None: ...
