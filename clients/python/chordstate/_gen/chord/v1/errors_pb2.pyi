from chordstate._gen.chord.v1 import model_pb2 as _model_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PositionMismatch(_message.Message):
    __slots__ = ("context_id", "current")
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    current: _model_pb2.Position
    def __init__(self, context_id: _Optional[str] = ..., current: _Optional[_Union[_model_pb2.Position, _Mapping]] = ...) -> None: ...
