"""Calls of the client for threads, to a real server."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import chordstate

from .servers import Server
from .waiting import eventually

DOCUMENT = {"__proto__": {"a": 1}, "": None, "a.b": {}, "l": [1, -0.0, [True, "é"]], "n": 0.5}


def test_set_and_get(client: chordstate.Client, name: str) -> None:
    written = client.set(name, DOCUMENT)
    assert written.changed
    assert written.position.version == 1
    context = client.get(name)
    assert context.value == DOCUMENT
    assert str(context.value["l"][1]) == "-0.0"
    assert context.position == written.position
    assert context.created_at is not None
    assert abs(context.created_at - datetime.now(timezone.utc)) < timedelta(minutes=1)
    assert context.expires_at is None
    assert not client.set(name, DOCUMENT).changed


def test_annotations(client: chordstate.Client, name: str) -> None:
    returning = chordstate.Returning(delta=True)
    annotations = {"ticket": "7", "é": ""}
    delta = client.set(name, {"n": 1}, annotations=annotations, returning=returning).delta
    assert delta is not None
    assert delta.provenance == chordstate.Provenance("", annotations, expired=False)
    plain = client.update(name, {"n": 2}, returning=returning).delta
    assert plain is not None
    assert plain.provenance is None
    assert client.delete(name, annotations=annotations).changed


def test_every_mutation(client: chordstate.Client, name: str) -> None:
    client.set(name, {"gone": 1, "merged": {"a": 1}, "list": [1, 2, 3]})
    result = client.update(
        name,
        {"merged": {"b": None}},
        [
            chordstate.Set(["deep", "er"], {"x": []}),
            chordstate.Set("a.b", 1),
            chordstate.Remove("gone"),
            chordstate.Increment("count", 2.5),
            chordstate.Increment("count"),
            chordstate.Append("new", ["x", None]),
            chordstate.Splice(["list"], 1, 1, ["y", "z"]),
        ],
        returning=chordstate.Returning(context=True, delta=True, old_values=True),
    )
    assert result.context is not None
    assert result.context.value == client.get(name).value
    assert result.context.value == {
        "merged": {"a": 1, "b": None},
        "list": [1, "y", "z", 3],
        "deep": {"er": {"x": []}},
        "a.b": 1,
        "count": 3.5,
        "new": ["x", None],
    }
    assert result.delta is not None
    assert chordstate.Removed(("gone",), 1) in result.delta.changes
    assert chordstate.Spliced(("list",), 1, 1, ("y", "z"), (2,)) in result.delta.changes


def test_32_levels_come_back_in_every_kind_of_answer(client: chordstate.Client, name: str) -> None:
    value: dict[str, Any] = {"n": 1}
    for _ in range(31):
        value = {"a": value}
    client.set(name, {})
    returning = chordstate.Returning(context=True, delta=True)
    assert client.set(name, value, returning=returning).context == client.get(name)
    assert [each.value for each in client.list(name, include_values=True)] == [value]
    with client.watch(name) as watch:
        full = next(watch)
        assert isinstance(full, chordstate.Full)
        assert full.value == value
        assert next(watch) == chordstate.CaughtUp()
        client.set(name, {"rest": "long enough that a delta is smaller" * 20})
        next(watch)
        client.update(name, value)
        delta = next(watch)
        assert isinstance(delta, chordstate.Delta)
        assert delta.changes == (chordstate.Added(("a",), value["a"]),)


def test_delete(client: chordstate.Client, name: str) -> None:
    position = client.set(name, {}).position
    assert client.delete(name) == chordstate.DeleteResult(position, True)
    assert client.delete(name, allow_missing=True) == chordstate.DeleteResult(None, False)
    with pytest.raises(chordstate.ChordError) as caught:
        client.delete(name)
    assert caught.value.reason == "NOT_FOUND"


def test_ttl_and_touch(client: chordstate.Client, name: str) -> None:
    client.set(name, {}, ttl=timedelta(hours=1))
    before = client.get(name).expires_at
    touched = client.touch(name, 7200)
    assert before is not None
    assert touched.expires_at is not None
    assert touched.expires_at - before > timedelta(minutes=59)
    assert client.touch(name, 0).expires_at is None
    assert not isinstance(touched, chordstate.Context)


def test_list_reads_all_pages(client: chordstate.Client, name: str) -> None:
    ids = [f"{name}{i:03}" for i in range(230)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda each: client.set(each, {"id": each}), ids))
    assert [each.context_id for each in client.list(name)] == ids
    assert [each.value["id"] for each in client.list(name, include_values=True)] == ids


def test_sync(client: chordstate.Client, name: str) -> None:
    first = client.set(name, {"a": 1, "rest": "long enough that a delta is smaller"}).position
    full = client.sync(name)
    assert isinstance(full, chordstate.Full)
    assert (full.reason, full.position) == ("INITIAL", first)
    second = client.update(name, {"a": 2}).position
    delta = client.sync(name, first)
    assert isinstance(delta, chordstate.Delta)
    assert (delta.from_, delta.to, delta.changes) == (first, second, (chordstate.Modified(("a",), 2),))
    assert client.sync(name, second) == chordstate.NoChange(second)


def test_deltas(client: chordstate.Client, name: str) -> None:
    for i in range(130):
        client.set(name, {"n": i})
    pages = list(client.deltas(name, 1, include_old_values=True))
    deltas = [delta for page in pages for delta in page.deltas]
    assert [delta.to.version for delta in deltas] == list(range(2, 131))
    assert deltas[0].changes == (chordstate.Modified(("n",), 1, 0),)
    assert not pages[0].truncated
    assert pages[0].head == client.get(name).position


def test_errors_say_what_and_where(client: chordstate.Client, name: str) -> None:
    with pytest.raises(chordstate.ChordError) as missing:
        client.get(name)
    assert (missing.value.reason, missing.value.context_id) == ("NOT_FOUND", name)
    with pytest.raises(chordstate.ChordError) as invalid:
        client.update(name, {}, [chordstate.Increment([])], allow_missing=True)
    assert invalid.value.reason == "INVALID_ARGUMENT"
    assert [each.field for each in invalid.value.violations] == ["mutations[0].path"]
    assert "INVALID_ARGUMENT" in str(invalid.value)


def test_a_write_that_expects_another_position(client: chordstate.Client, name: str) -> None:
    with pytest.raises(chordstate.ChordError) as absent:
        client.set(name, {}, expected=7)
    assert absent.value.current is chordstate.ABSENT
    first = client.set(name, {}, expected=chordstate.ABSENT).position
    second = client.set(name, {"n": 1}, expected=first).position
    with pytest.raises(chordstate.ChordError) as elsewhere:
        client.set(name, {"n": 2}, expected=first)
    assert elsewhere.value.reason == "ABORTED"
    assert elsewhere.value.current == second
    assert client.set(name, {"n": 3}, expected=2).position.version == 3


def test_a_repeated_write_is_done_once(client: chordstate.Client, name: str) -> None:
    first = client.update(name, None, [chordstate.Increment("n")], allow_missing=True, request_id="once")
    again = client.update(name, None, [chordstate.Increment("n")], allow_missing=True, request_id="once")
    assert again.position == first.position
    assert client.get(name).value == {"n": 1}
    with pytest.raises(chordstate.ChordError) as caught:
        client.update(name, None, [chordstate.Increment("n", 2)], allow_missing=True, request_id="once")
    assert caught.value.reason == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    "mutation",
    [
        chordstate.Splice("l", -1),
        chordstate.Splice("l", 2**32),
        chordstate.Set("n", float("nan")),
        chordstate.Append("l", [b""]),
    ],
)
def test_a_bad_mutation_is_refused_before_it_is_sent(mutation: chordstate.Mutation) -> None:
    with chordstate.connect("127.0.0.1:1") as nowhere, pytest.raises(chordstate.ChordError) as caught:
        nowhere.update("a", None, [chordstate.Remove("x"), mutation])
    assert caught.value.reason == "INVALID_ARGUMENT"
    assert caught.value.violations[0].field.startswith("mutations[1]")


def test_200_concurrent_updates(client: chordstate.Client, name: str) -> None:
    def update(i: int) -> int:
        mutations = [chordstate.Set(["by", str(i)], i), chordstate.Increment("total")]
        return client.update(name, None, mutations, allow_missing=True).position.version

    with ThreadPoolExecutor(50) as threads:
        versions = sorted(threads.map(update, range(200)))
    assert versions == list(range(1, 201))
    assert client.get(name).value == {"by": {str(i): i for i in range(200)}, "total": 200}


def test_calls_wait_for_a_server_that_comes_back(server: Server, name: str) -> None:
    with ThreadPoolExecutor() as threads, chordstate.connect(server.address, timeout=30) as client:
        client.set(name, {"n": 0})
        server.stop()
        write = threads.submit(client.update, name, None, [chordstate.Increment("n")])
        read = threads.submit(client.get, name)
        server.start()
        assert write.result().position.version == 2
        assert read.result().value in ({"n": 0}, {"n": 1})
        assert client.get(name).value == {"n": 1}


def test_a_server_that_stays_away(name: str) -> None:
    policy = chordstate.RetryPolicy(attempts=3, backoff_min=0.001)
    with chordstate.connect("127.0.0.1:1", retry=policy) as client, pytest.raises(chordstate.ChordError) as caught:
        client.get(name)
    assert caught.value.reason == "UNAVAILABLE"
    assert caught.value.transient


def test_a_closed_client(client: chordstate.Client, name: str) -> None:
    client.close()
    with pytest.raises(chordstate.ChordError, match="closed"):
        client.get(name)
    with pytest.raises(chordstate.ChordError, match="closed"):
        client.watch(name)


def test_closing_ends_a_call_that_waits_for_its_next_try() -> None:
    policy = chordstate.RetryPolicy(backoff_min=60, backoff_max=60)
    client = chordstate.connect("127.0.0.1:1", timeout=600, retry=policy)
    with ThreadPoolExecutor() as threads:
        call = threads.submit(client.get, "a")
        assert eventually(call.running)
        client.close()
        with pytest.raises(chordstate.ChordError, match="closed"):
            call.result(30)


def test_closing_leaves_no_thread(shared_server: Server, name: str) -> None:
    before = set(threading.enumerate())
    client = chordstate.connect(shared_server.address)
    client.set(name, {})
    watch = client.watch(name)
    replica = chordstate.Replica(client, name)
    next(watch)
    replica.wait_ready(10)
    client.close()
    assert eventually(lambda: set(threading.enumerate()) <= before)
    assert list(watch) == []
    assert replica.get(name) == {}
