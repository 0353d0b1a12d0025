"""Authors and annotations, in deltas and in blame."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import chordstate
import chordstate.aio

from .servers import Server

TICKET = {"ticket": "7"}
ANN = chordstate.Provenance("ann", TICKET, expired=False)
PLAIN = chordstate.Provenance("ann", {}, expired=False)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Of a server that knows ann by the token `secret`."""
    tokens, rules = tmp_path / "tokens", tmp_path / "rules.json"
    tokens.write_text(f"ann sha256:{hashlib.sha256(b'secret').hexdigest()}\n")
    grants = [{"prefix": "", "rights": ["read", "write"]}]
    rules.write_text(json.dumps({"identities": {"ann": {"grants": grants}}}))
    server = Server(None, "--auth-tokens", str(tokens), "--auth-rules", str(rules))
    yield server.address
    server.stop()


def test_authors_and_annotations(address: str) -> None:
    with chordstate.connect(address, token="secret") as client:
        client.set("a", {"topic": "daily", "list": [1]}, annotations=TICKET)
        position = client.update("a", mutations=[chordstate.Append("list", [2])]).position
        deltas = [delta for page in client.deltas("a") for delta in page.deltas]
        assert [delta.provenance for delta in deltas] == [ANN, PLAIN]

        pages = list(client.blame("a"))
        assert [(page.position, page.older_than) for page in pages] == [(position, None)]
        lines = pages[0].lines
        assert all(line.updated_at is not None for line in lines)
        assert [(line.path, line.run, line.value, line.version, line.provenance) for line in lines] == [
            (("list",), chordstate.BlameRun(0, 1), [1], 1, ANN),
            (("list",), chordstate.BlameRun(1, 1), [2], 2, PLAIN),
            (("topic",), chordstate.BlameRun(0, 5), "daily", 1, ANN),
        ]
        assert [page.lines for page in client.blame("a", "list", ["never"])] == [lines[:2]]
        client.delete("a", annotations=TICKET)
        with pytest.raises(chordstate.ChordError) as caught:
            list(client.blame("a"))
        assert caught.value.reason == "NOT_FOUND"


def test_asyncio(address: str) -> None:
    async def run() -> None:
        async with chordstate.aio.connect(address, token="secret") as client:
            await client.set("a", {"topic": "daily"}, annotations=TICKET)
            lines = [line async for page in client.blame("a") for line in page.lines]
            assert [(line.version, line.provenance) for line in lines] == [(1, ANN)]

    asyncio.run(run())
