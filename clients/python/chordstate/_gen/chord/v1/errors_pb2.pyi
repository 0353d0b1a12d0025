from chordstate._gen.chord.v1 import model_pb2 as _model_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PositionMismatch(_message.Message):
    __slots__ = ("context_id", "current")
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    current: _model_pb2.Position
    def __init__(self, context_id: _Optional[str] = ..., current: _Optional[_Union[_model_pb2.Position, _Mapping]] = ...) -> None: ...

class UnmetConditions(_message.Message):
    __slots__ = ("context_id", "current", "since_reason", "conditions")
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    SINCE_REASON_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    current: _model_pb2.Position
    since_reason: _model_pb2.FullReason
    conditions: _containers.RepeatedCompositeFieldContainer[UnmetCondition]
    def __init__(self, context_id: _Optional[str] = ..., current: _Optional[_Union[_model_pb2.Position, _Mapping]] = ..., since_reason: _Optional[_Union[_model_pb2.FullReason, str]] = ..., conditions: _Optional[_Iterable[_Union[UnmetCondition, _Mapping]]] = ...) -> None: ...

class UnmetCondition(_message.Message):
    __slots__ = ("path", "touched_at", "check", "author")
    PATH_FIELD_NUMBER: _ClassVar[int]
    TOUCHED_AT_FIELD_NUMBER: _ClassVar[int]
    CHECK_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    path: _model_pb2.Path
    touched_at: int
    check: _model_pb2.Check
    author: str
    def __init__(self, path: _Optional[_Union[_model_pb2.Path, _Mapping]] = ..., touched_at: _Optional[int] = ..., check: _Optional[_Union[_model_pb2.Check, _Mapping]] = ..., author: _Optional[str] = ...) -> None: ...
