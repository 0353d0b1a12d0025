from chordstate._gen.chord.v1 import model_pb2 as _model_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TransferredContext(_message.Message):
    __slots__ = ("context_id", "position", "deltas", "exported_at")
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DELTAS_FIELD_NUMBER: _ClassVar[int]
    EXPORTED_AT_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    position: _model_pb2.Position
    deltas: int
    exported_at: _timestamp_pb2.Timestamp
    def __init__(self, context_id: _Optional[str] = ..., position: _Optional[_Union[_model_pb2.Position, _Mapping]] = ..., deltas: _Optional[int] = ..., exported_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ExportContextRequest(_message.Message):
    __slots__ = ("context_id", "history")
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    history: bool
    def __init__(self, context_id: _Optional[str] = ..., history: bool = ...) -> None: ...

class ExportContextResponse(_message.Message):
    __slots__ = ("context",)
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    context: TransferredContext
    def __init__(self, context: _Optional[_Union[TransferredContext, _Mapping]] = ...) -> None: ...

class RestoreContextRequest(_message.Message):
    __slots__ = ("context_id", "overwrite")
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    OVERWRITE_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    overwrite: bool
    def __init__(self, context_id: _Optional[str] = ..., overwrite: bool = ...) -> None: ...

class RestoreContextResponse(_message.Message):
    __slots__ = ("context",)
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    context: TransferredContext
    def __init__(self, context: _Optional[_Union[TransferredContext, _Mapping]] = ...) -> None: ...

class ExportContextsRequest(_message.Message):
    __slots__ = ("prefix", "history")
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    prefix: str
    history: bool
    def __init__(self, prefix: _Optional[str] = ..., history: bool = ...) -> None: ...

class ExportContextsResponse(_message.Message):
    __slots__ = ("progress",)
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    progress: TransferProgress
    def __init__(self, progress: _Optional[_Union[TransferProgress, _Mapping]] = ...) -> None: ...

class RestoreContextsRequest(_message.Message):
    __slots__ = ("prefix", "overwrite")
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    OVERWRITE_FIELD_NUMBER: _ClassVar[int]
    prefix: str
    overwrite: bool
    def __init__(self, prefix: _Optional[str] = ..., overwrite: bool = ...) -> None: ...

class RestoreContextsResponse(_message.Message):
    __slots__ = ("progress",)
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    progress: TransferProgress
    def __init__(self, progress: _Optional[_Union[TransferProgress, _Mapping]] = ...) -> None: ...

class TransferProgress(_message.Message):
    __slots__ = ("total", "done", "failed", "context", "failure")
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    total: int
    done: int
    failed: int
    context: TransferredContext
    failure: TransferFailure
    def __init__(self, total: _Optional[int] = ..., done: _Optional[int] = ..., failed: _Optional[int] = ..., context: _Optional[_Union[TransferredContext, _Mapping]] = ..., failure: _Optional[_Union[TransferFailure, _Mapping]] = ...) -> None: ...

class TransferFailure(_message.Message):
    __slots__ = ("context_id", "reason", "message")
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    reason: str
    message: str
    def __init__(self, context_id: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...
