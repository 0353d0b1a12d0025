"""The ops that need no server: the client's own code on bytes and values."""

from __future__ import annotations

import base64
from typing import Any

import grpc
from google.protobuf.struct_pb2 import Struct

import chordstate
from chordstate._gen.chord.v1.model_pb2 import Delta
from chordstate._gen.chord.v1.sync_service_pb2 import WatchContextsResponse
from chordstate.model import read_delta
from chordstate.status import decode_error
from chordstate.tracker import KNOWN_BYTES_MAX, Gap, Tracker
from chordstate.values import read_struct, write_struct

from . import forms
from .forms import Args, Form, unbase64


def decode(args: Args) -> Form:
    return {"value": read_struct(Struct.FromString(unbase64(args["wire"])))}


def encode(args: Args) -> Form:
    struct = Struct()
    write_struct(struct, args["value"])
    return {"wire": base64.b64encode(struct.SerializeToString()).decode()}


def apply(args: Args) -> Form:
    delta = read_delta(Delta.FromString(unbase64(args["wire"])))
    return {"value": chordstate.apply(delta, args["document"])}


def error(args: Args) -> Form:
    code = next(code for code in grpc.StatusCode if code.value[0] == args["code"])
    details = args.get("details")
    failure = decode_error(code, args["message"], unbase64(details) if details else None)
    return {"error": forms.error(failure), "transient": failure.transient}


def track(args: Args) -> Form:
    known_bytes_max = args.get("knownBytesMax")
    tracker = Tracker(
        forms.targets(args),
        forms.positions(args.get("known")),
        KNOWN_BYTES_MAX if known_bytes_max is None else known_bytes_max,
    )
    return {"steps": [_step(tracker, step) for step in args["steps"]]}


def _step(tracker: Tracker, step: dict[str, Any]) -> Form:
    if "response" not in step:
        return {"known": [{each: forms.form(at) for each, at in known.items()} for known in tracker.connect()]}
    try:
        events = tracker.take(WatchContextsResponse.FromString(unbase64(step["response"])))
    except Gap:
        return {"events": [], "gap": True}
    return {"events": [forms.event(each) for each in events]}


OPS = {"decode": decode, "encode": encode, "apply": apply, "error": error, "track": track}
