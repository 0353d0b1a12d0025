"""The copy that a replica holds, and who hears of its changes. No network, no threads."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from .apply import DeltaMismatch, apply
from .model import CaughtUp, Change, Deleted, Delta, Event, Full
from .position import Position
from .values import JsonObject

_log = logging.getLogger("chord")


@dataclass(frozen=True, slots=True)
class ReplicaChange:
    context_id: str
    #: None: the context is gone.
    value: JsonObject | None
    position: Position | None
    #: From the former value to this one. None where the whole document came, or went.
    changes: tuple[Change, ...] | None


OnChange: TypeAlias = Callable[[ReplicaChange], object]
OnError: TypeAlias = Callable[[Exception], object]


class Copies:
    """What both replicas share. Documents are read-only: what does not change is shared by all readers."""

    def __init__(self, on_error: OnError | None) -> None:
        self._documents: dict[str, tuple[JsonObject, Position]] = {}
        self._listeners: tuple[OnChange, ...] = ()
        self._on_error = on_error
        self._live = False
        self._closing = False

    def get(self, context_id: str) -> JsonObject | None:
        """The document now; None where there is none. It never changes afterwards."""
        held = self._documents.get(context_id)
        return held and held[0]

    def position(self, context_id: str) -> Position | None:
        held = self._documents.get(context_id)
        return held and held[1]

    def ids(self) -> tuple[str, ...]:
        return tuple(self._documents)

    def __len__(self) -> int:
        return len(self._documents)

    def __contains__(self, context_id: object) -> bool:
        return context_id in self._documents

    @property
    def live(self) -> bool:
        """Connected, and caught up since."""
        return self._live

    def on_change(self, listener: OnChange) -> Callable[[], None]:
        """Calls it after each change of the replica; answers how to end that. What it raises goes to `on_error`."""
        self._listeners = (*self._listeners, listener)

        def remove() -> None:
            self._listeners = tuple(each for each in self._listeners if each is not listener)

        return remove

    def _take(self, event: Event) -> None:
        """Raises DeltaMismatch, and the copy is as before."""
        if isinstance(event, Full):
            self._store(ReplicaChange(event.context_id, event.value, event.position, None))
        elif isinstance(event, Delta):
            document = self.get(event.context_id)
            if document is None:
                raise DeltaMismatch((), f"there is no copy of {event.context_id!r}")
            value = apply(event.changes, document)
            self._store(ReplicaChange(event.context_id, value, event.to, event.changes))
        elif isinstance(event, Deleted):
            self._documents.pop(event.context_id, None)
            self._tell(ReplicaChange(event.context_id, None, None, None))
        elif isinstance(event, CaughtUp):
            self._live = True

    def _store(self, change: ReplicaChange) -> None:
        assert change.value is not None and change.position is not None
        self._documents[change.context_id] = (change.value, change.position)
        self._tell(change)

    def _tell(self, change: ReplicaChange) -> None:
        for listener in self._listeners:
            if self._closing:
                return
            try:
                listener(change)
            except Exception as error:
                self._report(error, "a listener of a replica failed")

    def _report(self, error: Exception, what: str) -> None:
        if self._on_error is None:
            _log.error(what, exc_info=error)
            return
        try:
            self._on_error(error)
        except Exception:
            _log.exception("on_error of a replica failed")
