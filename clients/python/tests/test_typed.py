"""Documents as the program's own types; and waiting by a predicate, and health, of both clients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, Literal, TypedDict

import pytest

import chordstate
import chordstate.aio
from chordstate.typed import read_as

from .servers import Server


class Role(str, Enum):
    GUEST = "guest"
    HOST = "host"


@dataclass
class Member:
    age: int
    role: Role = Role.GUEST
    nick: str | None = None


@dataclass(frozen=True)
class Room:
    topic: str
    members: dict[str, Member] = field(default_factory=dict)
    weights: tuple[float, ...] = ()
    state: Literal["open", "closed"] = "open"
    label: Label | None = None


class Label(TypedDict, total=False):
    text: str
    size: int


ROOM = Room("daily", {"ann": Member(40, Role.HOST), "a.b": Member(20, nick="bo")}, (1.0, 0.5), "closed", {"text": "x"})


def test_dataclasses_and_typed_dicts_come_back_as_they_went(shared_server: Server, name: str) -> None:
    with chordstate.connect(shared_server.address) as client:
        position = client.set(name, ROOM).position
        got = client.get(name, as_=Room)
        assert (got.value, got.position) == (ROOM, position)
        assert got.value.members["ann"].role is Role.HOST

        # Inside of mutations, changes and batches; members that the type does not have are ignored.
        client.update(name, {"more": 1}, [chordstate.Set(["members", "cy"], Member(1))])
        assert client.get(name, as_=Room).value.members["cy"] == Member(1)
        client.batch(chordstate.Batch().update(name, Label(size=3)))
        assert client.get(name, as_=Label).value.get("size") == 3

        # An edit writes what differs.
        unchanged = client.edit(name, lambda document: {**document, "members": ROOM.members | {"cy": Member(1)}})
        assert not unchanged.changed
        assert client.edit(name, lambda _: ROOM).changed
        assert client.get(name).value == client.get(name, version=1).value

        client.set(name, MappingProxyType({"topic": "any Mapping"}))
        with chordstate.Replica(client, name) as replica:
            replica.wait_ready()
            assert replica.get(name, as_=Room) == Room("any Mapping")
            assert replica.get("none", as_=Room) is None


def test_with_asyncio(shared_server: Server, name: str) -> None:
    async def run() -> None:
        async with chordstate.aio.connect(shared_server.address) as client:
            await client.set(name, ROOM)
            assert (await client.get(name, as_=Room)).value == ROOM
            async with chordstate.aio.Replica(client, name) as replica:
                await replica.wait_ready()
                assert replica.get(name, as_=Room) == ROOM
            assert await client.health() == "SERVING"
            with pytest.raises(chordstate.ChordError, match="NOT_FOUND"):
                await client.health("none")

            seen: list[Any] = []

            async def holds(value: dict[str, Any] | None) -> bool:
                seen.append(value and value["topic"])
                if value is not None and len(seen) == 1:
                    await client.update(name, {"topic": "weekly"})
                return value is not None and value["topic"] == "weekly"

            found = await client.until(name, holds, timeout=60)
            assert found is not None and found[0]["topic"] == "weekly" and found[1].version == 2
            assert seen == ["daily", "weekly"]
            with pytest.raises(chordstate.ChordError, match="DEADLINE_EXCEEDED"):
                await client.until(name, lambda value: value is None, timeout=0.1)
            with pytest.raises(ZeroDivisionError):
                await client.until(name, lambda value: 1 // 0 == 1)
            assert await client.until(f"{name}:none", lambda value: value is None) is None
            waiting = asyncio.ensure_future(client.until(name, lambda value: False))
            await asyncio.sleep(0)
        with pytest.raises(chordstate.ChordError, match="the client is closed"):
            await waiting

    asyncio.run(run())


def test_until_and_health(shared_server: Server, name: str) -> None:
    with chordstate.connect(shared_server.address) as client:
        assert client.health() == client.health("chord.v1.SyncService") == "SERVING"
        with pytest.raises(chordstate.ChordError, match="NOT_FOUND"):
            client.health("none")
        seen: list[Any] = []

        def holds(value: dict[str, Any] | None) -> bool:
            seen.append(value and value["n"])
            if value is None or value["n"] < 2:
                client.update(name, mutations=[chordstate.Increment("n")], allow_missing=True)
            return value is not None and value["n"] == 2

        found = client.until(name, holds, timeout=60)
        assert found is not None and found[0] == {"n": 2} and found[1].version == 2
        assert seen == [None, 1, 2]
        with pytest.raises(chordstate.ChordError, match="DEADLINE_EXCEEDED"):
            client.until(name, lambda value: value is None, timeout=0.1)
        with pytest.raises(ZeroDivisionError):
            client.until(name, lambda value: 1 // 0 == 1)
        began = threading.Event()

        def closes(value: dict[str, Any] | None) -> bool:
            began.set()
            return False

        def close() -> None:
            began.wait(30)
            client.close()

        closer = threading.Thread(target=close)
        closer.start()
        with pytest.raises(chordstate.ChordError, match="the client is closed"):
            client.until(name, closes)
        closer.join()


@pytest.mark.parametrize(
    ("as_", "document", "path"),
    [
        (Room, {}, "value.topic"),
        (Room, {"topic": 1}, "value.topic"),
        (Room, {"topic": "t", "members": {"ann": {"age": "x"}}}, "value.members.ann.age"),
        (Room, {"topic": "t", "members": {"a b": {"age": True}}}, "value.members['a b'].age"),
        (Room, {"topic": "t", "members": {"ann": {"age": 1, "role": "king"}}}, "value.members.ann.role"),
        (Room, {"topic": "t", "weights": [1, "x"]}, "value.weights[1]"),
        (Room, {"topic": "t", "state": "ajar"}, "value.state"),
        (Room, {"topic": "t", "label": {"size": 1.5}}, "value.label.size"),
        (Room, {"topic": "t", "label": []}, "value.label"),
        (dict[str, list[int]], {"a": [1, None]}, "value.a[1]"),
        (Mapping[str, Sequence[str]], {"a": "text"}, "value.a"),
        (dict[str, tuple[int, str]], {"a": [1]}, "value.a"),
        (dict[str, int | str], {"a": []}, "value.a"),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(as_: Any, document: dict[str, Any], path: str) -> None:
    with pytest.raises(chordstate.ChordError) as caught:
        read_as(as_, document)
    assert (caught.value.reason, caught.value.violations[0].field) == ("INVALID_ARGUMENT", path)


def test_what_cannot_be_sent_is_named_by_its_path(shared_server: Server, name: str) -> None:
    with chordstate.connect(shared_server.address) as client:
        with pytest.raises(chordstate.ChordError) as caught:
            client.set(name, Room("t", {"ann": Member(object())}))  # type: ignore[arg-type]
        assert caught.value.violations[0].field == "value.members.ann.age"
        with pytest.raises(chordstate.ChordError, match="neither a Mapping nor a dataclass"):
            client.set(name, Room)  # type: ignore[arg-type]
