"""What can go wrong, decoded from gRPC's status and the details in its trailers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from ._gen.chord.v1.errors_pb2 import PositionMismatch
from .position import ABSENT, Absence, Position, read_position

#: What transports say of a connection that was ended for what other streams did.
_ENDED_BY_TRANSPORT = re.compile("RST_STREAM|GOAWAY|ENHANCE_YOUR_CALM|Bandwidth exhausted", re.IGNORECASE)

#: Transports report broken connections as these, too. From the server they are final.
_PERHAPS_TRANSIENT = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.CANCELLED)


@dataclass(frozen=True)
class FieldViolation:
    """One bad field of a request: its path as in the .proto, and what is wrong."""

    field: str
    description: str


class ChordError(Exception):
    """The one error of all calls."""

    def __init__(
        self,
        reason: str,
        message: str,
        code: grpc.StatusCode,
        *,
        context_id: str | None = None,
        current: Position | Absence | None = None,
        violations: Sequence[FieldViolation] = (),
        retry_after: float | None = None,
        transient: bool = False,
        certain: bool = False,
    ) -> None:
        super().__init__(f"{reason}: {message}")
        #: `NOT_FOUND`, `ABORTED`, `INVALID_ARGUMENT`, ... as the server says; else the name of the gRPC code.
        self.reason = reason
        self.message = message
        self.code = code
        self.context_id = context_id
        #: Where the context stands that a write expected elsewhere; ABSENT: it does not exist; None: not told.
        self.current = current
        self.violations = tuple(violations)
        #: The server asks to wait this long before another try, in seconds.
        self.retry_after = retry_after
        #: Another try may succeed: the network's failure, not the request's.
        self.transient = transient
        #: The network's failure without a doubt: no count of tries makes it final.
        self.certain = certain


def unavailable(message: str) -> ChordError:
    return ChordError("UNAVAILABLE", message, grpc.StatusCode.UNAVAILABLE, transient=True, certain=True)


def closed(what: str = "client") -> ChordError:
    """What was asked of a client, or a replica, after its end."""
    return ChordError("CANCELLED", f"the {what} is closed", grpc.StatusCode.CANCELLED)


def busy(calls: int) -> ChordError:
    """There was no room for a call as long as its time lasted."""
    code = grpc.StatusCode.DEADLINE_EXCEEDED
    return ChordError("DEADLINE_EXCEEDED", f"{calls} calls of this client were in flight all the time", code)


def unsendable(field: str, error: object) -> ChordError:
    """The caller's mistake: INVALID_ARGUMENT, as the server would say."""
    violations = [FieldViolation(field, str(error))]
    return ChordError("INVALID_ARGUMENT", f"{field}: {error}", grpc.StatusCode.INVALID_ARGUMENT, violations=violations)


@contextmanager
def sendable(field: str) -> Iterator[None]:
    """What cannot be put into a message is refused."""
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        raise unsendable(field, error) from error


def text(field: str, value: str) -> str:
    """A text that UTF-8 can hold. Raises ChordError."""
    with sendable(field):
        value.encode()
    return value


def from_rpc_error(error: Any) -> ChordError:
    """From what calls of grpc and grpc.aio raise, or of our own."""
    if isinstance(error, ChordError):
        return error
    trailer = next((value for key, value in error.trailing_metadata() or () if key == "grpc-status-details-bin"), None)
    return decode_error(error.code(), error.details() or "", trailer)


def decode_error(code: grpc.StatusCode, message: str, trailer: bytes | None) -> ChordError:
    """`trailer` is that of grpc-status-details-bin."""
    try:
        details = _decode_details(trailer) if trailer else {}
    except DecodeError:
        details = {}  # code and message still tell enough
    reason = details.pop("reason", None)
    refused_for_now = code is grpc.StatusCode.RESOURCE_EXHAUSTED and "retry_after" in details
    by_transport = (
        reason is None
        and code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.RESOURCE_EXHAUSTED)
        and _ENDED_BY_TRANSPORT.search(message) is not None
    )
    certain = code is grpc.StatusCode.UNAVAILABLE or refused_for_now or by_transport
    transient = certain or (code in _PERHAPS_TRANSIENT and reason is None)
    return ChordError(reason or code.name, message, code, transient=transient, certain=certain, **details)


def _decode_details(trailer: bytes) -> dict[str, Any]:
    """Arguments of ChordError."""
    found: dict[str, Any] = {}
    for detail in Status.FromString(trailer).details:
        name = detail.type_url.rpartition("/")[2]
        if name == "google.rpc.ErrorInfo":
            info = ErrorInfo.FromString(detail.value)
            if info.domain == "chord":
                found["reason"] = info.reason
                if "context_id" in info.metadata:
                    found["context_id"] = info.metadata["context_id"]
        elif name == "google.rpc.BadRequest":
            violations = BadRequest.FromString(detail.value).field_violations
            found["violations"] = [FieldViolation(each.field, each.description) for each in violations]
        elif name == "google.rpc.RetryInfo":
            found["retry_after"] = RetryInfo.FromString(detail.value).retry_delay.ToNanoseconds() / 1e9
        elif name == "chord.v1.PositionMismatch":
            mismatch = PositionMismatch.FromString(detail.value)
            found["current"] = read_position(mismatch.current) if mismatch.HasField("current") else ABSENT
            found.setdefault("context_id", mismatch.context_id)
    return found
