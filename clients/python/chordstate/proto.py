"""The messages and stubs that are generated from the protos, for `Client.stub` and `Client.stream`.

`from chordstate.proto import CleanupServiceStub, cleanup`, then
`client.stub(CleanupServiceStub).RunCleanup(cleanup.RunCleanupRequest(dry_run=True))`.
"""

from ._gen.chord.v1 import admin_service_pb2 as admin
from ._gen.chord.v1 import cleanup_service_pb2 as cleanup
from ._gen.chord.v1 import context_service_pb2 as contexts
from ._gen.chord.v1 import errors_pb2 as errors
from ._gen.chord.v1 import model_pb2 as model
from ._gen.chord.v1 import stats_pb2 as stats
from ._gen.chord.v1 import sync_service_pb2 as sync
from ._gen.chord.v1 import transfer_service_pb2 as transfer
from ._gen.chord.v1.admin_service_pb2_grpc import AdminServiceStub
from ._gen.chord.v1.cleanup_service_pb2_grpc import CleanupServiceStub
from ._gen.chord.v1.context_service_pb2_grpc import ContextServiceStub
from ._gen.chord.v1.sync_service_pb2_grpc import SyncServiceStub
from ._gen.chord.v1.transfer_service_pb2_grpc import TransferServiceStub

__all__ = [
    "AdminServiceStub",
    "CleanupServiceStub",
    "ContextServiceStub",
    "SyncServiceStub",
    "TransferServiceStub",
    "admin",
    "cleanup",
    "contexts",
    "errors",
    "model",
    "stats",
    "sync",
    "transfer",
]
