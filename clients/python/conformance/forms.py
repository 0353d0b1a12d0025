"""The driver's JSON and the client's words."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import chordstate
from chordstate.conditions import Expected

Args = dict[str, Any]
Form = dict[str, Any]

#: Left out of forms.
TIMES = ("created_at", "updated_at", "expires_at")

_EVENTS = {
    chordstate.Full: "full",
    chordstate.Delta: "delta",
    chordstate.NoChange: "noChange",
    chordstate.Deleted: "deleted",
    chordstate.Absent: "absent",
    chordstate.CaughtUp: "caughtUp",
}


def event(item: chordstate.Event | chordstate.NoChange) -> Form:
    return {"event": _EVENTS[type(item)], **form(item)}


def form(item: Any) -> Any:
    """Members by the names of the protocol; absent ones left out."""
    if isinstance(item, chordstate.Position):
        return {"epoch": item.epoch, "version": item.version, "digest": item.digest}
    if isinstance(
        item,
        (
            chordstate.Added,
            chordstate.Modified,
            chordstate.Removed,
            chordstate.Spliced,
            chordstate.TextSpliced,
            chordstate.UnknownChange,
        ),
    ):
        return change(item)
    if isinstance(item, chordstate.Check):
        return check_form(item)
    if isinstance(item, chordstate.MemberExpiry):
        return {"path": list(item.path), "expiresAt": round(item.expires_at.timestamp() * 1000)}
    if isinstance(item, chordstate.Provenance):
        cause = {"cause": "expired"} if item.expired else {}
        return {"author": item.author, "annotations": dict(item.annotations), **cause}
    if isinstance(item, tuple):
        return [form(each) for each in item]
    if not hasattr(item, "__dataclass_fields__"):
        return item
    members = {name: getattr(item, name) for name in item.__dataclass_fields__ if name not in TIMES}
    if isinstance(item, chordstate.Delta):
        members["inexpressible"] = item.inexpressible or None
        if item.formatted is chordstate.ABSENT:
            del members["formatted"]
    if members.get("more") is False:
        del members["more"]
    return {camel(name): form(member) for name, member in members.items() if member is not None}


def change(item: chordstate.Change) -> Form:
    members = {camel(name): form(getattr(item, name)) for name in item.__dataclass_fields__}
    if not members.get("removed"):
        members.pop("removed", None)
    present = {name: member for name, member in members.items() if member is not chordstate.ABSENT}
    action = "text_spliced" if isinstance(item, chordstate.TextSpliced) else type(item).__name__.lower()
    return {"action": action, **present}


def number(text: str) -> int | float:
    """An integer of JSON as the double that it is: Python would lose the sign of -0, and take all digits literally."""
    return float(text) if text == "-0" or abs(int(text)) > 2**53 else int(text)


def camel(name: str) -> str:
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(map(str.title, rest))


def error(failure: BaseException) -> Form:
    if isinstance(failure, chordstate.ChordError):
        violations = [{"field": each.field, "description": each.description} for each in failure.violations]
        found: Form = {"reason": failure.reason, "message": failure.message, "violations": violations}
        if failure.context_id is not None:
            found["contextId"] = failure.context_id
        if failure.retry_after is not None:
            found["retryAfter"] = failure.retry_after * 1000
        if failure.unmet is not None:
            found["unmet"] = form(failure.unmet)
        if failure.current is not None:
            found["current"] = None if failure.current is chordstate.ABSENT else form(failure.current)
        return found
    kinds = {chordstate.DeltaMismatch: "DELTA_MISMATCH", TimeoutError: "TIMEOUT"}
    return {"reason": kinds.get(type(failure), "DRIVER"), "message": repr(failure), "violations": []}


def position(form: Mapping[str, Any]) -> chordstate.Position:
    return chordstate.Position(form["epoch"], int(form["version"]), form["digest"])


def positions(forms: Mapping[str, Any] | None) -> dict[str, chordstate.Position]:
    return {context_id: position(each) for context_id, each in (forms or {}).items()}


def targets(args: Args) -> list[chordstate.Target]:
    return [target(each) for each in args["targets"]]


def target(form: Mapping[str, Any]) -> chordstate.Target:
    paths = form.get("paths") or ()
    if "prefix" in form:
        return chordstate.Prefix(form["prefix"], paths)
    return chordstate.Id(form["id"], paths) if paths else form["id"]


def history_options(args: Args, *names: str) -> dict[str, Any]:
    """Arguments of a sync or of deltas, of those that it takes."""
    given = {
        "include_old_values": bool(args.get("includeOldValues")),
        "format": args.get("format") or "",
        "paths": args.get("paths") or (),
        "page_size": int(args.get("pageSize") or 0),
    }
    return {name: given[name] for name in names}


def write_options(args: Args, *names: str) -> dict[str, Any]:
    """Arguments of a write, of those that it takes."""
    returning = args.get("returning") or {}
    ttl = args.get("ttl")
    given = {
        "expected": expected(args.get("expected")),
        "checks": [check(each) for each in args.get("checks") or []],
        "request_id": args.get("requestId"),
        "annotations": args.get("annotations"),
        "allow_missing": bool(args.get("allowMissing")),
        "ttl": None if ttl is None else timedelta(milliseconds=ttl),
        "returning": chordstate.Returning(
            bool(returning.get("context")),
            bool(returning.get("delta")),
            bool(returning.get("oldValues")),
            returning.get("format") or "",
        ),
    }
    return {name: given[name] for name in names}


def expected(form: Mapping[str, Any] | None) -> Expected | None:
    if not form:
        return None
    if form.get("position"):
        return position(form["position"])
    if unchanged := form.get("unchanged"):
        return chordstate.Unchanged(position(unchanged["since"]), unchanged["paths"])
    return chordstate.ABSENT if form.get("absent") else int(form["version"])


def check(form: Mapping[str, Any]) -> chordstate.Check:
    path = form["path"]
    if "equals" in form:
        return chordstate.Equals(path, form["equals"])
    if "exists" in form:
        return chordstate.Exists(path) if form["exists"] else chordstate.Missing(path)
    if "atLeast" in form:
        return chordstate.AtLeast(path, form["atLeast"])
    return chordstate.AtMost(path, form["atMost"])


def check_form(item: chordstate.Check) -> Form:
    path = list(item.path)
    if isinstance(item, chordstate.Equals):
        return {"path": path, "equals": item.value}
    if isinstance(item, chordstate.AtLeast):
        return {"path": path, "atLeast": item.number}
    if isinstance(item, chordstate.AtMost):
        return {"path": path, "atMost": item.number}
    return {"path": path, "exists": isinstance(item, chordstate.Exists)}


def mutation(form: Mapping[str, Any]) -> chordstate.Mutation:
    path = form["path"]
    if "set" in form:
        return chordstate.Set(path, form["set"])
    if "remove" in form:
        return chordstate.Remove(path)
    if "increment" in form:
        return chordstate.Increment(path, form["increment"])
    if "append" in form:
        return chordstate.Append(path, form["append"])
    if "appendText" in form:
        return chordstate.AppendText(path, form["appendText"])
    if "spliceText" in form:
        edit = form["spliceText"]
        return chordstate.SpliceText(path, edit["index"], edit["removeCount"], edit["insert"])
    splice = form["splice"]
    return chordstate.Splice(path, splice["index"], splice["removeCount"], splice["insert"])


def unbase64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
