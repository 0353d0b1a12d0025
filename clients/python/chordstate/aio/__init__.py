"""The client of Chord for asyncio: `async with chordstate.aio.connect("127.0.0.1:50051") as client`."""

from .client import Client
from .replica import Replica
from .stubs import Answers
from .watch import Watch

#: `connect(address, ...)` is `Client(address, ...)`.
connect = Client

__all__ = ["Answers", "Client", "Replica", "Watch", "connect"]
