"""A guest in a chat room that guests in other languages share: joins, shows what happens, says a few lines, leaves.

`make demo` in the root seats five together; alone: `python examples/chatroom.py [HOST:PORT]`.
"""

import asyncio
import json
import random
import sys
from collections.abc import Callable
from typing import Any

import chordstate.aio
from chordstate import Append, Increment, ReplicaChange

ROOM = "room:lobby"
NAME = "python"
LINES = ["Hello, Python here.", "To me the room is a dict.", "That is all I import. Bye!"]
# `seats` is how many guests the talk waits for, if anybody set that.
EMPTY: dict[str, Any] = {"seats": 0, "joined": 0, "participants": {}, "messages": []}


async def main(address: str) -> None:
    async with chordstate.aio.connect(address) as client, chordstate.aio.Replica(client, ROOM) as replica:
        changed = asyncio.Event()

        def room() -> dict[str, Any]:
            return EMPTY | (replica.get(ROOM) or {})  # the local copy as it is now: a read makes no call

        async def until(met: Callable[[dict[str, Any]], bool]) -> None:
            while not met(room()):
                changed.clear()
                await changed.wait()

        replica.on_change(Screen().show)
        replica.on_change(lambda _: changed.set())
        await replica.wait_ready()

        # Goes when this guest leaves, or soon after it has died.
        presence = await client.presence(ROOM, ["participants", NAME], {"typing": False}, ttl=2)
        await client.update(ROOM, mutations=[Increment("joined")])
        await until(lambda room: NAME in room["participants"] and room["joined"] >= room["seats"])

        for text in LINES:
            await pause()
            await client.update(ROOM, typing(True))
            await pause()
            await client.update(ROOM, typing(False), [Append("messages", [{"from": NAME, "text": text}])])
        await presence.close()

        # The last one to leave made the last change.
        await until(lambda room: not room["participants"])
        position = replica.position(ROOM)
        assert position is not None
        print(f"final {position.epoch}:{position.version}:{position.digest} {json.dumps(replica.get(ROOM))}")


def typing(on: bool) -> dict[str, Any]:
    return {"participants": {NAME: {"typing": on}}}


async def pause() -> None:
    await asyncio.sleep(random.uniform(0.2, 0.7))


class Screen:
    """Prints what is new: several changes may have come as one."""

    def __init__(self) -> None:
        self.here: list[str] = []
        self.messages = 0

    def show(self, change: ReplicaChange) -> None:
        if change.value is None or change.position is None:
            return
        room, version = EMPTY | change.value, change.position.version
        here = sorted(room["participants"])
        typing = [name for name in here if room["participants"][name]["typing"]]
        suffix = f"  (typing: {', '.join(typing)})" if typing else ""
        for message in room["messages"][self.messages :]:
            print(f"v{version:<3} {message['from']}: {message['text']}{suffix}")
        if here != self.here:
            print(f"v{version:<3} in the room: {', '.join(here) or 'no one'}")
        self.here, self.messages = here, len(room["messages"])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:2] or ["127.0.0.1:50051"]))
