"""What no real server can be made to do at will: a server of gRPC's own, with scripted answers."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
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

Response = syncs.WatchContextsResponse
FAST = chordstate.RetryPolicy(backoff_min=0.001, backoff_max=0.002)


class Scripted(ContextServiceServicer, SyncServiceServicer):
    """Notes requests and metadata; answers Get, Set and Watch as the test says."""

    def __init__(self, answer: Callable[[Any], Any], streams: list[list[Any]]) -> None:
        self.answer, self.streams = answer, streams
        self.requests: list[Any] = []
        self.metadata: list[dict[str, Any]] = []

    def note(self, request: Any, context: grpc.ServicerContext) -> None:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))

    def GetContext(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.note(request, context)
        return self.answer(context)

    SetContext = GetContext

    def WatchContexts(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        self.note(request, context)
        for message in self.streams.pop(0):
            if isinstance(message, grpc.StatusCode):
                context.abort(message, "as the test says")
            yield message


@contextmanager
def serving(
    answer: Callable[[Any], Any] = lambda context: contexts.GetContextResponse(),
    streams: list[list[Any]] | None = None,
    credentials: grpc.ServerCredentials | None = None,
) -> Iterator[tuple[str, Scripted]]:
    scripted = Scripted(answer, streams or [])
    server = grpc.server(ThreadPoolExecutor(4))
    add_ContextServiceServicer_to_server(scripted, server)  # type: ignore[no-untyped-call]
    add_SyncServiceServicer_to_server(scripted, server)  # type: ignore[no-untyped-call]
    host = "127.0.0.1:0"
    port = server.add_secure_port(host, credentials) if credentials else server.add_insecure_port(host)
    server.start()
    try:
        yield f"127.0.0.1:{port}", scripted
    finally:
        server.stop(None).wait(10)


def position(version: int) -> dict[str, Any]:
    return {"epoch": "e", "version": version, "digest": f"d{version}"}


def full(version: int) -> Any:
    return Response(full={"context": {"context_id": "a", "position": position(version)}, "reason": 1})


def delta(start: int, end: int) -> Any:
    return Response(delta={"context_id": "a", "from": position(start), "to": position(end)})


def known(request: Any) -> list[int]:
    return [each.version for subscription in request.subscriptions for each in subscription.known.values()]


def versions(watch: chordstate.Watch, count: int) -> list[int]:
    """Of the positions that the next events lead to."""
    events = list(islice(watch, count))
    return [event.to.version if isinstance(event, chordstate.Delta) else event.position.version for event in events]  # type: ignore[union-attr]


def test_the_token_goes_with_every_call() -> None:
    with serving(streams=[[full(1)]]) as (address, server), chordstate.connect(address, token="secret") as client:
        client.get("a")
        next(client.watch("a"))
    assert [each["authorization"] for each in server.metadata] == ["Bearer secret"] * 2


def refusing_what_expires() -> list[list[Any]]:
    return [
        [full(1), grpc.StatusCode.UNAUTHENTICATED],
        [grpc.StatusCode.UNAUTHENTICATED],
        [grpc.StatusCode.UNAUTHENTICATED],
    ]


def token_source() -> Callable[[], str]:
    """Gives one after the other; the second time it fails."""
    count = iter(range(1, 100))

    def source() -> str:
        number = next(count)
        if number == 2:
            raise OSError("asleep")
        return str(number)

    return source


# The last is asked for once more, and then the refusal is final.
TOKENS_SEEN = ["Bearer 1", "Bearer 3", "Bearer 4", "Bearer 5", "Bearer 6"]


def test_a_token_may_change_be_missing_and_expire() -> None:
    with serving(streams=refusing_what_expires()) as (address, server):
        with chordstate.connect(address, token=token_source(), retry=FAST) as client:
            client.get("a")
            client.get("a")
            watch = client.watch("a")
            assert versions(watch, 1) == [1]
            with pytest.raises(chordstate.ChordError) as caught:
                next(watch)
    assert caught.value.reason == "UNAUTHENTICATED"
    assert [each["authorization"] for each in server.metadata] == TOKENS_SEEN


def test_a_token_may_be_awaited() -> None:
    source = token_source()

    async def token() -> str:
        return source()

    async def calls(address: str) -> None:
        async with chordstate.aio.connect(address, token=token, retry=FAST) as client:
            await client.get("a")
            await client.get("a")
            watch = client.watch("a")
            await watch.__anext__()
            with pytest.raises(chordstate.ChordError) as caught:
                await watch.__anext__()
            assert caught.value.reason == "UNAUTHENTICATED"

    with serving(streams=refusing_what_expires()) as (address, server):
        asyncio.run(asyncio.wait_for(calls(address), 60))
    assert [each["authorization"] for each in server.metadata] == TOKENS_SEEN


def test_every_try_of_a_write_has_the_same_request_id() -> None:
    answers = iter([grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, None])

    def answer(context: grpc.ServicerContext) -> Any:
        if code := next(answers):
            context.abort(code, "")
        return contexts.SetContextResponse(changed=True)

    with serving(answer) as (address, server), chordstate.connect(address, retry=FAST) as client:
        assert client.set("a", {}).changed
    ids = {request.request_id for request in server.requests}
    assert len(server.requests) == 3
    assert len(ids) == 1
    assert ids != {""}


def test_a_try_that_takes_too_long_is_tried_again() -> None:
    calls = itertools.count()
    given_up = threading.Event()

    def answer(context: grpc.ServicerContext) -> Any:
        if next(calls) == 0:
            context.add_callback(given_up.set)
            given_up.wait(60)
        return contexts.GetContextResponse()

    policy = chordstate.RetryPolicy(attempts=1000, attempt_timeout=0.2, backoff_min=0.001, backoff_max=0.01)
    with serving(answer) as (address, server), chordstate.connect(address, timeout=60, retry=policy) as client:
        assert client.get("a").value == {}
    assert given_up.is_set()
    assert len(server.requests) >= 2  # a slow machine cuts off other tries, too


def test_errors_of_the_server_are_final() -> None:
    def answer(context: grpc.ServicerContext) -> Any:
        context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")

    with serving(answer) as (address, server), chordstate.connect(address) as client:
        with pytest.raises(chordstate.ChordError) as caught:
            client.get("a")
    assert (caught.value.reason, caught.value.message) == ("PERMISSION_DENIED", "no")
    assert caught.value.code is grpc.StatusCode.PERMISSION_DENIED
    assert len(server.requests) == 1


def test_a_watch_asks_again_from_where_it_stands() -> None:
    streams = [
        [full(1), delta(1, 3)],  # and ends without an error
        [delta(3, 4), grpc.StatusCode.INTERNAL],
        [full(4), delta(4, 5), Response(closing={"retry_after": {"nanos": 1000}}), grpc.StatusCode.UNAVAILABLE],
        [delta(5, 6)],
    ]
    with serving(streams=streams) as (address, server), chordstate.connect(address, retry=FAST) as client:
        with client.watch("a") as watch:
            assert versions(watch, 5) == [1, 3, 4, 5, 6]
    assert [known(request) for request in server.requests] == [[], [3], [4], [5]]


def test_a_watch_waits_as_long_as_closing_says() -> None:
    delays: list[float] = []
    streams = [[Response(closing={"retry_after": {"nanos": 50_000_000}}), grpc.StatusCode.UNAVAILABLE], [full(1)]]
    with serving(streams=streams) as (address, _), chordstate.connect(address, retry=FAST) as client:
        next(client.watch("a", on_disconnect=lambda _, delay: delays.append(delay)))
    assert delays == [0.05]


def test_a_gap_brings_the_document() -> None:
    streams = [[full(1), delta(2, 3)], [full(3)]]
    with serving(streams=streams) as (address, server), chordstate.connect(address, retry=FAST) as client:
        with client.watch("a") as watch:
            assert versions(watch, 2) == [1, 3]
    assert [known(request) for request in server.requests] == [[], []]


def test_a_watch_gives_up_on_errors_that_stay() -> None:
    streams: list[list[Any]] = [[grpc.StatusCode.UNKNOWN]] * 6
    with serving(streams=streams) as (address, _), chordstate.connect(address, retry=FAST) as client:
        with pytest.raises(chordstate.ChordError) as caught:
            next(client.watch("a"))
    assert caught.value.reason == "UNKNOWN"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is needed to make certificates")
def test_tls(tmp_path: Path) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=chord.test"
    outputs = ["-addext", "subjectAltName=DNS:chord.test", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*command.split(), *outputs], check=True, capture_output=True)
    pair = [(key.read_bytes(), cert.read_bytes())]
    mutual = grpc.ssl_server_credentials(pair, cert.read_bytes(), require_client_auth=True)
    tls = chordstate.Tls(ca=cert.read_bytes(), key=key.read_bytes(), cert=cert.read_bytes(), server_name="chord.test")
    with serving(credentials=mutual) as (address, _):
        with chordstate.connect(address, tls=tls, token="secret") as client:
            assert client.get("a").value == {}
        with (
            chordstate.connect(address, tls=True, retry=chordstate.RetryPolicy(attempts=2)) as stranger,
            pytest.raises(chordstate.ChordError) as caught,
        ):
            stranger.get("a")
    assert caught.value.reason == "UNAVAILABLE"
