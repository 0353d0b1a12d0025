"""What peers, networks and users do wrong; both clients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import Queue
from typing import Any

import grpc
import pytest

import chordstate
import chordstate.aio
from chordstate._gen.chord.v1 import context_service_pb2 as contexts
from chordstate._gen.chord.v1 import sync_service_pb2 as syncs
from chordstate._gen.chord.v1.context_service_pb2_grpc import (
    ContextServiceServicer,
    add_ContextServiceServicer_to_server,
)
from chordstate._gen.chord.v1.sync_service_pb2_grpc import SyncServiceServicer, add_SyncServiceServicer_to_server
from chordstate.retry import RetryPolicy

Response = syncs.WatchContextsResponse
FAST = RetryPolicy(backoff_min=0.001, backoff_max=0.002)
CAUGHT_UP = Response(caught_up={})


def position(version: int) -> dict[str, Any]:
    return {"epoch": "e", "version": version, "digest": f"d{version}"}


def at(version: int) -> chordstate.Position:
    return chordstate.Position("e", version, f"d{version}")


def full(name: str, version: int, n: int) -> Any:
    context = {"context_id": name, "position": position(version)}
    response = Response(full={"context": context, "reason": 1})
    response.full.context.value.update({"n": n})
    return response


def delta(name: str, start: int, n: int, more: bool = False, path: tuple[str, ...] = ("n",)) -> Any:
    change = {"path": path, "action": 2, "value": {"number_value": n}}
    ends = {"from": position(start), "to": position(start + 1)}
    return Response(delta={"context_id": name, **ends, "changes": [change]}, more=more)


BEGIN = [full("a", 1, 50), full("b", 1, 50), CAUGHT_UP]


class Peer(ContextServiceServicer, SyncServiceServicer):
    """Each stream gets what is put into the next queue of `streams`: messages, a status to end with, None to end."""

    def __init__(self) -> None:
        self.streams: Queue[Queue[Any]] = Queue()
        self.requests: list[Any] = []
        self.peers: list[str] = []
        self.gone: Queue[str] = Queue()
        self.in_flight = self.most = 0
        self.lock = threading.Lock()
        self.hold = threading.Event()
        self.hold.set()

    def script(self, *messages: Any, end: Any = None) -> Queue[Any]:
        stream: Queue[Any] = Queue()
        for message in messages:
            stream.put(message)
        if end is not None:
            stream.put(end)
        self.streams.put(stream)
        return stream

    def WatchContexts(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        self.requests.append(request)
        self.peers.append(context.peer())
        stream = self.streams.get(timeout=30)

        def gone() -> None:
            self.gone.put(context.peer())
            stream.put(None)

        context.add_callback(gone)
        while (message := stream.get()) is not None:
            if isinstance(message, grpc.StatusCode):
                context.abort(message, "as the test says")
            yield message

    def SetContext(self, request: Any, context: grpc.ServicerContext) -> Any:
        with self.lock:
            self.peers.append(context.peer())
            self.in_flight += 1
            self.most = max(self.most, self.in_flight)
        self.hold.wait(30)
        with self.lock:
            self.in_flight -= 1
        return contexts.SetContextResponse(changed=True)


@contextmanager
def serving(port: int = 0, peer: Peer | None = None) -> Iterator[tuple[str, Peer]]:
    peer = peer or Peer()
    server = grpc.server(ThreadPoolExecutor(32), options=[("grpc.so_reuseport", 0)])
    add_ContextServiceServicer_to_server(peer, server)  # type: ignore[no-untyped-call]
    add_SyncServiceServicer_to_server(peer, server)  # type: ignore[no-untyped-call]
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"127.0.0.1:{bound}", peer
    finally:
        peer.hold.set()
        server.stop(None).wait(10)


def known(request: Any) -> list[dict[str, int]]:
    return [{name: each.version for name, each in one.known.items()} for one in request.subscriptions]


def torn_batch(peer: Peer) -> None:
    peer.script(*BEGIN, delta("a", 1, 45, more=True), end=grpc.StatusCode.UNAVAILABLE)
    peer.script(CAUGHT_UP, delta("a", 1, 45, more=True), delta("b", 1, 55))


def seen(events: list[Any]) -> list[tuple[str, bool]]:
    return [(type(event).__name__, event.more) for event in events]


WHOLE = [("CaughtUp", False), ("Delta", True), ("Delta", False)]
RESUMED = [[{}, {}], [{"a": 1}, {"b": 1}]]


def test_a_watch_brings_a_batch_when_it_is_whole() -> None:
    with serving() as (address, peer), chordstate.connect(address, retry=FAST) as client:
        torn_batch(peer)
        watch = client.watch("a", "b")
        assert seen([next(watch) for _ in range(6)])[3:] == WHOLE
    assert [known(request) for request in peer.requests] == RESUMED


def test_a_watch_brings_a_batch_when_it_is_whole_aio() -> None:
    async def run(address: str) -> list[Any]:
        async with chordstate.aio.connect(address, retry=FAST) as client:
            watch = client.watch("a", "b")
            return [await anext(watch) for _ in range(6)]

    with serving() as (address, peer):
        torn_batch(peer)
        assert seen(asyncio.run(run(address)))[3:] == WHOLE
    assert [known(request) for request in peer.requests] == RESUMED


def total(replica: Any) -> int:
    return sum(value["n"] for value, _ in replica.state().values())


def test_no_reader_of_a_replica_sees_half_of_a_batch() -> None:
    sums: list[int] = []
    with serving() as (address, peer), chordstate.connect(address, retry=FAST) as client:
        stream = peer.script(*BEGIN)
        with chordstate.Replica(client, "a", "b") as replica:
            replica.wait_ready(30)
            replica.on_change(lambda _: sums.append(total(replica)))
            stream.put(delta("a", 1, 10, more=True))
            stream.put(delta("b", 1, 90))
            assert replica.wait_for("b", at(2), 30) == {"n": 90}
            assert replica.get("a") == {"n": 10}
            stream.put(delta("a", 2, 11))
            replica.wait_for("a", lambda value: value == {"n": 11}, 30)
    assert sums[:2] == [100, 100]


def test_no_reader_of_a_replica_sees_half_of_a_batch_aio() -> None:
    async def run(address: str, stream: Queue[Any]) -> list[int]:
        sums: list[int] = []
        async with chordstate.aio.connect(address, retry=FAST) as client:
            async with chordstate.aio.Replica(client, "a", "b") as replica:
                await replica.wait_ready(30)
                done = asyncio.Event()

                async def listener(_: Any) -> None:
                    await asyncio.sleep(0)
                    sums.append(total(replica))
                    if len(sums) == 2:
                        done.set()

                replica.on_change(listener)
                stream.put(delta("a", 1, 10, more=True))
                stream.put(delta("b", 1, 90))
                assert await replica.wait_for("b", at(2), 30) == {"n": 90}
                await asyncio.wait_for(done.wait(), 30)
        return sums

    with serving() as (address, peer):
        assert asyncio.run(run(address, peer.script(*BEGIN))) == [100, 100]


def test_a_batch_of_which_one_delta_does_not_apply_is_not_applied_at_all() -> None:
    states: list[dict[str, Any]] = []
    with serving() as (address, peer), chordstate.connect(address, retry=FAST) as client:
        gone = Response(deleted={"context_id": "a", "position": position(1), "reason": 1}, more=True)
        peer.script(*BEGIN, gone, delta("b", 1, 1, path=("missing", "n")))
        peer.script(full("b", 2, 100), CAUGHT_UP)
        lost = threading.Event()

        def note(*_: Any) -> None:
            states.append({name: value["n"] for name, (value, _) in replica.state().items()})
            lost.set()

        with chordstate.Replica(client, chordstate.Prefix(""), on_disconnect=note) as replica:
            assert lost.wait(30)
            replica.wait_for("b", at(2), 30)
            replica.wait_for("a", lambda value: value is None, 30)
    assert states == [{"a": 50, "b": 50}]
    assert known(peer.requests[1]) == [{}]


def test_a_replica_starts_with_kept_state_and_is_waited_for() -> None:
    with serving() as (address, peer), chordstate.connect(address, retry=FAST) as client:
        peer.script(*BEGIN)
        with chordstate.Replica(client, "a", "b") as first:
            first.wait_ready(30)
            state = first.state()
        peer.script(CAUGHT_UP, delta("a", 1, 51))
        replica = chordstate.Replica(client, "a", "b", state=state)
        assert replica.get("b") == {"n": 50}
        assert replica.wait_for("a", at(2), 30) == {"n": 51}
        with pytest.raises(TimeoutError):
            replica.wait_for("a", at(9), 0.01)
        with pytest.raises(ZeroDivisionError):
            replica.wait_for("a", lambda _: bool(1 / 0))
        replica.close()
        with pytest.raises(chordstate.ChordError, match="the replica is closed"):
            replica.wait_for("a", at(9))
    assert known(peer.requests[1]) == [{"a": 1}, {"b": 1}]


def test_leaving_an_asynchronous_loop_ends_the_stream() -> None:
    async def run(address: str, peer: Peer) -> None:
        async with chordstate.aio.connect(address) as client:
            async for _ in client.watch("a", "b"):
                break
            await asyncio.get_running_loop().run_in_executor(None, lambda: peer.gone.get(timeout=30))

    with serving() as (address, peer):
        peer.script(*BEGIN)
        asyncio.run(run(address, peer))


def test_a_thread_cannot_await_listeners() -> None:
    async def listener(_: Any) -> None: ...

    with chordstate.connect("127.0.0.1:1") as client, chordstate.Replica(client, "a") as replica:
        with pytest.raises(TypeError, match=r"chordstate\.aio"):
            replica.on_change(listener)


def test_a_peer_that_says_a_word_and_ends_is_asked_less_and_less() -> None:
    delays: list[float] = []
    policy = RetryPolicy(backoff_min=0.001, backoff_max=60)
    with serving() as (address, peer), chordstate.connect(address, retry=policy) as client:
        for _ in range(7):
            peer.script(Response(heartbeat={}), end=grpc.StatusCode.UNAVAILABLE)
        peer.script(CAUGHT_UP)
        next(client.watch("a", on_disconnect=lambda _, delay: delays.append(delay)))
    assert all(delay >= 0.001 * 2**n / 2 for n, delay in enumerate(delays))
    assert len(delays) == 7


def test_watches_share_connections_up_to_their_bound_and_leave_them() -> None:
    with serving() as (address, peer), chordstate.connect(address, watches_per_connection=2) as client:
        watches = []
        for name in "abc":
            peer.script(CAUGHT_UP)
            watches.append(client.watch(name))
            next(watches[-1])
        client.set("a", {})
        first, second, third, calls = peer.peers
        assert first == second == calls != third
        watches[2].close()
        assert peer.gone.get(timeout=30) == third
        assert len(client._connections.all) == 1


def test_watches_share_connections_up_to_their_bound_and_leave_them_aio() -> None:
    async def run(address: str, peer: Peer) -> None:
        async with chordstate.aio.connect(address, watches_per_connection=2) as client:
            watches = []
            for name in "abc":
                peer.script(CAUGHT_UP)
                watches.append(client.watch(name))
                await anext(watches[-1])
            await client.set("a", {})
            first, second, third, calls = peer.peers
            assert first == second == calls != third
            await watches[2].close()
            assert client._connections is not None
            assert len(client._connections.all) == 1

    with serving() as (address, peer):
        asyncio.run(run(address, peer))


def test_calls_in_flight_are_bounded_and_none_is_lost() -> None:
    with serving() as (address, peer), chordstate.connect(address, calls_in_flight=5, timeout=60) as client:
        with ThreadPoolExecutor(50) as threads:
            results = list(threads.map(lambda _: client.set("a", {}).changed, range(300)))
    assert all(results)
    assert peer.most <= 5


def test_calls_in_flight_are_bounded_and_none_is_lost_aio() -> None:
    async def run(address: str) -> list[bool]:
        async with chordstate.aio.connect(address, calls_in_flight=5, timeout=60) as client:
            return [result.changed for result in await asyncio.gather(*(client.set("a", {}) for _ in range(300)))]

    with serving() as (address, peer):
        assert all(asyncio.run(run(address)))
    assert peer.most <= 5


def test_a_call_that_waits_for_its_turn_ends_with_its_time() -> None:
    with serving() as (address, peer), chordstate.connect(address, calls_in_flight=1, timeout=60) as client:
        peer.hold.clear()
        with ThreadPoolExecutor(1) as threads:
            first = threads.submit(client.set, "a", {})
            while peer.in_flight == 0:
                pass
            with pytest.raises(chordstate.ChordError, match="1 calls of this client were in flight"):
                client.set("a", {}, timeout=0.01)
            peer.hold.set()
            assert first.result().changed


CLOSED = ("CANCELLED", "the client is closed")


def refused(call: Any) -> tuple[str, str]:
    with pytest.raises(chordstate.ChordError) as caught:
        call()
    return caught.value.reason, caught.value.message


def test_a_closed_client_says_so_everywhere_and_always_the_same() -> None:
    client = chordstate.connect("127.0.0.1:1")
    client.close()
    client.close()
    for call in (
        lambda: client.get("a"),
        lambda: next(client.list()),
        lambda: client.watch("a"),
        lambda: chordstate.Replica(client, "a"),
    ):
        assert refused(call) == CLOSED


def test_a_closed_client_says_so_everywhere_and_always_the_same_aio() -> None:
    async def run(address: str, peer: Peer) -> None:
        client = chordstate.aio.connect(address)
        peer.hold.clear()
        in_flight = asyncio.ensure_future(client.set("a", {}))
        while peer.in_flight == 0:
            await asyncio.sleep(0)
        await client.close()
        await client.close()
        for call in (in_flight, client.get("a"), anext(client.list())):
            with pytest.raises(chordstate.ChordError) as caught:
                await call
            assert (caught.value.reason, caught.value.message) == CLOSED
        assert refused(lambda: client.watch("a")) == CLOSED
        assert refused(lambda: chordstate.aio.Replica(client, "a")) == CLOSED

    with serving() as (address, peer):
        asyncio.run(run(address, peer))


NEVER = RetryPolicy(backoff_min=3600, backoff_max=3600)


def test_after_an_outage_a_watch_connects_as_soon_as_the_channel_has() -> None:
    with serving() as (address, _):
        pass
    lost = threading.Event()
    with chordstate.connect(address, retry=NEVER) as client, ThreadPoolExecutor(1) as threads:
        first = threads.submit(next, client.watch("a", on_disconnect=lambda *_: lost.set()))
        assert lost.wait(30)
        with serving(int(address.rpartition(":")[2])) as (_, peer):
            peer.script(CAUGHT_UP)
            assert first.result(30) == chordstate.CaughtUp()


def test_after_an_outage_a_watch_connects_as_soon_as_the_channel_has_aio() -> None:
    async def run(address: str) -> Any:
        lost = asyncio.Event()
        async with chordstate.aio.connect(address, retry=NEVER) as client:
            watch = client.watch("a", on_disconnect=lambda *_: lost.set())
            first = asyncio.ensure_future(anext(watch))
            await asyncio.wait_for(lost.wait(), 30)
            with serving(int(address.rpartition(":")[2])) as (_, peer):
                peer.script(CAUGHT_UP)
                return await asyncio.wait_for(first, 30)

    with serving() as (address, _):
        pass
    assert asyncio.run(run(address)) == chordstate.CaughtUp()


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda client: client.get("\ud800"), "context_id"),
        (lambda client: client.set("a", {}, request_id="\ud800"), "request_id"),
        (lambda client: next(client.list("\ud800")), "prefix"),
        (lambda client: client.watch("a", chordstate.Prefix("\ud800")), "targets[1]"),
        (lambda client: client.set("a", {"x": [float("nan")]}), "value.x[0]"),
        (lambda client: client.update("a", {"x": {1}}), "changes.x"),
        (lambda client: client.update("a", None, [chordstate.Set("p", {"x": b""})]), "mutations[0].set.x"),
        (lambda client: client.update("a", None, [chordstate.Append("p", [0, b""])]), "mutations[0].append[1]"),
        (lambda client: client.update("a", None, [chordstate.Increment("p", float("inf"))]), "mutations[0].increment"),
        (lambda client: client.update("a", None, [chordstate.Remove(["p", "\ud800"])]), "mutations[0].path[1]"),
        (
            lambda client: client.update("a", None, [chordstate.Splice("p", 0, 0, [2**53 + 1])]),
            "mutations[0].splice.insert[0]",
        ),
    ],
)
def test_a_mistake_is_named_before_anything_is_sent(call: Any, field: str) -> None:
    with chordstate.connect("127.0.0.1:1") as client, pytest.raises(chordstate.ChordError) as caught:
        call(client)
    assert caught.value.reason == "INVALID_ARGUMENT"
    assert caught.value.violations[0].field == field


def test_positions_as_text() -> None:
    where = chordstate.Position("Xk29fQ1z", 7, "0aY7rB2c")
    assert str(where) == "Xk29fQ1z:7:0aY7rB2c"
    assert chordstate.Position.parse(str(where)) == where
    assert str(chordstate.Position.parse("7")) == "7"
    for text in ["", "a:7", "7:a", "a:b:c", "a:7:b:", ":7:", "-1", "1e3", "a: 7:b", "\u0667"]:
        with pytest.raises(ValueError, match="EPOCH:VERSION:DIGEST"):
            chordstate.Position.parse(text)


class Naming(Peer):
    """Keeps the request ids."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []

    def SetContext(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.ids.append(request.request_id)
        return super().SetContext(request, context)


def test_an_empty_request_id_is_a_random_one() -> None:
    peer = Naming()
    with serving(peer=peer) as (address, _):
        with chordstate.connect(address) as client:
            client.set("a", {}, request_id="")
            client.set("a", {}, request_id="mine")

        async def check() -> None:
            async with chordstate.aio.connect(address) as client:
                await client.set("a", {}, request_id="")

        asyncio.run(check())
    batch = chordstate.Batch()
    batch.set("a", {})
    random = {peer.ids[0], peer.ids[2], batch.call("").request.request_id}
    assert (len(random), "" in random, peer.ids[1]) == (3, False, "mine")


def test_an_event_that_cannot_be_read_ends_the_watch() -> None:
    unreadable = full("a", 1, 1)
    unreadable.full.context.updated_at.seconds = 1 << 62
    with serving() as (address, peer):
        peer.script(unreadable)
        with chordstate.connect(address, retry=FAST) as client:
            watch = client.watch("a")
            with pytest.raises(chordstate.ChordError, match="cannot be read"):
                next(watch)
            assert list(watch) == []

        async def check() -> None:
            peer.script(unreadable)
            async with chordstate.aio.connect(address, retry=FAST) as client:
                watch = client.watch("a")
                with pytest.raises(chordstate.ChordError, match="cannot be read"):
                    await watch.__anext__()
                assert [event async for event in watch] == []

        asyncio.run(check())
