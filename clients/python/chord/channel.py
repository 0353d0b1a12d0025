"""Settings of gRPC that both clients share."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc

from ._gen.chord.v1.context_service_pb2_grpc import ContextServiceStub
from ._gen.chord.v1.sync_service_pb2_grpc import SyncServiceStub


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


def metadata(token: str | None) -> tuple[tuple[str, str], ...]:
    return () if token is None else (("authorization", f"Bearer {token}"),)


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
