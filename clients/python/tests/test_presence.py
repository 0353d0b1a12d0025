"""Members that this process keeps there, and what becomes of them."""

from __future__ import annotations

import asyncio

import pytest

import chordstate
import chordstate.aio
from chordstate import Remove

from .servers import Server

PATH = ["members", "ann"]


def members(value: chordstate.values.JsonObject | None) -> object:
    return (value or {}).get("members")


def test_a_presence_is_renewed_set_again_and_removed(client: chordstate.Client, name: str) -> None:
    failures: list[chordstate.ChordError] = []
    with chordstate.Replica(client, name) as replica:
        with client.presence(name, PATH, {"n": 1}, 1, on_error=failures.append) as presence:
            created = client.get(name)
            # Two times to live later it is still there, at the same version.
            client.update(name, mutations=[chordstate.Set("timer", 1, 2)])
            replica.wait_for(name, lambda value: "timer" in (value or {}), 10)
            replica.wait_for(name, lambda value: "timer" not in (value or {}), 10)
            assert client.get(name).position.version == created.position.version + 2
            client.update(name, mutations=[Remove(PATH)])
            replica.wait_for(name, lambda value: value == {"members": {"ann": {"n": 1}}}, 10)
            presence.set({"n": 2})
            assert members(client.get(name).value) == {"ann": {"n": 2}}
        assert members(client.get(name).value) == {}
        presence.close()
        with pytest.raises(chordstate.ChordError) as late:
            presence.set({"n": 3})
        assert late.value.reason == "CANCELLED"
        assert members(client.get(name).value) == {}
    assert failures == []


def test_a_failure_is_reported(server: Server) -> None:
    client = chordstate.connect(server.address)
    failures: list[chordstate.ChordError] = []
    with pytest.raises(chordstate.ChordError) as error:
        client.presence("a", PATH, {}, 0.5)
    assert error.value.reason == "INVALID_ARGUMENT"
    client.presence("a", PATH, {}, 1, on_error=failures.append)
    server.stop()
    client.close()
    assert [failure.reason for failure in failures][-1:] == ["UNAVAILABLE"]


def test_aio(shared_server: Server, name: str) -> None:
    async def check() -> None:
        async with chordstate.aio.connect(shared_server.address) as client:
            presence = await client.presence(name, PATH, {"n": 1}, 1)
            await presence.set({"n": 2})
            assert members((await client.get(name)).value) == {"ann": {"n": 2}}
            await presence.close()
            await presence.close()
            with pytest.raises(chordstate.ChordError) as late:
                await presence.set({"n": 3})
            assert late.value.reason == "CANCELLED"
            assert members((await client.get(name)).value) == {}

    asyncio.run(check())
