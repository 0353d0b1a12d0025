"""Conditions, edits and waits, where they are this client's own; the suite of all clients has the rest."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

import chordstate
import chordstate.aio
from chordstate import AtLeast, AtMost, Check, Equals, Exists, Increment, Missing, Set, Unchanged
from chordstate._gen.chord.v1 import context_service_pb2 as contexts

from .servers import VECTORS, Server
from .test_faults import FAST, Peer, position, serving

READY = [Equals("status", "ready")]
#: On a busy machine, the time may be over before the call that a test is about: then again with more of it.
PATIENCE = [(f"late:{n}", 0.1 * 2**n) for n in range(10)]


def refusal(call: Any, *args: Any, **named: Any) -> chordstate.ChordError:
    with pytest.raises(chordstate.ChordError) as raised:
        call(*args, **named)
    return raised.value


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    def number(text: str) -> int | float:
        return float(text) if abs(int(text)) > 2**53 else int(text)

    for vector in json.loads((VECTORS / "values.json").read_text(), parse_int=number):
        if not vector.get("decodeOnly"):
            yield vector["name"], vector["value"]


def test_what_does_not_hold_is_told(client: chordstate.Client, name: str) -> None:
    since = client.set(name, {"seats": 0, "topic": "daily", "o": {"x": None}}).position
    current = client.update(name, {"topic": "weekly"}).position
    error = refusal(client.set, name, {}, expected=Unchanged(since, ["topic", ["o", "x"]]))
    assert (error.reason, error.context_id, error.current) == ("ABORTED", name, current)
    assert error.unmet == chordstate.UnmetConditions((chordstate.UnmetCondition(("topic",), 2),))
    checks: list[Check] = [AtLeast("seats", 1), Missing(["o", "x"]), Exists("y"), Equals("topic", [1]), AtMost("o", 3)]
    error = refusal(client.delete, name, checks=[Exists(("o", "x")), *checks])
    assert error.unmet is not None
    told = [each.check for each in error.unmet.conditions]
    assert told == [
        AtLeast(("seats",), 1),
        Missing(("o", "x")),
        Exists(("y",)),
        Equals(("topic",), [1]),
        AtMost(("o",), 3),
    ]
    assert refusal(client.set, name, {}, expected=1).unmet is None
    assert client.update(name, {"seats": 1}, expected=Unchanged(since, ["seats"]), checks=[Exists("seats")]).changed


@pytest.mark.parametrize(
    ("check", "field"),
    [
        (Exists(["b", "\ud800"]), "path.keys[1]"),
        (AtMost("b", float("nan")), "at_most"),
        (Equals("b", {"c": [1, float("inf")]}), "equals.c[1]"),
    ],
)
def test_what_cannot_be_sent_is_refused(client: chordstate.Client, check: Check, field: str) -> None:
    error = refusal(client.delete, "a", checks=[Exists("x"), check])
    assert (error.reason, error.violations[0].field) == ("INVALID_ARGUMENT", f"expected.checks[1].{field}")
    error = refusal(client.wait, "a", [check])
    assert (error.reason, error.violations[0].field) == ("INVALID_ARGUMENT", f"until[0].{field}")


def test_an_edit_writes_what_its_function_made(client: chordstate.Client, name: str) -> None:
    client.set(name, {})
    for what, value in documents():
        client.edit(name, lambda document, value=value: value)  # type: ignore[misc]
        assert repr(sorted_(client.get(name).value)) == repr(sorted_(value)), what
        assert not client.edit(name, lambda document, value=value: value).changed, what  # type: ignore[misc]
    client.set(name, {"flag": 1, "zero": 0.0, "list": [1, True]})
    assert client.edit(name, lambda document: {"flag": True, "zero": -0.0, "list": (1.0, 1)}).changed
    assert repr(sorted_(client.get(name).value)) == "{'flag': True, 'list': [1, 1], 'zero': -0.0}"


def sorted_(value: Any) -> Any:
    """The order of members is not kept."""
    if isinstance(value, dict):
        return {key: sorted_(value[key]) for key in sorted(value)}
    return [sorted_(each) for each in value] if isinstance(value, list) else value


def test_a_change_below_a_member_keeps_its_time(client: chordstate.Client, name: str) -> None:
    client.update(name, mutations=[Set("ann", {"n": 1}, 3600)], allow_missing=True)
    client.edit(name, lambda document: document["ann"].update(n=2))
    context = client.get(name, include_expiries=True)
    assert context.value == {"ann": {"n": 2}}
    assert [each.path for each in context.expiries] == [("ann",)]
    assert context.updated_at is not None
    assert context.expiries[0].expires_at > context.updated_at


def test_an_edit_that_fails_writes_nothing(client: chordstate.Client, name: str) -> None:
    position = client.set(name, {"n": 1}).position
    calls = 0

    def conflict(document: Any) -> None:
        nonlocal calls
        calls += 1
        client.set(name, {}, expected=chordstate.ABSENT)  # its own failure, and no conflict of the edit

    assert refusal(client.edit, name, conflict).reason == "ABORTED"
    assert calls == 1
    with pytest.raises(ZeroDivisionError):
        client.edit(name, lambda document: {"n": 1 / 0})
    for document, field in [({"o": [{"x": float("nan")}]}, "value.o[0].x"), ({"n": {1}}, "value.n"), ([1], "value")]:
        error = refusal(client.edit, name, lambda _, document=document: document)
        assert (error.reason, error.violations[0].field) == ("INVALID_ARGUMENT", field)
    assert refusal(client.edit, name, lambda _: {}, reads="n").violations[0].field == "reads"
    assert client.get(name).position == position


def test_the_deadline_ends_an_edit_with_its_last_conflict(client: chordstate.Client, name: str) -> None:
    calls = 0

    def change(document: Any) -> None:
        nonlocal calls
        calls += 1
        document["n"] += 1
        if calls == 1:
            client.update(name, mutations=[Increment("n")], timeout=60)
        else:
            threading.Event().wait(timeout)  # the time of the edit

    # On a busy machine, the time may be over before the function is called again: then with more of it.
    for timeout in (0.1 * 2**n for n in range(10)):
        calls = 0
        position = client.set(name, {"n": timeout}).position
        error = refusal(client.edit, name, change, timeout=timeout)
        if calls == 2:
            break
    assert error.unmet == chordstate.UnmetConditions((chordstate.UnmetCondition(("n",), position.version + 1),))


class Silent(Peer):
    """Answers each first read, and each first update with a conflict; after these, no call of the kind `silent`."""

    def __init__(self, silent: str) -> None:
        super().__init__()
        self.silent = silent
        self.asked: list[tuple[str, str]] = []

    def answers(self, call: str, name: str) -> None:
        first = (call, name) not in self.asked
        self.asked.append((call, name))
        if not first and call == self.silent:
            self.hold.wait(120)

    def GetContext(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.answers("get", request.context_id)
        return contexts.GetContextResponse(context={"context_id": request.context_id, "position": position(1)})

    def UpdateContext(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.answers("update", request.context_id)
        context.abort(grpc.StatusCode.ABORTED, "moved")


AFTER_A_CONFLICT = pytest.mark.parametrize(
    ("silent", "reason"), [("get", "ABORTED"), ("update", "DEADLINE_EXCEEDED")], ids=["read", "write"]
)


@AFTER_A_CONFLICT
def test_the_deadline_after_a_conflict(silent: str, reason: str) -> None:
    peer = Silent(silent)
    peer.hold.clear()
    with serving(peer=peer) as (address, _), chordstate.connect(address, retry=FAST) as client:
        for name, timeout in PATIENCE:
            error = refusal(client.edit, name, lambda _: {"n": 1}, timeout=timeout)
            if peer.asked.count((silent, name)) > 1:
                break
    assert error.reason == reason


@AFTER_A_CONFLICT
def test_the_deadline_after_a_conflict_aio(silent: str, reason: str) -> None:
    async def run(address: str) -> chordstate.ChordError:
        async with chordstate.aio.connect(address, retry=FAST) as client:
            for name, timeout in PATIENCE:
                with pytest.raises(chordstate.ChordError) as raised:
                    await client.edit(name, lambda _: {"n": 1}, timeout=timeout)
                if peer.asked.count((silent, name)) > 1:
                    break
            return raised.value

    peer = Silent(silent)
    peer.hold.clear()
    with serving(peer=peer) as (address, _):
        assert asyncio.run(run(address)).reason == reason


def test_edits_of_many_threads(client: chordstate.Client, name: str) -> None:
    client.set(name, {"n": 0, "parts": {}})
    calls: list[int] = []

    def part(i: int) -> None:
        def change(document: Any) -> None:
            calls.append(i)
            document["parts"][str(i)] = i

        client.edit(name, change)

    def count(_: int) -> None:
        client.edit(name, lambda document: document.update(n=document["n"] + 1), timeout=60)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(part, range(50)))
        assert len(calls) == 50
        list(threads.map(count, range(8)))
    value = client.get(name).value
    assert value["n"] == 8
    assert len(value["parts"]) == 50


def test_waits_take_no_place_of_calls_and_go_on_over_a_restart(server: Server) -> None:
    client = chordstate.connect(server.address, calls_in_flight=2, watches_per_connection=4, timeout=60)
    with ThreadPoolExecutor(12) as threads, client:
        waits = [threads.submit(client.wait, f"job:{i}", READY) for i in range(10)]
        client.set("job:0", {"status": "new"})
        server.restart()
        for i in range(10):
            client.set(f"job:{i}", {"status": "ready"})
        for i, wait in enumerate(waits):
            waited = wait.result(60)
            assert waited.held_at == (2 if i == 0 else 1)
            assert isinstance(waited.result, chordstate.Full)
        unanswered = threads.submit(client.wait, "job:none", READY)
        assert refusal(client.wait, "job:none", READY, timeout=0.1).reason == "DEADLINE_EXCEEDED"
        client.close()
        error = unanswered.exception(10)
        assert isinstance(error, chordstate.ChordError)
        assert (error.reason, error.message) == ("CANCELLED", "the client is closed")


def test_a_wait_ends_at_its_deadline_where_the_server_is_away(server: Server) -> None:
    server.stop()
    with chordstate.connect(server.address) as client:
        assert refusal(client.wait, "a", READY, timeout=0.2).reason in ("UNAVAILABLE", "DEADLINE_EXCEEDED")


def test_aio(server: Server, name: str) -> None:
    async def check() -> None:
        async with chordstate.aio.connect(server.address, calls_in_flight=2, watches_per_connection=4) as client:
            await client.set(name, {"n": 0, "parts": {}})
            calls: list[int] = []

            async def part(i: int) -> None:
                async def change(document: Any) -> None:
                    calls.append(i)
                    document["parts"][str(i)] = i

                await client.edit(name, change)

            await asyncio.gather(*map(part, range(20)))
            assert len(calls) == 20
            edits = [client.edit(name, lambda document: document.update(n=document["n"] + 1)) for _ in range(4)]
            await asyncio.gather(*edits)
            assert (await client.get(name, include_expiries=True)).value["n"] == 4

            waits = [asyncio.create_task(client.wait(f"job:{i}", READY)) for i in range(10)]
            waits[9].cancel()
            with pytest.raises(asyncio.CancelledError):
                await waits[9]
            for i in range(9):
                await client.set(f"job:{i}", {"status": "ready"})
            assert [waited.held_at for waited in await asyncio.gather(*waits[:9])] == [1] * 9
            with pytest.raises(chordstate.ChordError) as raised:
                await client.wait("job:none", READY, timeout=0.1)
            assert raised.value.reason == "DEADLINE_EXCEEDED"
            unanswered = asyncio.create_task(client.wait("job:none", READY))
            await client.set("after", {})
        with pytest.raises(chordstate.ChordError) as raised:
            await unanswered
        assert raised.value.reason == "CANCELLED"

    asyncio.run(check())
