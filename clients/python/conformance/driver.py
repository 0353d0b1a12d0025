"""The driver of the conformance suite: see test/conformance/PROTOCOL.md.

`python -m conformance.driver` drives the client for threads, with `--aio` the one for asyncio.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import chordstate
import chordstate.aio

from . import forms, vectors
from .forms import Args, Form, write_options

AIO = "--aio" in sys.argv
# One thread for each call in flight, and each watch that waits.
THREADS = ThreadPoolExecutor(max_workers=256)


async def do(function: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """Calls a method of either client."""
    if AIO:
        result = function(*args, **named)
        return await result if isinstance(result, Awaitable) else result
    return await asyncio.get_running_loop().run_in_executor(THREADS, lambda: function(*args, **named))


async def all_of(function: Callable[..., Any], *args: Any, **named: Any) -> list[Any]:
    """Reads an iterator of either client to its end."""
    if AIO:
        return [item async for item in function(*args, **named)]
    return list(await do(lambda: list(function(*args, **named))))


def tls(args: Args | None) -> chordstate.Tls | bool:
    if args is None:
        return False
    ca, cert, key = (Path(args[name]).read_bytes() if args.get(name) else None for name in ("ca", "cert", "key"))
    return chordstate.Tls(ca=ca, cert=cert, key=key, server_name=args.get("serverName"))


def token_source(path: str) -> Callable[[], Any]:
    """Reads it anew for each call."""

    async def read() -> str:
        return Path(path).read_text()

    return read if AIO else Path(path).read_text


def update_args(args: Args) -> tuple[Any, ...]:
    return args["contextId"], args.get("changes"), [forms.mutation(each) for each in args.get("mutations") or []]


def update_options(args: Args) -> dict[str, Any]:
    return write_options(args, "expected", "checks", "request_id", "annotations", "allow_missing", "ttl", "returning")


def add_to(batch: chordstate.Batch, args: Args) -> None:
    name, ttl = args["contextId"], args.get("ttl")
    common = ("expected", "checks", "annotations", "ttl", "returning")
    if args["op"] == "set":
        batch.set(name, args["value"], **write_options(args, *common))
    elif args["op"] == "update":
        batch.update(*update_args(args), **write_options(args, *common, "allow_missing"))
    elif args["op"] == "revert":
        batch.revert(name, int(args["version"]), **write_options(args, *common))
    elif args["op"] == "delete":
        batch.delete(name, **write_options(args, "expected", "checks", "annotations", "allow_missing"))
    else:
        batch.touch(name, None if ttl is None else ttl / 1000)


def increment(document: Form, path: list[str]) -> None:
    *parents, last = path
    for key in parents:
        document = document.setdefault(key, {})
    document[last] = document.get(last, 0) + 1


class Driver:
    def __init__(self) -> None:
        self.client: Any = None
        self.handles: dict[str, Any] = {}
        self.handle_count = 0
        self.records: dict[str, Record] = {}
        # Of watches: events asked for that did not come in time.
        self.pending: dict[str, asyncio.Future[Any]] = {}

    async def connect(self, args: Args) -> Form:
        if self.client is not None:
            await do(self.client.close)
        attempts = args.get("attempts")
        connect = chordstate.aio.connect if AIO else chordstate.connect
        self.client = connect(
            args["address"],
            tls=tls(args.get("tls")),
            token=token_source(args["tokenFile"]) if args.get("tokenFile") else args.get("token"),
            timeout=(args.get("deadline") or 10_000) / 1000,
            retry=chordstate.RetryPolicy(attempts=attempts) if attempts else chordstate.RetryPolicy(),
        )
        return {}

    async def set(self, args: Args) -> Any:
        options = write_options(args, "expected", "checks", "request_id", "annotations", "ttl", "returning")
        return forms.form(await do(self.client.set, args["contextId"], args["value"], **options))

    async def update(self, args: Args) -> Any:
        return forms.form(await do(self.client.update, *update_args(args), **update_options(args)))

    async def revert(self, args: Args) -> Any:
        options = write_options(args, "expected", "checks", "request_id", "annotations", "ttl", "returning")
        return forms.form(await do(self.client.revert, args["contextId"], int(args["version"]), **options))

    async def batch(self, args: Args) -> Any:
        batch = chordstate.Batch()
        for each in args["writes"]:
            add_to(batch, each)
        return {"results": forms.form(tuple(await do(self.client.batch, batch, request_id=args.get("requestId"))))}

    async def get(self, args: Args) -> Any:
        version, at = args.get("version"), args.get("at")
        return forms.form(
            await do(
                self.client.get,
                args["contextId"],
                include_expiries=bool(args.get("includeExpiries")),
                version=None if version is None else int(version),
                at=None if at is None else datetime.fromtimestamp(at / 1000, timezone.utc),
            )
        )

    async def edit(self, args: Args) -> Form:
        seen: list[Form] = []
        meanwhile = args.get("meanwhile") or []

        def begin(document: Form) -> Args | None:
            seen.append(copy.deepcopy(document))
            return meanwhile[len(seen) - 1] if len(seen) <= len(meanwhile) else None

        def change(document: Form) -> None:
            if other := begin(document):
                self.client.update(*update_args(other), **update_options(other))
            for path in args["add"]:
                increment(document, path)

        async def change_aio(document: Form) -> None:
            if other := begin(document):
                await self.client.update(*update_args(other), **update_options(other))
            for path in args["add"]:
                increment(document, path)

        options = write_options(args, "annotations", "ttl", "returning")
        options |= {name: args[name] for name in ("reads", "attempts") if args.get(name) is not None}
        result = await do(
            self.client.edit,
            args["contextId"],
            change_aio if AIO else change,
            allow_missing=bool(args.get("allowMissing")),
            **options,
        )
        return {**forms.form(result), "seen": seen}

    async def wait(self, args: Args) -> Form:
        known = args.get("known")
        waited = await do(
            self.client.wait,
            args["contextId"],
            [forms.check(each) for each in args["until"]],
            known=known and forms.position(known),
            timeout=args["timeout"] / 1000,
        )
        return {"result": forms.event(waited.result), "heldAt": waited.held_at}

    async def delete(self, args: Args) -> Any:
        options = write_options(args, "expected", "checks", "request_id", "annotations", "allow_missing")
        return forms.form(await do(self.client.delete, args["contextId"], **options))

    async def touch(self, args: Args) -> Any:
        ttl = args.get("ttl")
        return forms.form(await do(self.client.touch, args["contextId"], None if ttl is None else ttl / 1000))

    async def presence(self, args: Args) -> Form:
        ttl = args["ttl"] / 1000
        return self.keep(await do(self.client.presence, args["contextId"], args["path"], args["value"], ttl))

    async def list(self, args: Args) -> Form:
        include_values = bool(args.get("includeValues"))
        return {
            "contexts": forms.form(tuple(await all_of(self.client.list, args["prefix"], include_values=include_values)))
        }

    async def sync(self, args: Args) -> Form:
        known = args.get("known")
        options = forms.history_options(args, "include_old_values", "format", "paths")
        result = await do(self.client.sync, args["contextId"], known and forms.position(known), **options)
        return {"result": forms.event(result)}

    async def deltas(self, args: Args) -> Form:
        options = forms.history_options(args, "include_old_values", "format", "page_size")
        pages = await all_of(self.client.deltas, args["contextId"], int(args["fromVersion"]), **options)
        return {**forms.form(pages[0]), "deltas": [forms.form(each) for page in pages for each in page.deltas]}

    async def blame(self, args: Args) -> Form:
        pages = await all_of(self.client.blame, args["contextId"], *(args.get("paths") or ()))
        lines = [{"version": 0, **forms.form(line)} for page in pages for line in page.lines]
        return {"olderThan": 0, **forms.form(pages[0]), "lines": lines}

    async def watch(self, args: Args) -> Form:
        known = forms.positions(args.get("known"))
        options = forms.history_options(args, "include_old_values", "format")
        return self.keep(self.client.watch(*forms.targets(args), known=known, **options))

    async def next(self, args: Args) -> Form:
        handle = args["handle"]
        watch = self.handles[handle]
        end = asyncio.get_running_loop().time() + args["timeout"] / 1000
        events: list[Form] = []
        while len(events) < (args.get("count") or 1):
            if handle not in self.pending:
                self.pending[handle] = asyncio.ensure_future(do(next_of, watch))
            left = end - asyncio.get_running_loop().time()
            done, _ = await asyncio.wait([self.pending[handle]], timeout=max(0, left))
            if not done:
                break
            event = self.pending.pop(handle).result()
            if event is None:
                break
            events.append(forms.event(event))
        return {"events": events}

    async def replica(self, args: Args) -> Form:
        make = chordstate.aio.Replica if AIO else chordstate.Replica
        loop, record = asyncio.get_running_loop(), Record()
        replica: Any = make(
            self.client,
            *forms.targets(args),
            on_error=lambda error: loop.call_soon_threadsafe(record.end, error),
        )
        await do(replica.wait_ready, args["timeout"] / 1000)

        def note(change: chordstate.ReplicaChange) -> None:
            versions = {each: position.version for each, (_, position) in replica.state().items()}
            loop.call_soon_threadsafe(record.note, {"contextId": change.context_id, "versions": versions})

        replica.on_change(note)
        form = self.keep(replica)
        self.records[form["handle"]] = record
        return form

    async def seen(self, args: Args) -> Form:
        record = self.records[args["handle"]]
        await in_time(until(lambda: len(record.seen) >= args["count"], record.changed), args)
        return {"seen": record.seen}

    async def ended(self, args: Args) -> Form:
        record = self.records[args["handle"]]
        await in_time(until(lambda: record.error is not None, record.changed), args)
        assert record.error is not None
        return {"error": forms.error(record.error)}

    async def read(self, args: Args) -> Form:
        replica, context_id, version = self.handles[args["handle"]], args["contextId"], args.get("version")
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def fits() -> bool:
            position = replica.position(context_id)
            at = position.version if position else 0
            return version is None or (at == 0 if version == 0 else at >= version)

        remove = replica.on_change(lambda change: loop.call_soon_threadsafe(changed.set))
        try:
            await in_time(until(fits, changed), args)
        finally:
            remove()
        return {"value": replica.get(context_id), "position": forms.form(replica.position(context_id))}

    async def burst(self, args: Args) -> Form:
        versions: list[int] = []
        failed = 0
        numbers = iter(range(int(args["count"])))

        async def work() -> None:
            nonlocal failed
            for i in numbers:
                mutations = [chordstate.Set([args["name"], str(i)], i), chordstate.Increment("total")]
                try:
                    result = await do(self.client.update, args["contextId"], None, mutations, allow_missing=True)
                    versions.append(result.position.version)
                except chordstate.ChordError as error:
                    failed += 1
                    print(error, file=sys.stderr)

        await asyncio.gather(*(work() for _ in range(int(args["concurrency"]))))
        return {"versions": versions, "failed": failed}

    async def close(self, args: Args) -> Form:
        handle = args.get("handle")
        for each in [handle] if handle else list(self.handles):
            await do(self.handles[each].close)
        if not handle:
            await do(self.client.close)
        return {}

    def keep(self, opened: Any) -> Form:
        self.handle_count += 1
        handle = f"h{self.handle_count}"
        self.handles[handle] = opened
        return {"handle": handle}


class Record:
    """What a replica's callbacks have seen, and why it has ended."""

    def __init__(self) -> None:
        self.seen: list[Form] = []
        self.error: Exception | None = None
        self.changed = asyncio.Event()

    def note(self, seen: Form) -> None:
        self.seen.append(seen)
        self.changed.set()

    def end(self, error: Exception) -> None:
        self.error = error
        self.changed.set()


async def in_time(waiting: Awaitable[None], args: Args) -> None:
    try:
        await asyncio.wait_for(waiting, (args.get("timeout") or 10_000) / 1000)
    except asyncio.TimeoutError:
        raise TimeoutError("the replica did not get there") from None


async def until(fits: Callable[[], bool], changed: asyncio.Event) -> None:
    while not fits():
        await changed.wait()
        changed.clear()


def next_of(watch: Any) -> Any:
    """The next event; None at the end."""
    return anext(watch, None) if AIO else next(watch, None)


async def main() -> None:
    driver = Driver()
    while line := await asyncio.to_thread(sys.stdin.readline):
        args = json.loads(line, parse_int=forms.number)
        number, op = args.pop("id"), args.pop("op")
        answer: Form
        try:
            run = vectors.OPS.get(op)
            answer = {"id": number, "ok": run(args) if run else await getattr(driver, op)(args)}
        except Exception as error:
            answer = {"id": number, "error": forms.error(error)}
        print(json.dumps(answer), flush=True)


asyncio.run(main())
os._exit(0)  # threads that still wait for an event are abandoned
