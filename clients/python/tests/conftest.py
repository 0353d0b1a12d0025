"""Servers, clients and names for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import chordstate

from .servers import Server


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    """One for all tests that only need some server: in memory."""
    server = Server(None)
    yield server
    server.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """One that may go away and come back: on LMDB."""
    server = Server(tmp_path / "data")
    yield server
    server.stop()


@pytest.fixture
def client(shared_server: Server) -> Iterator[chordstate.Client]:
    with chordstate.connect(shared_server.address) as client:
        yield client


@pytest.fixture
def name() -> str:
    """A context id, or a prefix of several, of this test alone."""
    return f"{uuid.uuid4()}:"
