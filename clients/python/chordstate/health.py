"""`grpc.health.v1.Health/Check`: its messages have the bytes of two of protobuf's wrappers, one field each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from google.protobuf.wrappers_pb2 import Int32Value, StringValue

from .calls import Call
from .errors import text

#: Of a server, or of one of its services.
HealthStatus: TypeAlias = 'Literal["SERVING", "NOT_SERVING", "UNKNOWN"]'

_STATUSES: dict[int, HealthStatus] = {1: "SERVING", 2: "NOT_SERVING"}


def check(service: str) -> Call[HealthStatus]:
    def read(answer: Int32Value) -> HealthStatus:
        return _STATUSES.get(answer.value, "UNKNOWN")

    return Call(_method, StringValue(value=text("service", service)), read)


def _method(channel: Any) -> Callable[..., Any]:
    method: Callable[..., Any] = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=StringValue.SerializeToString,
        response_deserializer=Int32Value.FromString,
    )
    return method
