"""The documents of a replica, and the callbacks for their changes. No network, no threads."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, overload

from .apply import DeltaMismatch, apply
from .frozen import freeze
from .model import CaughtUp, Change, Deleted, Delta, Event, Full
from .position import Position
from .typed import read_as
from .values import JsonObject

T = TypeVar("T")

_log = logging.getLogger("chordstate")


@dataclass(frozen=True, slots=True)
class ReplicaChange:
    """What has happened to one context of a replica."""

    context_id: str
    #: None: the context is gone.
    value: JsonObject | None
    position: Position | None
    #: From the former value to this one. None where the whole document came, or went.
    changes: tuple[Change, ...] | None


OnChange: TypeAlias = Callable[[ReplicaChange], object]
OnError: TypeAlias = Callable[[Exception], object]

#: By context id: a document and where it stands. To be kept, and for another replica to start with.
State: TypeAlias = "Mapping[str, tuple[JsonObject, Position]]"

#: What a copy can be waited for: a position (the same epoch, at least the version), or a predicate of its value.
Condition: TypeAlias = "Position | Callable[[JsonObject | None], bool]"


class Copies:
    """What both replicas share. Documents are frozen: what does not change is shared by all readers."""

    def __init__(self, on_error: OnError | None, state: State | None) -> None:
        self._documents: dict[str, tuple[JsonObject, Position]] = {
            context_id: (freeze(value), position) for context_id, (value, position) in (state or {}).items()
        }
        # Guards the documents: a batch is there for no reader, or for all.
        self._lock = threading.Lock()
        self._listeners: tuple[OnChange, ...] = ()
        self._on_error = on_error
        self._live = False
        self._closing = False

    @overload
    def get(self, context_id: str) -> JsonObject | None: ...

    @overload
    def get(self, context_id: str, *, as_: type[T]) -> T | None: ...

    def get(self, context_id: str, *, as_: type[Any] | None = None) -> Any:
        """The document now; None where there is none. It never changes: a write to it is a TypeError.

        as_: its type, a dataclass or a TypedDict: made anew by each call. INVALID_ARGUMENT where it does not fit.
        """
        with self._lock:
            held = self._documents.get(context_id)
        if held is None:
            return None
        return held[0] if as_ is None else read_as(as_, held[0])

    def position(self, context_id: str) -> Position | None:
        """Where the copy stands; None where there is none."""
        with self._lock:
            held = self._documents.get(context_id)
        return held and held[1]

    def ids(self) -> tuple[str, ...]:
        """Of all contexts of which there is a copy."""
        with self._lock:
            return tuple(self._documents)

    def state(self) -> State:
        """All documents and where they stand, as of one moment."""
        with self._lock:
            return dict(self._documents)

    def __len__(self) -> int:
        return len(self._documents)

    def __contains__(self, context_id: object) -> bool:
        with self._lock:
            return context_id in self._documents

    @property
    def live(self) -> bool:
        """Connected, and caught up since."""
        return self._live

    def on_change(self, listener: OnChange) -> Callable[[], None]:
        """Calls it after each change of the replica, of a batch after all of it; answers how to end that.

        What it raises goes to `on_error`.
        """
        self._listeners = (*self._listeners, listener)

        def remove() -> None:
            self._listeners = tuple(each for each in self._listeners if each is not listener)

        return remove

    def _known(self) -> dict[str, Position]:
        return {context_id: position for context_id, (_, position) in self._documents.items()}

    def _take(self, events: Iterable[Event]) -> list[ReplicaChange]:
        """All of them, or none: raises DeltaMismatch, and the copy is as before. Answers what to tell listeners."""
        staged: dict[str, tuple[JsonObject, Position] | None] = {}
        changes: list[ReplicaChange] = []
        live = self._live
        for event in events:
            if isinstance(event, CaughtUp):
                live = True
            elif isinstance(event, (Full, Delta, Deleted)):
                change = self._change(event, staged)
                in_it = change.value is not None and change.position is not None
                staged[change.context_id] = (change.value, change.position) if in_it else None  # type: ignore[assignment]
                changes.append(change)
        with self._lock:
            for context_id, document in staged.items():
                if document is None:
                    self._documents.pop(context_id, None)
                else:
                    self._documents[context_id] = document
        self._live = live
        return changes

    def _change(
        self, event: Full | Delta | Deleted, staged: Mapping[str, tuple[JsonObject, Position] | None]
    ) -> ReplicaChange:
        context_id = event.context_id
        if isinstance(event, Full):
            return ReplicaChange(context_id, freeze(event.value), event.position, None)
        if isinstance(event, Deleted):
            return ReplicaChange(context_id, None, None, None)
        held = staged[context_id] if context_id in staged else self._documents.get(context_id)
        if held is None:
            raise DeltaMismatch((), f"there is no copy of {context_id!r}")
        return ReplicaChange(context_id, apply(event.changes, held[0]), event.to, event.changes)

    def _holds(self, context_id: str, condition: Condition) -> bool:
        """Raises what a predicate raises."""
        if not isinstance(condition, Position):
            return condition(self.get(context_id))
        at = self.position(context_id)
        return at is not None and condition.epoch in ("", at.epoch) and at.version >= condition.version

    def _tell(self, listener: OnChange, change: ReplicaChange) -> Awaitable[object] | None:
        """Answers what is left to be awaited."""
        try:
            result = listener(change)
            return result if isinstance(result, Awaitable) else None
        except Exception as error:
            self._report(error)
            return None

    def _log_end(self, error: Exception) -> None:
        """Called before the end can be seen. Nothing where there is an `on_error`: that finds the replica ended."""
        if self._on_error is None:
            _log.error("a replica has ended", exc_info=error)

    def _report(self, error: Exception) -> object:
        """Answers what `on_error` does: perhaps something to be awaited. Without it, a listener has failed."""
        if self._on_error is None:
            _log.error("a listener of a replica failed", exc_info=error)
            return None
        try:
            return self._on_error(error)
        except Exception as raised:
            self._log_on_error(raised)
            return None

    def _log_on_error(self, error: Exception) -> None:
        _log.error("on_error of a replica failed", exc_info=error)
