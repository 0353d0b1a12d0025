"""Where a context stands."""

from __future__ import annotations

import re
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

    def __str__(self) -> str:
        """`EPOCH:VERSION:DIGEST`, as the command `chord` writes it; a version alone where there is no more."""
        return f"{self.epoch}:{self.version}:{self.digest}" if self.epoch or self.digest else str(self.version)

    @staticmethod
    def parse(text: str) -> Position:
        """From `EPOCH:VERSION:DIGEST`, or from a version alone, which is weaker. Raises ValueError."""
        match = _TEXT.fullmatch(text)
        if match is None or (match[1] is None) != (match[3] is None):
            raise ValueError(f"expected EPOCH:VERSION:DIGEST or a version, got {text!r}")
        return Position(match[1] or "", int(match[2]), match[3] or "")


_TEXT = re.compile(r"(?:([^:\s]+):)?([0-9]{1,15})(?::([^:\s]+))?")


class _Absent(Enum):
    ABSENT = "absent"

    def __repr__(self) -> str:
        return "chordstate.ABSENT"


#: Nothing, where None would be a value or "not told": a context that does not (or must not) exist, a value not sent.
ABSENT: Final = _Absent.ABSENT
Absence: TypeAlias = Literal[_Absent.ABSENT]


def read_position(message: pb.Position) -> Position:
    return Position(message.epoch, message.version, message.digest)


def write_position(position: Position) -> pb.Position:
    return pb.Position(epoch=position.epoch, version=position.version, digest=position.digest)
