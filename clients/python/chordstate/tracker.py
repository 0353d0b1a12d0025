"""What a watch makes of each message of its streams, and what it asks for when it connects again.

Pure: it knows no network. See clients/README.md, "The tracker".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from ._gen.chord.v1 import sync_service_pb2 as pb
from .model import Absent, CaughtUp, Deleted, Delta, Event, Full, PathLike, names_of, read_delta, read_full
from .position import Position, read_position, write_position
from .requests import write_paths


@dataclass(frozen=True, slots=True)
class Id:
    """A context by its id; a str is the same without paths."""

    id: str
    #: Only these parts of the document. Empty: all of it. Where several targets cover a context, their union.
    paths: Sequence[PathLike] = ()


@dataclass(frozen=True, slots=True)
class Prefix:
    """All contexts whose ids begin with this, those still to be created included. May be empty: every context."""

    prefix: str
    #: As of an Id.
    paths: Sequence[PathLike] = ()


#: A context id, or a prefix.
Target: TypeAlias = str | Id | Prefix

#: Of a request's 4 MiB; a position with its framing takes 40.
KNOWN_BYTES_MAX = 3 * 2**20
_POSITION_BYTES = 40

_DELETED_REASONS = {**names_of(pb.DeletedReason, "DELETED_REASON_")}


class Gap(Exception):
    """A message does not fit what came before: the watch must connect again."""


class Tracker:
    def __init__(
        self,
        targets: Iterable[Target],
        known: Mapping[str, Position] | None = None,
        known_bytes_max: int = KNOWN_BYTES_MAX,
    ) -> None:
        self._targets = tuple(targets)
        self._known_bytes_max = known_bytes_max
        self._positions: dict[str, Position] = dict(known or {})
        self._absent: set[str] = set()
        # Held, but not in the request of this connection: a context without an event until it has caught up is gone.
        self._omitted: set[str] = set()
        # Did not fit: the next request asks for the document.
        self._doubted: set[str] = set()
        # Messages of a batch that is not complete.
        self._kept: list[pb.WatchContextsResponse] = []

    def connect(self) -> list[dict[str, Position]]:
        """A connection begins: answers what to name as known, for each target."""
        self._kept = []
        room = self._known_bytes_max
        all_known = []
        for target in self._targets:
            known: dict[str, Position] = {}
            for context_id in self._covered(target):
                size = len(context_id.encode()) + _POSITION_BYTES
                if context_id not in self._doubted and size <= room:
                    room -= size
                    known[context_id] = self._positions[context_id]
            all_known.append(known)
        self._omitted = self._positions.keys() - {context_id for known in all_known for context_id in known}
        return all_known

    def subscriptions(self) -> list[pb.Subscription]:
        """A connection begins: answers what to ask for."""
        messages = []
        for target, known in zip(self._targets, self.connect(), strict=True):
            message = pb.Subscription(known={each: write_position(position) for each, position in known.items()})
            if isinstance(target, Prefix):
                message.prefix = target.prefix
            else:
                message.context_id = context_of(target)
            if not isinstance(target, str):
                message.paths.extend(write_paths(target.paths, "paths"))
            messages.append(message)
        return messages

    def take(self, message: pb.WatchContextsResponse) -> list[Event]:
        """Answers the events to deliver, those of a batch with its last message. Raises Gap."""
        kind = message.WhichOneof("event")
        if kind in ("heartbeat", "closing"):
            return []
        if message.more:
            self._kept.append(message)
            return []
        if not self._kept:
            return self._take(message)
        batch, self._kept = [*self._kept, message], []
        return self._take_batch(batch)

    def _take_batch(self, messages: list[pb.WatchContextsResponse]) -> list[Event]:
        before = [self._standing(_id_of(message)) for message in messages]
        events: list[Event] = []
        for message in messages:
            try:
                events += self._take(message)
            except Gap:
                for restore in before:
                    restore()
                self.doubt(_id_of(message))
                raise
        return [*(replace(event, more=True) for event in events[:-1]), *events[-1:]]

    def _standing(self, context_id: str) -> Callable[[], None]:
        """Answers what brings this context back to where it stands now."""
        position = self._positions.get(context_id)
        marks = [(marked, context_id in marked) for marked in (self._absent, self._omitted, self._doubted)]

        def restore() -> None:
            if position is None:
                self._positions.pop(context_id, None)
            else:
                self._positions[context_id] = position
            for marked, was in marks:
                (marked.add if was else marked.discard)(context_id)

        return restore

    def _take(self, message: pb.WatchContextsResponse) -> list[Event]:
        kind = message.WhichOneof("event")
        if kind == "delta":
            return self._delta(read_delta(message.delta))
        if kind == "full":
            return self._full(read_full(message.full))
        if kind == "deleted":
            gone: Any = message.deleted
            reason = _DELETED_REASONS.get(gone.reason, "UNKNOWN")
            return self._gone(Deleted(gone.context_id, read_position(gone.position), reason))
        if kind == "absent":
            return self._missing(message.absent.context_id)
        if kind == "caught_up":
            return [*(event for each in list(self._omitted) for event in self._missing(each)), CaughtUp()]
        return []

    def doubt(self, context_id: str) -> None:
        """What was delivered of this context turned out not to fit: the next connection brings the document."""
        if context_id in self._positions:
            self._doubted.add(context_id)

    def refuse(self, events: Iterable[Event]) -> None:
        """These were delivered, and the reader's copy is as before them: the next connection brings the documents."""
        for event in events:
            if isinstance(event, Deleted):
                self._positions[event.context_id] = event.position
                self._absent.discard(event.context_id)
            if isinstance(event, (Deleted, Delta, Full)):
                self.doubt(event.context_id)

    def _full(self, event: Full) -> list[Event]:
        context_id = event.context_id
        self._omitted.discard(context_id)
        if self._positions.get(context_id) == event.position and context_id not in self._doubted:
            return []
        self._doubted.discard(context_id)
        self._absent.discard(context_id)
        self._positions[context_id] = event.position
        return [event]

    def _delta(self, event: Delta) -> list[Event]:
        context_id = event.context_id
        held = self._positions.get(context_id)
        if held is None or context_id in self._doubted or not _fits(held, event.from_):
            self.doubt(context_id)
            raise Gap(context_id)
        self._omitted.discard(context_id)
        self._positions[context_id] = event.to
        return [event]

    def _gone(self, event: Deleted) -> list[Event]:
        self._omitted.discard(event.context_id)
        self._doubted.discard(event.context_id)
        if self._positions.pop(event.context_id, None) is None:
            return []
        self._absent.add(event.context_id)
        return [event]

    def _missing(self, context_id: str) -> list[Event]:
        held = self._positions.get(context_id)
        if held is not None:
            return self._gone(Deleted(context_id, held, "UNKNOWN"))
        if context_id in self._absent:
            return []
        self._absent.add(context_id)
        return [Absent(context_id)]

    def _covered(self, target: Target) -> Iterable[str]:
        if isinstance(target, Prefix):
            return [context_id for context_id in self._positions if context_id.startswith(target.prefix)]
        context_id = context_of(target)
        return [context_id] if context_id in self._positions else []


def context_of(target: str | Id) -> str:
    return target if isinstance(target, str) else target.id


def _id_of(message: pb.WatchContextsResponse) -> str:
    """Empty for a message of no context."""
    kind = message.WhichOneof("event")
    if kind == "full":
        return message.full.context.context_id
    event = getattr(message, kind) if kind in ("delta", "deleted", "absent") else None
    return event.context_id if event else ""


def _fits(held: Position, start: Position) -> bool:
    """The caller may have named only a version."""
    return held.version == start.version and held.epoch in ("", start.epoch) and held.digest in ("", start.digest)
