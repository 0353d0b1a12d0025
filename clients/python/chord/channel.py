"""Settings of gRPC that both clients share."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from ._gen.chord.v1.context_service_pb2_grpc import ContextServiceStub
from ._gen.chord.v1.sync_service_pb2_grpc import SyncServiceStub
from .errors import unavailable


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
        return grpc.ssl_channel_credentials(self.ca or _system_roots(), self.key, self.cert)


def options(tls: Tls | None) -> list[tuple[str, Any]]:
    settings: list[tuple[str, Any]] = [
        # A delta with its old values may be larger than a document.
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        # A dead server must not look like a quiet one.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.max_pings_without_data", 0),
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
    return settings


def tls_of(tls: Tls | bool) -> Tls | None:
    return (Tls() if tls else None) if isinstance(tls, bool) else tls


#: A token, or what gives one: asked for each try of a call and each connection of a watch.
Token = str | Callable[[], str]
AsyncToken = str | Callable[[], str | Awaitable[str]]
Metadata = tuple[tuple[str, str], ...]


def metadata(token: Token | None) -> Metadata:
    with _obtaining_token():
        return _bearer(token() if callable(token) else token)


async def metadata_aio(token: AsyncToken | None) -> Metadata:
    with _obtaining_token():
        given = token() if callable(token) else token
        return _bearer(await given if isinstance(given, Awaitable) else given)


def _bearer(token: str | None) -> Metadata:
    return () if token is None else (("authorization", f"Bearer {token}"),)


@contextmanager
def _obtaining_token() -> Iterator[None]:
    """Whoever gives tokens may be away for a while, like a server: UNAVAILABLE, and tried again."""
    try:
        yield
    except Exception as error:
        raise unavailable(f"there is no token: {error}") from error


class Stubs:
    """The methods of both services, by their names."""

    def __init__(self, channel: Any) -> None:
        self._stubs = (ContextServiceStub(channel), SyncServiceStub(channel))  # type: ignore[no-untyped-call]

    def method(self, name: str) -> Callable[..., Any]:
        contexts, syncs = self._stubs
        found: Callable[..., Any] = getattr(contexts, name, None) or getattr(syncs, name)
        return found


def _system_roots() -> bytes | None:
    """None where there are none in one file: gRPC then takes those that it brings along."""
    certificates = ssl.create_default_context().get_ca_certs(binary_form=True)
    return "".join(map(ssl.DER_cert_to_PEM_cert, certificates)).encode() or None
