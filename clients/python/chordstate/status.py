"""From gRPC's status, and the details in its trailers, to the error of the client."""

from __future__ import annotations

import re
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from ._gen.chord.v1.errors_pb2 import PositionMismatch, UnmetConditions
from .conditions import read_unmet
from .errors import ChordError, FieldViolation
from .position import ABSENT, Absence, Position, read_position

#: What transports say of a connection that was ended for what other streams did.
_ENDED_BY_TRANSPORT = re.compile("RST_STREAM|GOAWAY|ENHANCE_YOUR_CALM|Bandwidth exhausted", re.IGNORECASE)

#: Transports report broken connections as these, too. From the server they are final.
_PERHAPS_TRANSIENT = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.CANCELLED)


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
            found["current"] = _current(mismatch)
            found.setdefault("context_id", mismatch.context_id)
        elif name == "chord.v1.UnmetConditions":
            unmet = UnmetConditions.FromString(detail.value)
            found["current"] = _current(unmet)
            found["unmet"] = read_unmet(unmet)
            found.setdefault("context_id", unmet.context_id)
    return found


def _current(message: PositionMismatch | UnmetConditions) -> Position | Absence:
    return read_position(message.current) if message.HasField("current") else ABSENT
