"""Waiting for what no check says: a predicate of a document, which a watch of its context brings."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

import grpc

from .apply import DeltaMismatch, apply
from .errors import ChordError, closed
from .frozen import freeze
from .model import CaughtUp, Delta, Event, Full
from .position import Position
from .retry import TIMEOUT_MAX
from .values import JsonObject
from .watch import Watch

#: A document and where it stands; None: the context is missing.
Held: TypeAlias = "tuple[JsonObject, Position] | None"

#: Gets the document; None where the context is missing.
Predicate: TypeAlias = "Callable[[JsonObject | None], bool]"


def follow(held: Held, event: Event) -> Held:
    """The document after an event of its context. Raises DeltaMismatch."""
    if isinstance(event, Full):
        return freeze(event.value), event.position
    if not isinstance(event, Delta):
        return None
    if held is None:
        raise DeltaMismatch((), f"there is no copy of {event.context_id!r}")
    return apply(event.changes, held[0]), event.to


def until(watch: Watch, holds: Predicate, timeout: float | None) -> Held:
    """Closes the watch. Raises ChordError, and what the predicate raises."""
    late = threading.Event()

    def expire() -> None:
        late.set()
        watch.close()

    timer = None if timeout is None else threading.Timer(min(timeout, TIMEOUT_MAX), expire)
    if timer is not None:
        timer.daemon = True
        timer.start()
    held: Held = None
    try:
        with watch:
            for event in watch:
                if isinstance(event, CaughtUp):
                    continue
                try:
                    held = follow(held, event)
                except DeltaMismatch:
                    watch.resync([event])
                    continue
                if holds(held and held[0]):
                    return held
    finally:
        if timer is not None:
            timer.cancel()
    raise overdue() if late.is_set() else closed()


def overdue() -> ChordError:
    code = grpc.StatusCode.DEADLINE_EXCEEDED
    return ChordError("DEADLINE_EXCEEDED", "the predicate did not hold in time", code)
