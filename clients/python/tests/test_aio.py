"""The client for asyncio, of a real server: what its own code does; decisions are those of the client for threads."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any

import pytest

import chordstate
import chordstate.aio

from .servers import Server

LONG = "long enough that a delta is smaller"
Test = Callable[..., Coroutine[Any, Any, None]]


def in_loop(test: Test) -> Callable[..., None]:
    """Runs it, and asserts that it leaves no task behind."""

    @wraps(test)
    def run(**fixtures: Any) -> None:
        async def checked() -> None:
            alone = 1 if sys.version_info >= (3, 12) else 2  # wait_for has a task of its own before 3.12
            await asyncio.wait_for(test(**fixtures), 120)
            gc.collect()
            # gRPC's own, of calls that were cancelled, end a moment later.
            await asyncio.wait_for(eventually(lambda: len(asyncio.all_tasks()) <= alone), 10)

        asyncio.run(checked())

    return run


async def take(watch: AsyncIterator[chordstate.Event], count: int) -> list[chordstate.Event]:
    return [await watch.__anext__() for _ in range(count)]


async def eventually(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.01)


async def in_thread(function: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, function, *args)


@in_loop
async def test_every_call(shared_server: Server, name: str) -> None:
    async with chordstate.aio.connect(shared_server.address) as client:
        first = (await client.set(name, {"n": 1, "rest": LONG}, expected=chordstate.ABSENT)).position
        second = (
            await client.update(name, {"l": []}, [chordstate.Increment("n"), chordstate.Append("l", [1])])
        ).position
        context = await client.get(name)
        assert (context.value, context.position) == ({"n": 2, "rest": LONG, "l": [1]}, second)
        assert isinstance(await client.sync(name, first), chordstate.Delta)
        assert [page.head async for page in client.deltas(name)] == [second]
        assert (await client.touch(name, 60)).expires_at is not None
        assert [each.value async for each in client.list(name, include_values=True)] == [context.value]
        assert await client.delete(name) == chordstate.DeleteResult(second, True)
        with pytest.raises(chordstate.ChordError) as caught:
            await client.set(name, {}, expected=second)
        assert caught.value.current is chordstate.ABSENT


@in_loop
async def test_list_reads_all_pages(shared_server: Server, name: str) -> None:
    async with chordstate.aio.connect(shared_server.address) as client:
        ids = [f"{name}{i:03}" for i in range(130)]
        await asyncio.gather(*(client.set(each, {}) for each in ids))
        assert [each.context_id async for each in client.list(name)] == ids


@in_loop
async def test_200_concurrent_updates(shared_server: Server, name: str) -> None:
    async with chordstate.aio.connect(shared_server.address) as client:

        async def update(i: int) -> int:
            mutations = [chordstate.Set(["by", str(i)], i), chordstate.Increment("total")]
            return (await client.update(name, None, mutations, allow_missing=True)).position.version

        versions = sorted(await asyncio.gather(*map(update, range(200))))
        assert versions == list(range(1, 201))
        assert (await client.get(name)).value["total"] == 200


@in_loop
async def test_calls_wait_for_a_server_that_comes_back(server: Server, name: str) -> None:
    async with chordstate.aio.connect(server.address, timeout=30) as client:
        await client.set(name, {"n": 0})
        await in_thread(server.stop)
        write = asyncio.ensure_future(client.update(name, None, [chordstate.Increment("n")]))
        await in_thread(server.start)
        assert (await write).position.version == 2
        assert (await client.get(name)).value == {"n": 1}


@in_loop
async def test_a_server_that_stays_away() -> None:
    policy = chordstate.RetryPolicy(attempts=3, backoff_min=0.001)
    async with chordstate.aio.connect("127.0.0.1:1", retry=policy) as client:
        with pytest.raises(chordstate.ChordError) as caught:
            await client.get("a")
        assert caught.value.reason == "UNAVAILABLE"
    with pytest.raises(chordstate.ChordError, match="closed"):
        await client.get("a")


@in_loop
async def test_closing_ends_a_call_that_waits_for_its_next_try() -> None:
    policy = chordstate.RetryPolicy(backoff_min=60, backoff_max=60)
    client = chordstate.aio.connect("127.0.0.1:1", timeout=600, retry=policy)
    call = asyncio.ensure_future(client.get("a"))
    await asyncio.sleep(0.05)
    await client.close()
    with pytest.raises(chordstate.ChordError, match="closed"):
        await call


@in_loop
async def test_a_cancelled_call_is_cancelled() -> None:
    async with chordstate.aio.connect(
        "127.0.0.1:1", timeout=600, retry=chordstate.RetryPolicy(backoff_min=60)
    ) as client:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.get("a"), 0.05)


@in_loop
async def test_a_call_that_is_cancelled_while_its_turn_comes_is_cancelled(shared_server: Server, name: str) -> None:
    async with chordstate.aio.connect(shared_server.address, calls_in_flight=1) as client:
        for iterations in range(10):
            await client._turns.acquire()
            call = asyncio.ensure_future(client.set(name, {}))
            for _ in range(10):
                await asyncio.sleep(0)
            client._turns.release()
            for _ in range(iterations):
                await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert not client._turns.locked()


@in_loop
async def test_a_wait_that_is_cancelled_while_its_end_comes_is_cancelled(shared_server: Server, name: str) -> None:
    async with chordstate.aio.connect(shared_server.address) as client:
        async with chordstate.aio.Replica(client, name) as replica:
            await replica.wait_ready(10)
            for iterations in range(10):
                replica._settled.clear()
                wait = asyncio.ensure_future(replica.wait_ready(60))
                for _ in range(10):
                    await asyncio.sleep(0)
                assert not wait.done()
                replica._settled.set()
                for _ in range(iterations):
                    await asyncio.sleep(0)
                done = wait.done()
                wait.cancel()
                if not done:
                    with pytest.raises(asyncio.CancelledError):
                        await wait


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
@in_loop
async def test_a_watch_goes_on_after_a_restart(server: Server, name: str, how: signal.Signals) -> None:
    async with chordstate.aio.connect(server.address, timeout=60) as client:
        held = (await client.set(name, {"n": 0, "rest": LONG})).position

        async def write() -> None:
            for _ in range(60):
                await client.update(name, None, [chordstate.Increment("n")])

        writes = asyncio.ensure_future(write())
        restart: Awaitable[None] | None = None
        async with client.watch(name, known={name: held}) as watch:
            async for event in watch:
                if event == chordstate.CaughtUp():
                    continue
                assert isinstance(event, chordstate.Delta)
                assert event.from_ == held
                held = event.to
                if held.version > 20 and restart is None:
                    restart = asyncio.ensure_future(in_thread(server.restart, how))
                if held.version == 61:
                    break
        await writes
        assert restart is not None
        await restart
        assert (await client.get(name)).position == held


@in_loop
async def test_cancelling_a_wait_for_an_event_loses_nothing(shared_server: Server, name: str) -> None:
    async with chordstate.aio.connect(shared_server.address) as client:
        first = (await client.set(name, {"n": 0, "rest": LONG})).position
        async with client.watch(name) as watch:
            await take(watch, 2)
            for _ in range(3):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(watch.__anext__(), 0.02)
            await client.update(name, {"n": 1})
            (delta,) = await take(watch, 1)
            assert isinstance(delta, chordstate.Delta)
            assert delta.from_ == first


@in_loop
async def test_a_final_error_ends_a_watch(shared_server: Server) -> None:
    async with chordstate.aio.connect(shared_server.address) as client:
        watch = client.watch("")
        with pytest.raises(chordstate.ChordError) as caught:
            await take(watch, 1)
        assert caught.value.reason == "INVALID_ARGUMENT"
        assert [event async for event in watch] == []


@in_loop
async def test_closing_wakes_a_reader(shared_server: Server, name: str) -> None:
    async def rest_of(watch: chordstate.aio.Watch) -> list[chordstate.Event]:
        return [event async for event in watch]

    async with chordstate.aio.connect(shared_server.address) as client:
        watch = client.watch(name)
        await take(watch, 2)
        reader = asyncio.ensure_future(rest_of(watch))
        await asyncio.sleep(0.01)
        await watch.close()
        assert await reader == []
        away = chordstate.aio.connect("127.0.0.1:1", retry=chordstate.RetryPolicy(backoff_min=60, backoff_max=60))
        broken = asyncio.Event()
        reader = asyncio.ensure_future(rest_of(away.watch(name, on_disconnect=lambda *_: broken.set())))
        await broken.wait()
        await away.close()
        assert await reader == []


@in_loop
async def test_leaving_the_loop_ends_a_watch(shared_server: Server, name: str) -> None:
    async with chordstate.aio.connect(shared_server.address) as client:
        async for event in client.watch(name):
            assert event == chordstate.Absent(name)
            break
        gc.collect()
        assert len(client._open) == 0
        watch = client.watch(name)
        await take(watch, 2)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(watch.__anext__(), 0.02)
        del watch
        gc.collect()
        assert len(client._open) == 0
        reading = [task for task in asyncio.all_tasks() if ".read()" in repr(task)]
        await asyncio.wait_for(eventually(lambda: all(task.done() for task in reading)), 5)  # no heartbeat ends it
        assert reading


@in_loop
async def test_a_replica(server: Server, name: str) -> None:
    heard: asyncio.Queue[chordstate.ReplicaChange] = asyncio.Queue()
    failures: list[Exception] = []
    broken = asyncio.Event()
    async with chordstate.aio.connect(server.address, timeout=30) as client:
        await client.set(name, {"n": 1, "rest": LONG})
        replica = chordstate.aio.Replica(
            client, chordstate.Prefix(name), on_error=failures.append, on_disconnect=lambda *_: broken.set()
        )
        async with replica:
            await replica.wait_ready(10)
            assert replica.live
            assert replica.get(name) == {"n": 1, "rest": LONG}
            replica.on_change(lambda change: 1 / 0)
            replica.on_change(heard.put_nowait)
            await client.update(name, {"n": 2})
            assert (await heard.get()).changes == (chordstate.Modified(("n",), 2),)
            assert [type(each) for each in failures] == [ZeroDivisionError]
            await in_thread(server.stop)
            await broken.wait()
            assert not replica.live
            await in_thread(server.start)
            await client.update(name, {"n": 3})
            await eventually(lambda: replica.live and replica.get(name) == {"n": 3, "rest": LONG})
            replica._documents[name] = ({}, (await client.get(name)).position)
            await client.update(name, {"n": 4})
            await eventually(lambda: replica.get(name) == {"n": 4, "rest": LONG})
        assert not replica.live
        assert replica.get(name) == {"n": 4, "rest": LONG}


@in_loop
async def test_a_replica_that_is_never_ready(shared_server: Server) -> None:
    async with chordstate.aio.connect(shared_server.address) as client:
        replica = chordstate.aio.Replica(client, "", on_error=lambda _: None)
        with pytest.raises(chordstate.ChordError, match="INVALID_ARGUMENT"):
            await replica.wait_ready(10)
    async with chordstate.aio.connect("127.0.0.1:1") as client:
        replica = chordstate.aio.Replica(client, "a")
        with pytest.raises(TimeoutError):
            await replica.wait_ready(0.01)
        await replica.close()
        with pytest.raises(chordstate.ChordError, match="closed"):
            await replica.wait_ready(10)


def test_a_client_made_before_the_loop(shared_server: Server, name: str) -> None:
    client = chordstate.aio.connect(shared_server.address)

    async def use() -> None:
        async with client:
            assert (await client.set(name, {})).changed

    asyncio.run(use())
