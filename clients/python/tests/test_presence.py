"""Members that this process keeps there, and what becomes of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any

import grpc
import grpc.aio
import pytest

import chordstate
import chordstate.aio
from chordstate import Remove
from chordstate._gen.chord.v1.context_service_pb2 import UpdateContextRequest

from .servers import Server
from .waiting import eventually

PATH = ["members", "ann"]


def members(value: chordstate.values.JsonObject | None) -> object:
    return (value or {}).get("members")


def test_a_presence_is_renewed_and_set_again(client: chordstate.Client, name: str) -> None:
    """Each fact comes to hold: on a busy machine a member may also expire before it is renewed, and be set again."""
    failures: list[chordstate.ChordError] = []

    def renewed(before: datetime) -> bool:
        return any(each.expires_at > before for each in client.get(name, include_expiries=True).expiries)

    with chordstate.Replica(client, name) as replica:

        def becomes(value: object) -> None:
            replica.wait_for(name, lambda now: members(now) == value, 60)

        with client.presence(name, PATH, {"n": 1}, 1, on_error=failures.append) as presence:
            first_end = datetime.now(timezone.utc) + timedelta(seconds=1)
            assert eventually(lambda: renewed(first_end), 60)
            becomes({"ann": {"n": 1}})
            client.update(name, mutations=[Remove(PATH)])
            becomes({"ann": {"n": 1}})
            presence.set({"n": 2})
            becomes({"ann": {"n": 2}})
        becomes({})
    assert [failure for failure in failures if failure.reason != "DEADLINE_EXCEEDED"] == []


class Holding(grpc.UnaryUnaryClientInterceptor):
    """Notes the values of updates as they pass. 2 waits until 3 has passed, or some time is over."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self.second = threading.Event()
        self.third = threading.Event()

    def intercept_unary_unary(self, go_on: Callable[..., Any], details: Any, request: Any) -> Any:
        if isinstance(request, UpdateContextRequest) and request.mutations[0].HasField("set"):
            value = request.mutations[0].set.number_value
            if value == 2:
                self.second.set()
                self.third.wait(0.2)
            self.values.append(value)
            if value == 3:
                self.third.set()
        return go_on(details, request)


def test_the_value_that_is_set_last_is_the_one_that_is_there(shared_server: Server, name: str) -> None:
    holding = Holding()
    with chordstate.connect(shared_server.address, interceptors=[holding]) as client, ThreadPoolExecutor() as threads:
        presence = client.presence(name, PATH, 1, 3600)
        two = threads.submit(presence.set, 2)
        assert holding.second.wait(60)
        presence.set(3)
        two.result(60)
        assert holding.values == [1, 2, 3]
        assert members(client.get(name).value) == {"ann": 3}
        presence.close()
        presence.close()
        with pytest.raises(chordstate.ChordError) as late:
            presence.set(4)
        assert late.value.reason == "CANCELLED"
        assert members(client.get(name).value) == {}


class HoldingAio(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self) -> None:
        self.values: list[float] = []
        self.third = asyncio.Event()

    async def intercept_unary_unary(self, go_on: Callable[..., Any], details: Any, request: Any) -> Any:
        if isinstance(request, UpdateContextRequest) and request.mutations[0].HasField("set"):
            value = request.mutations[0].set.number_value
            if value == 2:
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self.third.wait(), 0.2)
            self.values.append(value)
            if value == 3:
                self.third.set()
        return await go_on(details, request)


def test_aio_the_value_that_is_set_last_is_the_one_that_is_there(shared_server: Server, name: str) -> None:
    async def check() -> None:
        holding = HoldingAio()
        async with chordstate.aio.connect(shared_server.address, interceptors=[holding]) as client:
            presence = await client.presence(name, PATH, 1, 3600)
            await asyncio.gather(presence.set(2), presence.set(3))
            assert holding.values == [1, 2, 3]
            assert members((await client.get(name)).value) == {"ann": 3}
            await presence.close()
            await presence.close()
            with pytest.raises(chordstate.ChordError) as late:
                await presence.set(4)
            assert late.value.reason == "CANCELLED"
            assert members((await client.get(name)).value) == {}

    asyncio.run(check())


def test_a_presence_outlives_what_on_error_raises(client: chordstate.Client, name: str) -> None:
    told = threading.Event()

    def fail(_: chordstate.ChordError) -> None:
        told.set()
        raise ValueError("of the program")

    with chordstate.Replica(client, name) as replica, client.presence(name, PATH, 1, 1, on_error=fail):
        client.set(name, {"members": "not an object"})  # in the way of the presence
        assert told.wait(60)
        client.set(name, {})
        replica.wait_for(name, lambda now: members(now) == {"ann": 1}, 60)


def test_a_presence_can_be_closed_from_on_error(client: chordstate.Client, name: str) -> None:
    closed = threading.Event()
    presences: list[chordstate.Presence] = []

    def close(_: chordstate.ChordError) -> None:
        presences[0].close()
        closed.set()

    presences.append(client.presence(name, PATH, 1, 1, on_error=close))
    client.set(name, {"members": "not an object"})
    assert closed.wait(60)
    with pytest.raises(chordstate.ChordError, match="closed"):
        presences[0].set(2)


def test_a_failure_is_reported(server: Server) -> None:
    client = chordstate.connect(server.address)
    failures: list[chordstate.ChordError] = []
    with pytest.raises(chordstate.ChordError) as error:
        client.presence("a", PATH, {}, 0.5)
    assert error.value.reason == "INVALID_ARGUMENT"
    client.presence("a", PATH, {}, 1, on_error=failures.append)
    server.stop()
    client.close()
    assert [failure.reason for failure in failures][-1] in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
