"""Watches of the client for threads, of a real server."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest

import chordstate

from .servers import Server
from .waiting import eventually

LONG = "long enough that a delta is smaller"


def take(watch: Iterator[chordstate.Event], count: int) -> list[chordstate.Event]:
    return list(islice(watch, count))


def test_what_happens_to_contexts(client: chordstate.Client, name: str) -> None:
    one, two, other = f"{name}p:1", f"{name}p:2", f"{name}other"
    first = client.set(one, {"n": 1, "rest": LONG}).position
    with client.watch(chordstate.Prefix(f"{name}p:"), other) as watch:
        events = take(watch, 3)
        (full,) = (each for each in events if isinstance(each, chordstate.Full))
        assert (full.context_id, full.value, full.position, full.reason) == (
            one,
            {"n": 1, "rest": LONG},
            first,
            "INITIAL",
        )
        assert chordstate.Absent(other) in events
        assert events[-1] == chordstate.CaughtUp()

        second = client.update(one, {"n": 2}).position
        delta = next(watch)
        assert isinstance(delta, chordstate.Delta)
        assert (delta.from_, delta.to, delta.changes) == (first, second, (chordstate.Modified(("n",), 2),))

        client.set(two, {})
        created = next(watch)
        assert isinstance(created, chordstate.Full)
        assert created.context_id == two

        client.delete(one)
        assert next(watch) == chordstate.Deleted(one, second, "DELETED")
        client.set(one, {"again": True})
        recreated = next(watch)
        assert isinstance(recreated, chordstate.Full)
        assert recreated.position.epoch != first.epoch


def test_from_known_positions_with_old_values(client: chordstate.Client, name: str) -> None:
    first = client.set(name, {"n": 1, "rest": LONG}).position
    client.update(name, {"n": 2})
    with client.watch(name, known={name: first}, include_old_values=True) as watch:
        delta, caught_up = take(watch, 2)
    assert isinstance(delta, chordstate.Delta)
    assert delta.changes == (chordstate.Modified(("n",), 2, 1),)
    assert caught_up == chordstate.CaughtUp()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_goes_on_after_a_restart_without_gap_or_duplicate(server: Server, name: str, how: signal.Signals) -> None:
    errors: list[chordstate.ChordError] = []
    gone = f"{name}gone"
    with ThreadPoolExecutor() as threads, chordstate.connect(server.address, timeout=60) as client:
        held = client.set(name, {"n": 0, "rest": LONG}).position
        client.set(gone, {})
        with client.watch(name, gone, on_disconnect=lambda error, _: errors.append(error)) as watch:
            take(watch, 3)
            writes = threads.submit(lambda: [client.update(name, None, [chordstate.Increment("n")]) for _ in range(60)])
            versions, restarted = [], False
            while held.version < 61:
                event = next(watch)
                if event == chordstate.CaughtUp():
                    continue
                assert isinstance(event, chordstate.Delta)
                assert event.from_ == held
                held = event.to
                versions.append(held.version)
                if held.version > 20 and not restarted:
                    restarted = True
                    server.restart(how)
            writes.result()
            assert held == client.get(name).position
            assert versions == sorted(set(versions))
            server.restart(how)
            client.delete(gone)
            # What caught up with one restart may still be unread at the next.
            event = next(each for each in watch if each != chordstate.CaughtUp())
            assert isinstance(event, chordstate.Deleted)
            assert event.context_id == gone
    assert errors
    assert {error.reason for error in errors} == {"UNAVAILABLE"}


def test_a_slow_reader_gets_merged_deltas(client: chordstate.Client, name: str) -> None:
    client.set(name, {"n": 0})
    with client.watch(name) as watch:
        take(watch, 2)
        for i in range(1, 201):
            # No two texts have much in common at their start or end: a splice would be small.
            client.update(name, {"n": i, "blob": f"{i:04d}" * 4096})
        count, version = 0, 1
        while version < 201:
            event = next(watch)
            assert isinstance(event, (chordstate.Delta, chordstate.Full))
            version = event.to.version if isinstance(event, chordstate.Delta) else event.position.version
            count += 1
    assert count < 100


def test_a_final_error_ends_it(client: chordstate.Client) -> None:
    watch = client.watch("")
    with pytest.raises(chordstate.ChordError) as caught:
        next(watch)
    assert caught.value.reason == "INVALID_ARGUMENT"
    assert list(watch) == []


def test_waits_for_a_server_that_is_not_there_yet(server: Server, name: str) -> None:
    server.stop()
    with ThreadPoolExecutor() as threads, chordstate.connect(server.address) as client:
        event = threads.submit(next, client.watch(name))
        server.start()
        assert event.result(30) == chordstate.Absent(name)


def test_closing_wakes_its_reader(client: chordstate.Client, name: str) -> None:
    watch = client.watch(name)
    take(watch, 2)
    with ThreadPoolExecutor() as threads:
        rest = threads.submit(list, watch)
        assert eventually(rest.running)
        watch.close()
        assert rest.result(10) == []


def test_closing_ends_the_wait_for_a_connection() -> None:
    policy = chordstate.RetryPolicy(backoff_min=60, backoff_max=60)
    broken = threading.Event()
    with ThreadPoolExecutor() as threads, chordstate.connect("127.0.0.1:1", retry=policy) as client:
        watch = client.watch("a", on_disconnect=lambda *_: broken.set())
        rest = threads.submit(list, watch)
        assert broken.wait(10)
        client.close()
        assert rest.result(10) == []


def test_leaving_the_loop_ends_it(client: chordstate.Client, name: str) -> None:
    before = set(threading.enumerate())
    for event in client.watch(name):
        assert event == chordstate.Absent(name)
        break
    gc.collect()
    assert eventually(lambda: set(threading.enumerate()) <= before)
