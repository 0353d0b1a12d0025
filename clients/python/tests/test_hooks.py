"""What a program adds to the client, over a socket: headers, interceptors, endpoints, user agent, log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

import chordstate
import chordstate.aio
from chordstate._gen.chord.v1 import context_service_pb2 as contexts

from .servers import Server
from .test_faults import Peer, serving

FAST = chordstate.RetryPolicy(attempts=5, attempt_timeout=60, backoff_min=0.001, backoff_max=0.01)


class Noting(Peer):
    """Keeps the headers; its first call fails, and its watches end at once."""

    def __init__(self) -> None:
        super().__init__()
        self.headers: list[dict[str, Any]] = []

    def SetContext(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.headers.append(dict(context.invocation_metadata()))
        if len(self.headers) == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        return contexts.SetContextResponse(changed=True)

    def WatchContexts(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.headers.append(dict(context.invocation_metadata()))
        context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")


def check(headers: list[dict[str, Any]]) -> None:
    assert len(headers) == 3, "two tries and a watch"
    for each in headers:
        assert (each["x-tenant"], each["x-request"], each["authorization"]) == ("a", "7", "Bearer t")
        version = chordstate.__version__
        assert each["user-agent"].startswith(f"shop/1.2 chordstate-python/{version} grpc-python")


def test_headers_of_the_client_and_of_a_call() -> None:
    peer = Noting()
    with serving(peer=peer) as (address, _):
        hooks: dict[str, Any] = {"metadata": {"X-Tenant": "a"}, "user_agent": "shop/1.2", "token": "t", "retry": FAST}
        with chordstate.connect(address, **hooks) as client, chordstate.call_metadata({"x-request": "7"}):
            client.set("a", {})
            with chordstate.Replica(client, "a", on_error=lambda error: None) as replica:  # in a thread of its own
                with pytest.raises(chordstate.ChordError, match="PERMISSION_DENIED"):
                    replica.wait_ready()
        check(peer.headers)
        peer.headers.clear()

        async def run() -> None:
            async with chordstate.aio.connect(address, **hooks) as client:
                with chordstate.call_metadata({"x-request": "7"}):
                    await client.set("a", {})
                    watch = client.watch("a")
                with pytest.raises(chordstate.ChordError, match="PERMISSION_DENIED"):
                    await watch.__anext__()

        asyncio.run(run())
        check(peer.headers)
    with pytest.raises(chordstate.ChordError) as caught:
        chordstate.connect(address, metadata={"x": "a\nb"})
    assert caught.value.violations[0].field == "metadata.x"


class Seen(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    def __init__(self) -> None:
        self.methods: list[str] = []

    def intercept_unary_unary(self, go_on: Callable[..., Any], details: Any, request: Any) -> Any:
        self.methods.append(details.method)
        return go_on(details, request)

    def intercept_unary_stream(self, go_on: Callable[..., Any], details: Any, request: Any) -> Any:
        return self.intercept_unary_unary(go_on, details, request)


class SeenAio(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self) -> None:
        self.methods: list[Any] = []

    async def intercept_unary_unary(self, go_on: Callable[..., Any], details: Any, request: Any) -> Any:
        self.methods.append(details.method)
        return await go_on(details, request)


def test_interceptors_see_each_try() -> None:
    set_context = "/chord.v1.ContextService/SetContext"
    peer = Noting()
    with serving(peer=peer) as (address, _):
        seen = Seen()
        options = [("grpc.primary_user_agent", "mine")]
        with chordstate.connect(address, retry=FAST, interceptors=[seen], channel_options=options) as client:
            client.set("a", {})
            with pytest.raises(chordstate.ChordError, match="PERMISSION_DENIED"):
                next(client.watch("a"))
        assert seen.methods == [set_context, set_context, "/chord.v1.SyncService/WatchContexts"]
        assert peer.headers[0]["user-agent"].startswith("mine grpc-python")
        peer.headers.clear()
        seen_aio = SeenAio()

        async def run() -> None:
            async with chordstate.aio.connect(address, retry=FAST, interceptors=[seen_aio]) as client:
                await client.set("a", {})

        asyncio.run(run())
        assert [each if isinstance(each, str) else each.decode() for each in seen_aio.methods] == [set_context] * 2


def test_several_endpoints_take_their_turns() -> None:
    with ExitStack() as stack:
        peers = [stack.enter_context(serving()) for _ in range(2)]
        addresses = [address for address, _ in peers]
        with chordstate.connect(addresses[0], endpoints=addresses[1:], retry=FAST) as client:
            while not all(peer.peers for _, peer in peers):
                client.set("a", {})
        with pytest.raises(chordstate.ChordError, match="dns:///NAME:PORT"):
            chordstate.connect(addresses[0], endpoints=["chord.example.com:443"])


def test_a_lost_connection_is_logged(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "chordstate")
    with chordstate.connect(server.address, retry=FAST) as client, client.watch("a") as watch:
        # Both before the stop: what is still on its way then does not come twice.
        assert isinstance(next(watch), chordstate.Absent)
        assert isinstance(next(watch), chordstate.CaughtUp)
        server.restart()
        assert isinstance(next(watch), chordstate.CaughtUp)
    assert any("a watch lost its connection" in each.message for each in caplog.records)


@contextmanager
def logging_to(emit: Callable[[logging.LogRecord], None]) -> Iterator[None]:
    handler = logging.Handler(logging.ERROR)
    handler.handle = emit  # type: ignore[method-assign,assignment]
    logging.getLogger("chordstate").addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger("chordstate").removeHandler(handler)


def test_the_end_of_a_replica_is_logged_before_it_can_be_seen() -> None:
    peer = Peer()
    with serving(peer=peer) as (address, _), chordstate.connect(address, retry=FAST) as client:
        replicas = [chordstate.Replica(client, "a")]
        lines: list[str] = []

        def emit(record: logging.LogRecord) -> None:
            with pytest.raises(TimeoutError):
                replicas[0].wait_for("a", lambda _: False, 0)
            lines.append(record.getMessage())

        with logging_to(emit):
            peer.script(end=grpc.StatusCode.PERMISSION_DENIED)
            with pytest.raises(chordstate.ChordError, match="PERMISSION_DENIED"):
                replicas[0].wait_ready(30)
        assert lines == ["a replica has ended"]

        async def run() -> None:
            async with chordstate.aio.connect(address, retry=FAST) as client:
                replica = chordstate.aio.Replica(client, "a")
                with logging_to(lambda _: lines.append(f"settled: {replica._settled.is_set()}")):
                    peer.script(end=grpc.StatusCode.PERMISSION_DENIED)
                    with pytest.raises(chordstate.ChordError, match="PERMISSION_DENIED"):
                        await replica.wait_ready(30)

        asyncio.run(run())
        assert lines[1:] == ["settled: False"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_callbacks_and_loggers_that_fail_leave_no_waiter() -> None:
    heard: list[str] = []

    def fail(*of: object) -> None:
        heard.append(type(of[0]).__name__)
        raise ValueError("of the program")

    def script(peer: Peer) -> None:
        peer.script(end=grpc.StatusCode.UNAVAILABLE)
        peer.script(end=grpc.StatusCode.PERMISSION_DENIED)

    peer = Peer()
    with serving(peer=peer) as (address, _):
        with chordstate.connect(address, retry=FAST) as client, logging_to(fail):
            script(peer)
            with chordstate.Replica(client, "a") as replica:
                with pytest.raises(chordstate.ChordError, match="PERMISSION_DENIED"):
                    replica.wait_ready(30)
        assert heard == ["LogRecord"]
        heard.clear()
        with chordstate.connect(address, retry=FAST) as client:
            script(peer)
            with chordstate.Replica(client, "a", on_error=fail, on_disconnect=fail) as replica:
                with pytest.raises(chordstate.ChordError, match="PERMISSION_DENIED"):
                    replica.wait_ready(30)
        assert heard == ["UnavailableError", "ValueError", "PermissionDeniedError"]
        heard.clear()

        async def fail_later(error: Exception) -> None:
            await asyncio.sleep(0)
            fail(error)

        async def run() -> None:
            script(peer)
            async with chordstate.aio.connect(address, retry=FAST) as client:
                async with chordstate.aio.Replica(client, "a", on_error=fail_later, on_disconnect=fail) as replica:
                    with pytest.raises(chordstate.ChordError, match="PERMISSION_DENIED"):
                        await replica.wait_ready(30)

        asyncio.run(run())
        assert heard == ["UnavailableError", "ValueError", "PermissionDeniedError"]


def test_spans_of_opentelemetry() -> None:
    pytest.importorskip("opentelemetry.instrumentation.grpc")
    from opentelemetry import trace
    from opentelemetry.instrumentation.grpc import GrpcAioInstrumentorClient, GrpcInstrumentorClient
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    trace.set_tracer_provider(provider)
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    def check_spans(headers: list[dict[str, Any]]) -> None:
        spans = exporter.get_finished_spans()
        assert [each.name for each in spans] == ["/chord.v1.ContextService/SetContext"] * 2
        assert [each.status.is_ok for each in spans] == [False, True]
        ids = [f"{each.context.trace_id:032x}-{each.context.span_id:016x}" for each in spans]
        assert [each["traceparent"][3:-3] for each in headers] == ids
        exporter.clear()
        headers.clear()

    peer = Noting()
    with serving(peer=peer) as (address, _):
        instrumentor = GrpcInstrumentorClient()  # type: ignore[no-untyped-call]
        instrumentor.instrument()
        try:
            with chordstate.connect(address, retry=FAST) as client:
                client.set("a", {})
                # Its wrapper hides no state of the channel.
                assert client._connections.first.state() is grpc.ChannelConnectivity.READY
        finally:
            instrumentor.uninstrument()
        check_spans(peer.headers)

        async def run() -> None:
            async with chordstate.aio.connect(address, retry=FAST) as client:
                await client.set("a", {})

        instrumentor_aio = GrpcAioInstrumentorClient()  # type: ignore[no-untyped-call]
        instrumentor_aio.instrument()
        try:
            asyncio.run(run())
        finally:
            instrumentor_aio.uninstrument()
        check_spans(peer.headers)
