"""All of the service; both clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import grpc
import pytest

import chordstate
import chordstate.aio
from chordstate import AtLeast, Batch, Equals, Exists, Id, Increment, Prefix, Returning, Set
from chordstate.proto import (
    AdminServiceStub,
    CleanupServiceStub,
    ContextServiceStub,
    TransferServiceStub,
    admin,
    cleanup,
    contexts,
    transfer,
)

from .servers import Server
from .test_faults import FAST, Peer, serving

REST = "long enough that a delta is smaller than the document, also when it is merged"


def make(name: str, client: chordstate.Client) -> Batch:
    for each in ("update", "revert", "delete", "touch"):
        client.set(name + each, {"n": 1}, ttl=3600)
    client.set(f"{name}revert", {"n": 2})
    return (
        Batch()
        .set(f"{name}set", {"n": 1}, expected=chordstate.ABSENT, returning=Returning(context=True))
        .update(
            f"{name}update",
            mutations=[Increment("n")],
            checks=[Equals("n", 1)],
            annotations={"why": "a test"},
            returning=Returning(delta=True),
        )
        .revert(f"{name}revert", 1, returning=Returning(context=True))
        .delete(f"{name}delete")
        .delete(f"{name}missing", allow_missing=True)
        .touch(f"{name}touch", 0)
    )


def check(results: list[chordstate.BatchResult], again: list[chordstate.BatchResult]) -> None:
    assert [each.position and each.position.version for each in results] == [1, 2, 3, 1, None, 1]
    made, updated, reverted, _, missing, touched = results
    assert isinstance(made.context, chordstate.Context) and made.context.value == {"n": 1}
    assert updated.delta is not None and updated.delta.changes == (chordstate.Modified(("n",), 2),)
    assert updated.delta.provenance is not None and updated.delta.provenance.annotations == {"why": "a test"}
    assert isinstance(reverted.context, chordstate.Context) and reverted.context.value == {"n": 1}
    assert not missing.changed
    assert type(touched.context) is chordstate.ContextInfo and touched.context.expires_at is None
    # A repeat answers what the first one did, and touches nothing.
    assert again[:5] == results[:5] and again[5].context is None


def test_batch(client: chordstate.Client, name: str) -> None:
    batch = make(name, client)
    assert len(batch) == 6
    check(client.batch(batch, request_id="once"), client.batch(batch, request_id="once"))
    with pytest.raises(chordstate.ChordError, match="NOT_FOUND"):
        client.get(f"{name}delete")


def test_batch_aio(client: chordstate.Client, name: str) -> None:
    batch = make(name, client)

    async def run() -> None:
        async with chordstate.aio.connect(client.address) as other:
            check(await other.batch(batch, request_id="once"), await other.batch(batch, request_id="once"))

    asyncio.run(run())


def test_a_batch_is_done_whole_or_not(client: chordstate.Client, name: str) -> None:
    with pytest.raises(chordstate.ChordError) as failed:
        client.batch(Batch().set(f"{name}a", {"n": 1}).update(f"{name}b", {"n": 1}))
    assert (failed.value.reason, failed.value.context_id) == ("NOT_FOUND", f"{name}b")
    with pytest.raises(chordstate.ChordError, match="NOT_FOUND"):
        client.get(f"{name}a")

    batch = Batch().set("a", {})
    writes: list[tuple[Callable[[], object], str]] = [
        (lambda: batch.set("b", {"n": [object()]}), "writes[1].set.value.n[0]"),
        (
            lambda: batch.update("b", mutations=[Increment("n", float("nan"))]),
            "writes[1].update.mutations[0].increment",
        ),
        (lambda: batch.revert("b", -1), "writes[1].revert.version"),
        (lambda: batch.delete("\ud800"), "writes[1].delete.context_id"),
        (lambda: batch.touch("b", paths=["ab"[:1], "\ud800"]), "writes[1].touch.paths[1].keys[0]"),
        (lambda: batch.touch("b", paths="members"), "writes[1].touch.paths"),
    ]
    for write, field in writes:
        with pytest.raises(chordstate.ChordError) as refused:
            write()
        assert refused.value.violations[0].field == field
    assert len(batch) == 1


def test_the_past(client: chordstate.Client, name: str) -> None:
    first = client.set(name, {"n": 1}, returning=Returning(context=True))
    client.set(name, {"n": 2})
    was = client.get(name, version=1)
    assert (was.value, was.position) == ({"n": 1}, first.position)
    assert client.get(name, at=datetime.now(timezone.utc) + timedelta(hours=1)).value == {"n": 2}
    assert first.context is not None and first.context.created_at is not None
    with pytest.raises(chordstate.ChordError, match="NOT_FOUND"):
        client.get(name, at=first.context.created_at - timedelta(seconds=1))

    returning = Returning(context=True, delta=True, old_values=True)
    reverted = client.revert(name, 1, returning=returning, request_id="once")
    assert reverted.position.version == 3
    assert reverted.context is not None and reverted.context.value == {"n": 1}
    assert reverted.delta is not None and reverted.delta.changes == (chordstate.Modified(("n",), 1, 2),)
    assert client.revert(name, 1, returning=returning, request_id="once") == reverted
    with pytest.raises(chordstate.ChordError) as failed:
        client.revert(name, 2, expected=first.position)
    assert (failed.value.reason, failed.value.current) == ("ABORTED", reverted.position)

    async def run() -> None:
        async with chordstate.aio.connect(client.address) as other:
            assert (await other.get(name, version=2)).value == {"n": 2}
            assert (await other.revert(name, 2)).position.version == 4

    asyncio.run(run())


def test_formats_and_paths(client: chordstate.Client, name: str) -> None:
    first = client.set(name, {"members": {"ann": 1, "bob": 1}, "rest": REST}).position
    change = [Set(("members", "ann"), 2)]
    written = client.update(name, mutations=change, returning=Returning(delta=True, format="json_patch")).delta
    replaced = {"op": "replace", "path": "/members/ann", "value": 2}
    assert written is not None and (written.formatted, written.changes) == ([replaced], ())

    synced = client.sync(name, first, format="json_patch", include_old_values=True)
    assert isinstance(synced, chordstate.Delta)
    assert synced.formatted == [{"op": "test", "path": "/members/ann", "value": 1}, replaced]
    merged = {"members": {"ann": 2}}
    met = client.wait(name, [Exists("rest")], known=first, format="merge_patch").result
    assert isinstance(met, chordstate.Delta) and met.formatted == merged
    assert [page.deltas[0].formatted for page in client.deltas(name, 1, format="merge_patch", page_size=1)] == [merged]
    client.set(f"{name}null", {"n": 1})
    lost = client.update(f"{name}null", {"n": None}, returning=Returning(delta=True, format="merge_patch")).delta
    assert lost is not None and lost.formatted is chordstate.ABSENT and "null" in lost.inexpressible
    for delta in (written, lost):
        with pytest.raises(chordstate.DeltaMismatch, match="another format"):
            chordstate.apply(delta, {})

    paths = [("members", "bob")]
    part = client.sync(name, paths=paths)
    assert isinstance(part, chordstate.Full) and part.value == {"members": {"bob": 1}}
    held = client.wait(name, [AtLeast(("members", "ann"), 2)], paths=paths).result
    assert isinstance(held, chordstate.Full) and held.value == {"members": {"bob": 1}}


def test_watches_and_replicas_of_parts(client: chordstate.Client, name: str) -> None:
    first = client.set(name, {"members": {"ann": 1}, "rest": REST}).position
    target = Id(name, ["members"])
    with client.watch(target, format="merge_patch") as watch, chordstate.Replica(client, target) as replica:
        full = next(watch)
        assert isinstance(full, chordstate.Full) and full.value == {"members": {"ann": 1}}
        assert isinstance(next(watch), chordstate.CaughtUp)
        replica.wait_ready(30)
        change = [Set(("members", "bob"), 2), Set("rest", "other")]
        second = client.update(name, mutations=change).position
        delta = next(watch)
        assert isinstance(delta, chordstate.Delta) and delta.formatted == {"members": {"bob": 2}}
        replica.wait_for(name, second, timeout=30)
        assert replica.get(name) == {"members": {"ann": 1, "bob": 2}}
    # One that resumes has the same parts.
    with client.watch(Prefix(name, ["members"]), known={name: first}) as resumed:
        delta = next(resumed)
        assert isinstance(delta, chordstate.Delta) and len(delta.changes) == 1
    with pytest.raises(chordstate.ChordError, match=r"targets\[0\].paths\[0\].keys\[0\]"):
        client.watch(Id(name, ["\ud800"]))


def test_pages(client: chordstate.Client, name: str) -> None:
    for n in range(5):
        client.set(f"{name}{n}", {})
    assert [each.context_id for each in client.list(name, page_size=2)] == [f"{name}{n}" for n in range(5)]
    with pytest.raises(chordstate.ChordError, match="INVALID_ARGUMENT"):
        next(client.list(name, page_size=-1))


@pytest.fixture
def exporting(tmp_path: Path) -> Any:
    server = Server(tmp_path / "data", "--export-url", f"file:{tmp_path / 'exports'}")
    yield server
    server.stop()


def test_every_other_call(exporting: Server) -> None:
    with chordstate.connect(exporting.address) as client:
        client.set("room:1", {"n": 1})
        swept = client.stub(CleanupServiceStub).RunCleanup(cleanup.RunCleanupRequest(dry_run=True), repeatable=True)
        assert swept.result.dry_run

        transfers = client.stub(TransferServiceStub)
        progress = transfers.ExportContexts(transfer.ExportContextsRequest(history=True))
        assert [each.progress.done for each in progress] == [0, 1]
        with pytest.raises(chordstate.ChordError, match="ALREADY_EXISTS"):
            transfers.RestoreContext(transfer.RestoreContextRequest(context_id="room:1"))

        server = client.stub(AdminServiceStub)
        with server.Backup(admin.BackupRequest()) as backup:
            assert next(backup).start.format > 0
        with pytest.raises(StopIteration):
            next(backup)
        with pytest.raises(chordstate.ChordError, match="INVALID_ARGUMENT"):
            next(server.WatchStats(admin.WatchStatsRequest(interval={"nanos": 1000})))
        stats = server.WatchStats(admin.WatchStatsRequest(interval={"nanos": 100_000_000}))
        assert next(stats).stats.server.backend == "lmdb"
    calls: list[Callable[[], object]] = [
        lambda: next(stats),
        lambda: server.WatchStats(admin.WatchStatsRequest()),
        lambda: client.stub(CleanupServiceStub).GetCleanup(cleanup.GetCleanupRequest()),
    ]
    for after in calls:
        with pytest.raises(chordstate.ChordError, match="the client is closed"):
            after()


def test_every_other_call_aio(exporting: Server) -> None:
    async def run() -> None:
        client = chordstate.aio.connect(exporting.address)
        await client.set("room:1", {"n": 1})
        sweeps = client.stub(CleanupServiceStub)
        swept = await sweeps.RunCleanup(cleanup.RunCleanupRequest(dry_run=True), repeatable=True)
        assert swept.result.dry_run
        transfers = client.stub(TransferServiceStub)
        progress = transfers.ExportContexts(transfer.ExportContextsRequest(history=True))
        assert [each.progress.done async for each in progress] == [0, 1]
        with pytest.raises(chordstate.ChordError, match="ALREADY_EXISTS"):
            await transfers.RestoreContext(transfer.RestoreContextRequest(context_id="room:1"))
        server = client.stub(AdminServiceStub)
        async with server.Backup(admin.BackupRequest()) as backup:
            assert (await backup.__anext__()).start.format > 0
        with pytest.raises(StopAsyncIteration):
            await backup.__anext__()
        stats = server.WatchStats(admin.WatchStatsRequest(interval={"nanos": 100_000_000}))
        assert (await stats.__anext__()).stats.server.backend == "lmdb"
        reading = asyncio.ensure_future(stats.__anext__())
        await asyncio.sleep(0)
        await client.close()
        with pytest.raises(chordstate.ChordError, match="the client is closed"):
            await reading
        with pytest.raises(chordstate.ChordError, match="the client is closed"):
            await sweeps.GetCleanup(cleanup.GetCleanupRequest())
        with pytest.raises(chordstate.ChordError, match="the client is closed"):
            server.WatchStats(admin.WatchStatsRequest())

    asyncio.run(run())


class Refusing(Peer):
    """Each other call."""

    calls = 0

    def SetContext(self, request: Any, context: Any) -> Any:
        self.calls += 1
        if self.calls % 2:
            context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        return contexts.SetContextResponse(changed=True)


def test_a_repeatable_call_is_tried_again() -> None:
    peer = Refusing()
    with serving(peer=peer) as (address, _), chordstate.connect(address, retry=FAST) as client:
        stub = client.stub(ContextServiceStub)
        assert stub.SetContext(contexts.SetContextRequest(), repeatable=True).changed
        assert peer.calls == 2
        with pytest.raises(chordstate.ChordError, match="UNAVAILABLE"):
            stub.SetContext(contexts.SetContextRequest())
        assert peer.calls == 3
