"""Replicas of the client for threads, of a real server."""

from __future__ import annotations

import copy
import json
import pickle
import threading
from queue import Queue

import pytest

import chordstate

from .servers import Server
from .waiting import eventually


def changes_of(replica: chordstate.Replica) -> Queue[chordstate.ReplicaChange]:
    heard: Queue[chordstate.ReplicaChange] = Queue()
    replica.on_change(heard.put)
    return heard


def test_a_live_copy(client: chordstate.Client, name: str) -> None:
    one, two = f"{name}1", f"{name}2"
    client.set(one, {"n": 1, "rest": {"long": "enough that a delta is smaller"}})
    with chordstate.Replica(client, chordstate.Prefix(name)) as replica:
        replica.wait_ready(10)
        assert replica.live
        before = replica.get(one)
        assert before is not None
        assert (before["n"], replica.ids(), len(replica), one in replica, two in replica) == (1, (one,), 1, True, False)
        heard = changes_of(replica)

        position = client.update(one, {"n": 2}).position
        change = heard.get(timeout=10)
        assert (change.context_id, change.changes) == (one, (chordstate.Modified(("n",), 2),))
        after = replica.get(one)
        assert after is change.value
        assert after is not None
        assert (after["n"], before["n"], replica.position(one)) == (2, 1, position)
        assert after["rest"] is before["rest"]

        client.set(two, {})
        assert heard.get(timeout=10) == chordstate.ReplicaChange(two, {}, client.get(two).position, None)
        client.delete(one)
        assert heard.get(timeout=10) == chordstate.ReplicaChange(one, None, None, None)
        assert (replica.get(one), replica.position(one), replica.ids()) == (None, None, (two,))
    assert not replica.live
    assert replica.get(two) == {}


def test_a_listener_that_fails_ends_nothing(client: chordstate.Client, name: str) -> None:
    failures: Queue[Exception] = Queue()
    with chordstate.Replica(client, name, on_error=failures.put) as replica:
        replica.wait_ready(10)
        remove = replica.on_change(lambda change: 1 / 0)
        heard = changes_of(replica)
        client.set(name, {"n": 1})
        assert isinstance(failures.get(timeout=10), ZeroDivisionError)
        assert heard.get(timeout=10).value == {"n": 1}
        remove()
        client.set(name, {"n": 2})
        assert heard.get(timeout=10).value == {"n": 2}
        assert failures.empty()


def test_failures_are_logged_where_nobody_hears_them(
    client: chordstate.Client, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with chordstate.Replica(client, name) as replica:
        replica.wait_ready(10)
        replica.on_change(lambda change: 1 / 0)
        heard = changes_of(replica)
        client.set(name, {})
        heard.get(timeout=10)
    assert "ZeroDivisionError" in caplog.text


def test_goes_on_after_a_restart(server: Server, name: str) -> None:
    broken = threading.Event()
    with (
        chordstate.connect(server.address, timeout=30) as client,
        chordstate.Replica(client, name, on_disconnect=lambda *_: broken.set()) as replica,
    ):
        replica.wait_ready(10)
        client.set(name, {"n": 1})
        assert eventually(lambda: replica.get(name) == {"n": 1})
        server.stop()
        assert broken.wait(10)
        assert not replica.live
        assert replica.get(name) == {"n": 1}
        server.start()
        client.set(name, {"n": 2})
        assert eventually(lambda: replica.get(name) == {"n": 2} and replica.live)


def test_a_delta_that_does_not_fit_brings_the_document(client: chordstate.Client, name: str) -> None:
    document = {"a": {"b": 1}, "rest": "long enough that a delta is smaller"}
    position = client.set(name, document).position
    with chordstate.Replica(client, name) as replica:
        replica.wait_ready(10)
        replica._documents[name] = ({"damaged": True}, position)
        heard = changes_of(replica)
        client.update(name, None, [chordstate.Set(["a", "b"], 2)])
        change = heard.get(timeout=10)
        assert change.changes is None
        assert change.value == {**document, "a": {"b": 2}}
        client.update(name, None, [chordstate.Set(["a", "b"], 3)])
        assert heard.get(timeout=10).changes == (chordstate.Modified(("a", "b"), 3),)


def test_never_ready(client: chordstate.Client) -> None:
    failures: Queue[Exception] = Queue()
    replica = chordstate.Replica(client, "", on_error=failures.put)
    with pytest.raises(chordstate.ChordError) as caught:
        replica.wait_ready(10)
    assert caught.value.reason == "INVALID_ARGUMENT"
    assert failures.get(timeout=10) is caught.value


def test_closed_or_late_before_it_is_ready() -> None:
    with chordstate.connect("127.0.0.1:1") as client:
        replica = chordstate.Replica(client, "a")
        with pytest.raises(TimeoutError):
            replica.wait_ready(0.01)
        replica.close()
        with pytest.raises(chordstate.ChordError, match="closed"):
            replica.wait_ready(10)


def test_closing_from_a_listener(client: chordstate.Client, name: str) -> None:
    replica = chordstate.Replica(client, name)
    replica.wait_ready(10)
    heard: list[str] = []
    replica.on_change(lambda change: replica.close())
    replica.on_change(lambda change: heard.append(change.context_id))
    client.set(name, {})
    assert eventually(lambda: not replica._thread.is_alive())
    assert heard == []


def test_documents_of_a_replica_are_frozen(shared_server: Server, name: str) -> None:
    kept = {"from": {"before": [1]}}
    with chordstate.connect(shared_server.address) as client:
        position = client.set(name, kept).position
        client.update(name, {"o": {"l": [{"n": 1}], "p": {}}}, [chordstate.Append(["from", "before"], [{"n": 2}])])
        with chordstate.Replica(client, name, state={name: (kept, position)}) as replica:
            replica.wait_ready()
            document = replica.get(name)
            assert document == {"from": {"before": [1, {"n": 2}]}, "o": {"l": [{"n": 1}], "p": {}}}
            parts = (document, document["o"], document["o"]["p"], document["o"]["l"][0], document["from"]["before"][1])
            for part in parts:
                with pytest.raises(TypeError, match="read-only"):
                    part["x"] = 1
                with pytest.raises(TypeError, match="read-only"):
                    part.update(x=1)
            for elements in (document["o"]["l"], document["from"]["before"]):
                with pytest.raises(TypeError, match="read-only"):
                    elements.append(1)
                with pytest.raises(TypeError, match="read-only"):
                    elements += [1]
            kept["from"]["before"].append(3)  # the caller's own

            client.update(name, mutations=[chordstate.Set(["o", "p", "q"], [1]), chordstate.Remove(["o", "l"])])
            after = replica.wait_for(name, lambda value: value is not None and "l" not in value["o"], 30)
            assert after == {"from": {"before": [1, {"n": 2}]}, "o": {"p": {"q": [1]}}}
            assert after["from"] is document["from"]  # shared, and not copied
            with pytest.raises(TypeError, match="read-only"):
                after["o"]["p"]["q"].clear()

            # Copies are plain, and JSON and pickle take them as they are.
            for plain in (copy.deepcopy(after), pickle.loads(pickle.dumps(after)), json.loads(json.dumps(after))):
                plain["o"]["p"]["q"].append(2)
                assert plain["o"] == {"p": {"q": [1, 2]}}
            client.edit(name, lambda _: {**after, "more": 1})
