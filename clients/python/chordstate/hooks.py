"""What a program adds to the client: headers, interceptors, options of gRPC's channels, several endpoints."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from .errors import text, unsendable

#: Headers, as gRPC has them.
Metadata = tuple[tuple[str, str], ...]

_of_calls: ContextVar[Metadata] = ContextVar("chordstate_metadata", default=())


@contextmanager
def call_metadata(headers: Mapping[str, str]) -> Iterator[None]:
    """`with call_metadata({"x-request-id": "7"}):` sends headers with each call and watch that begins in the block.

    Of this thread or task, and of tasks that begin in it; blocks inside of each other add up.
    """
    before = _of_calls.set((*_of_calls.get(), *headers_of(headers)))
    try:
        yield
    finally:
        _of_calls.reset(before)


def headers_of_calls() -> Metadata:
    """What `call_metadata` sends here."""
    return _of_calls.get()


def headers_of(headers: Mapping[str, str] | None) -> Metadata:
    """Raises ChordError for what no header can hold."""
    made = []
    for name, value in (headers or {}).items():
        text("metadata", name)
        if not value.isascii() or not value.isprintable():
            raise unsendable(f"metadata.{name}", "a header is printable ASCII")
        made.append((name.lower(), value))
    return tuple(made)


@dataclass(frozen=True, slots=True)
class Hooks:
    """Of `connect`, where they are told."""

    endpoints: Sequence[str] = ()
    metadata: Metadata = ()
    interceptors: Sequence[Any] = ()
    channel_options: Sequence[tuple[str, Any]] = ()
    user_agent: str = ""

    def target(self, address: str) -> str:
        """What a channel connects to. gRPC takes lists of IP addresses alone: names are for DNS."""
        if not self.endpoints:
            return address
        addresses = (address, *self.endpoints)
        schemes = {_scheme_of(each) for each in addresses}
        if len(schemes) > 1:
            raise unsendable("endpoints", "either all are IPv4, or all are IPv6")
        return f"{schemes.pop()}:{','.join(addresses)}"

    def options(self, address: str) -> list[tuple[str, Any]]:
        """Those of the program come last, and win."""
        from . import __version__

        agent = f"{self.user_agent} chordstate-python/{__version__}".lstrip()
        made: list[tuple[str, Any]] = [("grpc.primary_user_agent", agent)]
        if self.endpoints or address.startswith("dns:"):
            made.append(("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})))
        return [*made, *self.channel_options]


def _scheme_of(address: str) -> str:
    host, _, port = address.rpartition(":")
    try:
        version = ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).version
        int(port)
    except ValueError:
        reason = f"{address!r} is no IP:PORT; of a name with several addresses, connect to dns:///NAME:PORT"
        raise unsendable("endpoints", reason) from None
    return f"ipv{version}"
