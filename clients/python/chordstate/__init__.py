"""The client of Chord: `with chordstate.connect("127.0.0.1:50051") as client`; for asyncio see `chordstate.aio`."""

from .apply import DeltaMismatch, apply
from .batch import Batch
from .blame import BlameLine, BlamePage, BlameRun
from .channel import Tls
from .client import Client
from .conditions import AtLeast, AtMost, Check, Equals, Exists, Missing, Unchanged, UnmetCondition, UnmetConditions
from .copies import ReplicaChange, State
from .errors import (
    AlreadyExistsError,
    CancelledError,
    ChordError,
    ConflictError,
    DeadlineExceededError,
    FailedPreconditionError,
    FieldViolation,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    Reason,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
)
from .health import HealthStatus
from .hooks import call_metadata
from .model import (
    Absent,
    Added,
    BatchResult,
    CaughtUp,
    Change,
    Context,
    ContextInfo,
    Deleted,
    DeleteResult,
    Delta,
    DeltaPage,
    Event,
    ExpiringContext,
    Full,
    MemberExpiry,
    Modified,
    NoChange,
    Provenance,
    Removed,
    Spliced,
    TextSpliced,
    TypedContext,
    UnknownChange,
    Waited,
    WriteResult,
)
from .position import ABSENT, Position
from .presence import Presence
from .replica import Replica
from .requests import Append, AppendText, Increment, Mutation, Remove, Returning, Set, Splice, SpliceText
from .retry import RetryPolicy
from .stubs import Answers
from .tracker import Id, Prefix, Target
from .values import Dataclass, Document
from .watch import Watch

#: `connect(address, ...)` is `Client(address, ...)`.
connect = Client

__version__ = "0.1.0"

__all__ = [
    "ABSENT",
    "Absent",
    "Added",
    "AlreadyExistsError",
    "Answers",
    "Append",
    "AppendText",
    "AtLeast",
    "AtMost",
    "Batch",
    "BatchResult",
    "BlameLine",
    "BlamePage",
    "BlameRun",
    "CancelledError",
    "CaughtUp",
    "Change",
    "Check",
    "ChordError",
    "Client",
    "ConflictError",
    "Context",
    "ContextInfo",
    "Dataclass",
    "DeadlineExceededError",
    "DeleteResult",
    "Deleted",
    "Delta",
    "DeltaMismatch",
    "DeltaPage",
    "Document",
    "Equals",
    "Event",
    "Exists",
    "ExpiringContext",
    "FailedPreconditionError",
    "FieldViolation",
    "Full",
    "HealthStatus",
    "Id",
    "Increment",
    "InvalidArgumentError",
    "MemberExpiry",
    "Missing",
    "Modified",
    "Mutation",
    "NoChange",
    "NotFoundError",
    "PermissionDeniedError",
    "Position",
    "Prefix",
    "Presence",
    "Provenance",
    "Reason",
    "Remove",
    "Removed",
    "Replica",
    "ReplicaChange",
    "ResourceExhaustedError",
    "RetryPolicy",
    "Returning",
    "Set",
    "Splice",
    "SpliceText",
    "Spliced",
    "State",
    "Target",
    "TextSpliced",
    "Tls",
    "TypedContext",
    "UnauthenticatedError",
    "UnavailableError",
    "Unchanged",
    "UnknownChange",
    "UnmetCondition",
    "UnmetConditions",
    "Waited",
    "Watch",
    "WriteResult",
    "apply",
    "call_metadata",
    "connect",
]
