"""Where a context stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, TypeAlias

from ._gen.chord.v1 import model_pb2 as pb


@dataclass(frozen=True, slots=True)
class Position:
    """A point in the history of one context. Keep it and hand it back; never compute one."""

    epoch: str
    version: int
    digest: str


class _Absent(Enum):
    ABSENT = "absent"

    def __repr__(self) -> str:
        return "chord.ABSENT"


#: Nothing, where None would be a value or "not told": a context that does not (or must not) exist, a value not sent.
ABSENT: Final = _Absent.ABSENT
Absence: TypeAlias = Literal[_Absent.ABSENT]


def read_position(message: pb.Position) -> Position:
    return Position(message.epoch, message.version, message.digest)


def write_position(position: Position) -> pb.Position:
    return pb.Position(epoch=position.epoch, version=position.version, digest=position.digest)
