"""Settings of gRPC that both clients share."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from ._gen.chord.v1.context_service_pb2_grpc import ContextServiceStub
from ._gen.chord.v1.sync_service_pb2_grpc import SyncServiceStub
from .errors import unavailable
from .hooks import Hooks, Metadata


@dataclass(frozen=True, slots=True)
class Tls:
    """All PEM."""

    #: None: the roots of the system.
    ca: bytes | None = None
    #: For servers that want to know their clients.
    key: bytes | None = None
    cert: bytes | None = None
    #: Where the certificate names another host than the address.
    server_name: str | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """The same as gRPC has them."""
        return grpc.ssl_channel_credentials(self.ca or _system_roots(), self.key, self.cert)


def options(tls: Tls | None, hooks: Hooks, address: str) -> list[tuple[str, Any]]:
    settings: list[tuple[str, Any]] = [
        # A delta with its old values may be larger than a document.
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        # A dead server must not look like a quiet one.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.max_pings_without_data", 0),
        # Without it, a frozen one is noticed when TCP gives up.
        ("grpc.http2.ping_timeout_ms", 10_000),
        # A window that does not grow to megabytes: a slow reader is to slow the stream, not to fill a buffer.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", 256 * 1024),
        # Waiting is our own business: the channel's only has to be no longer.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
        # A connection of its own, with a backoff of its own, for each client.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if tls and tls.server_name:
        settings.append(("grpc.ssl_target_name_override", tls.server_name))
        settings.append(("grpc.default_authority", tls.server_name))
    # Of two with one name, the later one would count for some of gRPC's readers alone.
    return list(dict([*settings, *hooks.options(address)]).items())


def tls_of(tls: Tls | bool) -> Tls | None:
    return (Tls() if tls else None) if isinstance(tls, bool) else tls


#: A token, or what gives one: asked for each try of a call and each connection of a watch.
Token = str | Callable[[], str]
AsyncToken = str | Callable[[], str | Awaitable[str]]


def metadata(token: Token | None, *headers: Metadata) -> Metadata:
    with _obtaining_token():
        return _with_bearer(token() if callable(token) else token, headers)


async def metadata_aio(token: AsyncToken | None, *headers: Metadata) -> Metadata:
    with _obtaining_token():
        given = token() if callable(token) else token
        return _with_bearer(await given if isinstance(given, Awaitable) else given, headers)


def _with_bearer(token: str | None, headers: Iterable[Metadata]) -> Metadata:
    bearer = () if token is None else (("authorization", f"Bearer {token}"),)
    return sum(headers, bearer)


@contextmanager
def _obtaining_token() -> Iterator[None]:
    """A token source may be away for a while, like a server: UNAVAILABLE, which is retried."""
    try:
        yield
    except Exception as error:
        raise unavailable(f"there is no token: {error}") from error


class Connection:
    """A channel, and the streams that are open on it.

    intercepted: the same, as calls see it.
    """

    def __init__(self, channel: Any, intercepted: Any) -> None:
        self.channel = channel
        self._intercepted = intercepted
        self.streams = 0
        stubs = ContextServiceStub(intercepted), SyncServiceStub(intercepted)  # type: ignore[no-untyped-call]
        self._stubs = stubs

    def state(self) -> grpc.ChannelConnectivity:
        """Of a channel for threads. Its `subscribe` would poll in a thread that ends in an error with the channel."""
        inner = self.channel
        while inner is not None and not hasattr(inner, "check_connectivity_state"):
            inner = getattr(inner, "_channel", None)  # perhaps behind a wrapper, as that of OpenTelemetry
        if inner is None:  # of another release
            return grpc.ChannelConnectivity.SHUTDOWN
        try:
            state = inner.check_connectivity_state(False)
        except ValueError:  # closed
            return grpc.ChannelConnectivity.SHUTDOWN
        return next(each for each in grpc.ChannelConnectivity if each.value[0] == state)

    def method(self, name: str | Callable[[Any], Callable[..., Any]]) -> Callable[..., Any]:
        """Of either service; or of another one, which a function finds on a channel."""
        if callable(name):
            return name(self._intercepted)
        contexts, syncs = self._stubs
        found: Callable[..., Any] = getattr(contexts, name, None) or getattr(syncs, name)
        return found


class Connections:
    """The first is that of the calls; each has at most `streams_max` streams, and the others go with their last one."""

    def __init__(self, connect: Callable[[], tuple[Any, Any]], streams_max: int) -> None:
        self._connect = connect
        self._streams_max = streams_max
        # Reentrant: the garbage collector may close a watch while this thread holds the lock.
        self._lock = threading.RLock()
        self.all = [Connection(*connect())]

    @property
    def first(self) -> Connection:
        return self.all[0]

    def take(self) -> Connection:
        """One that has room for a stream, which `give_back` ends."""
        with self._lock:
            found = next((each for each in self.all if each.streams < self._streams_max), None)
            if found is None:
                found = Connection(*self._connect())
                self.all.append(found)
            found.streams += 1
            return found

    def give_back(self, connection: Connection) -> Any:
        """Answers the channel where it is to be closed, None otherwise."""
        with self._lock:
            connection.streams -= 1
            if connection.streams > 0 or connection is self.first or connection not in self.all:
                return None
            self.all.remove(connection)
            return connection.channel


class Stream:
    """A call of a watch that gives its place back, once."""

    def __init__(self, call: Any, give_back: Callable[[], object]) -> None:
        self.call = call
        self._give_back: Callable[[], object] | None = give_back

    def cancel(self) -> None:
        self.call.cancel()
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()


#: A channel that cannot connect, and tries on by itself. One that has lost its connection is IDLE.
FAILING = (grpc.ChannelConnectivity.CONNECTING, grpc.ChannelConnectivity.TRANSIENT_FAILURE)


def _system_roots() -> bytes | None:
    """None where there are none in one file: gRPC then takes those that it brings along."""
    certificates = ssl.create_default_context().get_ca_certs(binary_form=True)
    return "".join(map(ssl.DER_cert_to_PEM_cert, certificates)).encode() or None
