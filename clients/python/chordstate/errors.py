"""What can go wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import grpc

from .position import Absence, Position

if TYPE_CHECKING:
    from .conditions import UnmetConditions


@dataclass(frozen=True)
class FieldViolation:
    """One bad field of a request: its path as in the .proto, and what is wrong."""

    field: str
    description: str


#: Why the server refuses. An error that comes without a reason of the server has the name of its gRPC code.
Reason: TypeAlias = Literal[
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "ABORTED",
    "INVALID_ARGUMENT",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "DATA_LOSS",
    "CANCELLED",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNKNOWN",
]


class ChordError(Exception):
    """The one error of all calls; of the most frequent reasons there are subclasses."""

    def __new__(cls, reason: str, *_: object, **__: object) -> ChordError:
        return super().__new__(_KINDS.get(reason, cls) if cls is ChordError else cls)

    def __init__(
        self,
        reason: str,
        message: str,
        code: grpc.StatusCode,
        *,
        context_id: str | None = None,
        current: Position | Absence | None = None,
        unmet: UnmetConditions | None = None,
        violations: Sequence[FieldViolation] = (),
        retry_after: float | None = None,
        transient: bool = False,
        certain: bool = False,
    ) -> None:
        super().__init__(f"{reason}: {message}")
        #: A `Reason`, or one of a later server.
        self.reason: Reason | str = reason
        self.message = message
        self.code = code
        self.context_id = context_id
        #: Where the context stands that a write expected elsewhere; ABSENT: it does not exist; None: not told.
        self.current = current
        #: The conditions of a write (Unchanged, checks) that do not hold; None: it was not refused for them.
        self.unmet = unmet
        self.violations = tuple(violations)
        #: The server asks to wait this long before another try, in seconds.
        self.retry_after = retry_after
        #: Another try may succeed: the network's failure, not the request's.
        self.transient = transient
        #: The network's failure without a doubt: no count of tries makes it final.
        self.certain = certain

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.reason, self.message, self.code, self.__dict__)


def _restored(reason: str, message: str, code: grpc.StatusCode, state: dict[str, Any]) -> ChordError:
    error = ChordError(reason, message, code)
    error.__dict__.update(state)
    return error


class NotFoundError(ChordError):
    """`NOT_FOUND`: the context does not exist."""


class AlreadyExistsError(ChordError):
    """`ALREADY_EXISTS`: the context exists, and the request needs one that does not."""


class ConflictError(ChordError):
    """`ABORTED`: the context is not as the write expects; see `current` and `unmet`."""


class InvalidArgumentError(ChordError):
    """`INVALID_ARGUMENT`: the request can never succeed; see `violations`."""


class UnauthenticatedError(ChordError):
    """`UNAUTHENTICATED`: the token is missing or not accepted."""


class PermissionDeniedError(ChordError):
    """`PERMISSION_DENIED`: the caller may not do this."""


class ResourceExhaustedError(ChordError):
    """`RESOURCE_EXHAUSTED`: a size or a quota is exceeded."""


class FailedPreconditionError(ChordError):
    """`FAILED_PRECONDITION`: the configuration or the state does not allow the request."""


class UnavailableError(ChordError):
    """`UNAVAILABLE`: the server is away, or cannot serve now."""


class DeadlineExceededError(ChordError):
    """`DEADLINE_EXCEEDED`: the time of the call is over."""


class CancelledError(ChordError):
    """`CANCELLED`: the client or the replica is closed."""


_KINDS: dict[str, type[ChordError]] = {
    "NOT_FOUND": NotFoundError,
    "ALREADY_EXISTS": AlreadyExistsError,
    "ABORTED": ConflictError,
    "INVALID_ARGUMENT": InvalidArgumentError,
    "UNAUTHENTICATED": UnauthenticatedError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "RESOURCE_EXHAUSTED": ResourceExhaustedError,
    "FAILED_PRECONDITION": FailedPreconditionError,
    "UNAVAILABLE": UnavailableError,
    "DEADLINE_EXCEEDED": DeadlineExceededError,
    "CANCELLED": CancelledError,
}


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
